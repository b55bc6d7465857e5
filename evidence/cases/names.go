package cases

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/search"
	"kagami/evidence/segment"
)

// Name is one name of an address, as DNS had it or the machine itself.
type Name struct {
	Addr netip.Addr
	Name string
}

// Limits of names.
const (
	maxNames     = 4096 // of a case
	maxAddrNames = 16   // of one address
	maxAddrs     = 1 << 16
)

// nameTable collects names.
type nameTable struct {
	want  map[netip.Addr]bool // nil = all addresses
	seen  map[Name]bool
	count map[netip.Addr]int
	more  int // names that did not fit
}

func newNameTable() *nameTable {
	return &nameTable{seen: map[Name]bool{}, count: map[netip.Addr]int{}}
}

func (t *nameTable) add(a netip.Addr, name string) {
	n := Name{Addr: a.Unmap(), Name: name}
	if !a.IsValid() || name == "" || t.seen[n] || t.want != nil && !t.want[n.Addr] {
		return
	}
	if len(t.seen) >= maxNames || t.count[n.Addr] >= maxAddrNames {
		t.more++
		return
	}
	t.seen[n] = true
	t.count[n.Addr]++
}

// list is in order of address and name.
func (t *nameTable) list() []Name {
	out := make([]Name, 0, len(t.seen))
	for n := range t.seen {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Name) int {
		return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Name, b.Name))
	})
	return out
}

// note takes what a segment's note says about names.
func (t *nameTable) note(n *segment.Note, from, to int64) {
	if n.At < from || to != 0 && n.At >= to || n.Kind != segment.Resolved && n.Kind != segment.Host {
		return
	}
	for _, a := range n.Addrs {
		t.add(a, n.Name)
	}
}

// addresses are those of the flows that a query finds: what other machines looked
// up is not a part of a case.
func addresses(ctx context.Context, store *search.Store, q *query.Query) (map[netip.Addr]bool, error) {
	want := map[netip.Addr]bool{}
	_, err := store.Find(ctx, q, search.Options{}, func(f *search.Flow) bool {
		if len(want) < maxAddrs {
			want[netip.AddrFrom16(f.Key.A).Unmap()] = true
			want[netip.AddrFrom16(f.Key.B).Unmap()] = true
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	return want, nil
}

// namesOf collects the names of the addresses that a query finds.
func (e Env) namesOf(ctx context.Context, store *search.Store, text string, from, to int64) (*nameTable, error) {
	q, err := windowed(text, from, to)
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	want, err := addresses(ctx, store, q)
	if err != nil {
		return nil, err
	}
	return readNames(e.Dir, from, to, want), nil
}

// readNames collects the names that the segments of a store have for the window.
// Segments that cannot be read have none: the copy says what is wrong with them.
func readNames(dir string, from, to int64, want map[netip.Addr]bool) *nameTable {
	t := newNameTable()
	t.want = want
	entries, err := os.ReadDir(dir)
	if err != nil {
		return t
	}
	done := map[string]bool{}
	for _, e := range entries { // in order of name: an index comes before its holds
		base, _, _ := strings.Cut(e.Name(), holdInfix)
		start, _, ok := segment.ParseName(base)
		if !ok || done[base] || to != 0 && start >= to {
			continue
		}
		done[base] = true
		_, hold, held := strings.Cut(e.Name(), holdInfix)
		idx := filepath.Join(dir, indexName(base))
		if held {
			idx += holdInfix + hold
		}
		if t.fromIndex(idx, from, to) {
			continue
		}
		t.fromSegment(filepath.Join(dir, e.Name()), from, to)
	}
	t.want = nil // the case's own records may add what they know
	return t
}

// fromIndex tells whether the index answered.
func (t *nameTable) fromIndex(path string, from, to int64) bool {
	f, err := index.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info := f.Info()
	if info.Last < from || to != 0 && info.First >= to {
		return true
	}
	notes, err := f.Notes()
	if err != nil || info.NotesLost > 0 {
		return false
	}
	for i := range notes {
		t.note(&notes[i], from, to)
	}
	return true
}

func (t *nameTable) fromSegment(path string, from, to int64) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	_, _ = segment.Scan(f, info.Size(), segment.Visitor{Note: func(n *segment.Note) bool {
		t.note(n, from, to)
		return true
	}})
}

// appendNames appends a Name Resolution Block (draft-ietf-opsawg-pcapng section
// 4.5), by which Wireshark shows the names; nothing if there are none.
func appendNames(b []byte, names []Name) []byte {
	const ipv4, ipv6 = 1, 2
	if len(names) == 0 {
		return b
	}
	at := len(b)
	le := binary.LittleEndian
	b = le.AppendUint32(le.AppendUint32(b, blockNames), 0)
	for i := 0; i < len(names); {
		a := names[i].Addr
		typ, octets := uint16(ipv6), a.AsSlice()
		if a.Is4() {
			typ = ipv4
		}
		record := len(b)
		b = le.AppendUint16(le.AppendUint16(b, typ), 0)
		b = append(b, octets...)
		for ; i < len(names) && names[i].Addr == a; i++ {
			b = append(append(b, strings.ReplaceAll(names[i].Name, "\x00", "")...), 0)
		}
		le.PutUint16(b[record+2:], uint16(len(b)-record-4))
		for (len(b)-at)%4 != 0 {
			b = append(b, 0)
		}
	}
	b = le.AppendUint32(b, 0) // end of records
	size := uint32(len(b) - at + 4)
	b = le.AppendUint32(b, size)
	le.PutUint32(b[at+4:], size)
	return b
}
