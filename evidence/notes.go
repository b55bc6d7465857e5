package evidence

import (
	"net/netip"
	"strings"

	"kagami/evidence/segment"
	"kagami/records"
)

const (
	maxNoteName  = 255 // octets, as segment.Note says
	maxNoteAddrs = 16
	maxQuestions = 8 // names of one DNS message that get a note
)

// AppendNotes appends what a record tells of names and holes: what a search needs
// to find packets by more than their addresses. The notes borrow from the record.
func AppendNotes(dst []segment.Note, r records.Record) []segment.Note {
	n := notes{m: r.Meta(), out: dst}
	switch r := r.(type) {
	case *records.DNS:
		n.dns(r)
	case *records.HTTP:
		n.named(r.Start, r.HostName())
		n.named(r.Start, r.TunnelName)
	case *records.TLS:
		n.named(r.Start, r.ServerName)
	case *records.QUIC:
		n.named(r.Start, r.ServerName)
	case *records.SOCKS:
		n.named(r.Start, r.RequestName)
		n.named(r.Start, r.TunnelName)
	case *records.DHCP:
		n.dhcp(r)
	case *records.Flow:
		if r.Orig.Missed+r.Resp.Missed > 0 {
			n.add(segment.Note{Kind: segment.Hole, At: r.End, From: r.Start, To: r.End})
		}
	}
	return n.out
}

// notes gathers the notes of one record.
type notes struct {
	m   *records.Meta
	out []segment.Note
}

func (n *notes) add(note segment.Note) {
	note.Key, note.Client = n.m.Key, n.m.Orig
	if note.At == 0 {
		note.At = n.m.At
	}
	n.out = append(n.out, note)
}

// named says that the flow bore a name.
func (n *notes) named(at int64, name string) {
	if name, ok := noteName(name); ok {
		n.add(segment.Note{Kind: segment.Named, At: at, Name: name})
	}
}

// of says that a name stands for addresses: is their own, or was given as an answer.
func (n *notes) of(kind segment.NoteKind, at int64, name string, addrs []netip.Addr) {
	name, ok := noteName(name)
	for ok && len(addrs) > 0 {
		k := min(len(addrs), maxNoteAddrs)
		n.add(segment.Note{Kind: kind, At: at, Name: name, Addrs: addrs[:k:k]})
		addrs = addrs[k:]
	}
}

func (n *notes) dns(r *records.DNS) {
	n.named(r.Time, r.Name)
	for i := range r.Others[:min(len(r.Others), maxQuestions)] {
		n.named(r.Time, r.Others[i].Name)
	}
	if r.Response {
		n.of(segment.Resolved, r.Time, r.Name, r.Resolved)
	}
	if r.Response && r.Name == "" { // mDNS: nobody asked, machines tell their names
		n.answers(r)
	}
	if nb := r.NetBIOS; nb != nil && !nb.Group && (nb.Suffix == 0x00 || nb.Suffix == 0x20) {
		n.of(segment.Host, r.Time, r.Name, nb.Addresses)
	}
}

func (n *notes) answers(r *records.DNS) {
	for i := range r.Answers[:min(len(r.Answers), maxQuestions)] {
		a := &r.Answers[i]
		if a.Type != "A" && a.Type != "AAAA" {
			continue
		}
		if addr, err := netip.ParseAddr(a.Data); err == nil {
			n.of(segment.Host, r.Time, a.Name, []netip.Addr{addr})
		}
	}
}

// dhcp takes the address that the machine has, gets, or asks for.
func (n *notes) dhcp(r *records.DHCP) {
	for _, addr := range [...]netip.Addr{r.AssignedIP, r.ClientIP, r.RequestedIP} {
		if !addr.IsValid() || addr.IsUnspecified() {
			continue
		}
		own := []netip.Addr{addr}
		n.of(segment.Host, r.Time, r.HostName, own)
		if r.FQDN != r.HostName {
			n.of(segment.Host, r.Time, r.FQDN, own)
		}
		return
	}
}

// noteName brings a name into the form of notes; false for what is none. An
// address is none: the packets have it.
func noteName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxNoteName || isAddress(name) {
		return "", false
	}
	return strings.ToLower(name), true
}

// isAddress tells an address from a name without an error that must be allocated.
func isAddress(s string) bool {
	if strings.IndexByte(s, ':') >= 0 {
		return true
	}
	for i := range len(s) {
		if c := s[i]; c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

const (
	// repeatAfter is the packet time after which a note is written again.
	repeatAfter = 5 * 60 * second
	recentNotes = 4096 // a power of 2
)

// recent remembers the notes of the last minutes, so that the same flow and name
// are not written again and again. What falls into the place of another is
// written once too often, never too seldom.
type recent [recentNotes]struct {
	hash uint64
	at   int64
}

// seen tells whether the note was written lately, and remembers it.
func (t *recent) seen(n *segment.Note) bool {
	h := noteHash(n)
	e := &t[h%recentNotes]
	if e.hash == h && e.at != 0 && !apart(n.At, e.at, repeatAfter) {
		return true
	}
	e.hash, e.at = h, n.At
	return false
}

// noteHash covers what a note says: that a client was told a name's addresses is
// the same news whatever port it asked from.
func noteHash(n *segment.Note) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	octet := func(b byte) { h = (h ^ uint64(b)) * 1099511628211 }
	octet(byte(n.Kind))
	switch n.Kind {
	case segment.Resolved, segment.Host:
		client := n.Key.Addr(n.Client)
		for _, b := range client {
			octet(b)
		}
		for _, a := range n.Addrs {
			for _, b := range a.As16() {
				octet(b)
			}
		}
	default:
		h ^= n.Key.Hash()
	}
	for i := range len(n.Name) {
		octet(n.Name[i])
	}
	return h
}
