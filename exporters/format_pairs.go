package exporters

import (
	"net/netip"
	"strconv"
	"unicode/utf8"

	"kagami/records"
)

// pairs writes the key=value pairs of CEF and LEEF. Absent values are left out.
//
// CEF escapes backslashes, equals signs and line ends; LEEF knows no escape, so
// that what would end a value becomes %XX. In both, other controls and what is not
// UTF-8 become %XX octet by octet.
type pairs struct {
	b    []byte
	sep  byte // between pairs
	leef bool
	more bool // a pair was written
}

// key begins a pair; keys are ours.
func (p *pairs) key(name string) {
	if p.more {
		p.b = append(p.b, p.sep)
	}
	p.more = true
	p.b = append(append(p.b, name...), '=')
}

// str writes at most limit octets of a string.
func (p *pairs) str(key, v string, limit int) {
	if v != "" {
		p.key(key)
		p.text(v, limit)
	}
}

// word writes a string of ours, which needs no escape.
func (p *pairs) word(key, v string) {
	if v != "" {
		p.key(key)
		p.b = append(p.b, v...)
	}
}

// int writes a number, zero included.
func (p *pairs) int(key string, v int64) {
	p.key(key)
	p.b = strconv.AppendInt(p.b, v, 10)
}

// some writes a number unless it is zero.
func (p *pairs) some(key string, v uint64) {
	if v != 0 {
		p.key(key)
		p.b = strconv.AppendUint(p.b, v, 10)
	}
}

// flag writes true; false is left out.
func (p *pairs) flag(key string, v bool) {
	if v {
		p.word(key, "true")
	}
}

// time writes milliseconds since the epoch unless ns is zero. Times before it are
// written as it: readers want no sign.
func (p *pairs) time(key string, ns int64) {
	if ns != 0 {
		p.key(key)
		p.b = strconv.AppendInt(p.b, max(0, ns/1e6), 10)
	}
}

func (p *pairs) addr(key string, a netip.Addr) {
	if a.IsValid() {
		p.key(key)
		p.b = a.Unmap().WithZone("").AppendTo(p.b)
	}
}

func (p *pairs) mac(key string, a [6]byte) {
	if a != ([6]byte{}) {
		p.key(key)
		p.b = appendHexOctets(p.b, a[:], ':', lowerHex)
	}
}

// list writes strings, joined by a comma and a blank.
func (p *pairs) list(key string, v []string, limit int) { p.joined(key, v, ", ", limit) }

// sentences writes sentences, which have commas of their own.
func (p *pairs) sentences(key string, v []string, limit int) { p.joined(key, v, "; ", limit) }

func (p *pairs) joined(key string, v []string, between string, limit int) {
	if len(v) == 0 {
		return
	}
	p.key(key)
	end := len(p.b) + limit
	for i, s := range v {
		if i > 0 {
			if len(p.b)+len(between) > end {
				return
			}
			p.b = append(p.b, between...)
		}
		p.text(s, end-len(p.b))
	}
}

// text appends s with escapes, at most limit octets, no part of an escape or rune.
func (p *pairs) text(s string, limit int) {
	end := len(p.b) + limit
	for i := 0; i < len(s); {
		c := s[i]
		if p.plain(c) {
			if len(p.b) >= end {
				return
			}
			p.b = append(p.b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if !p.rune(r, s[i:i+n], end) {
			return
		}
		i += n
	}
}

// plain tells whether an octet stands for itself.
func (p *pairs) plain(c byte) bool {
	if p.leef {
		return c >= ' ' && c < 0x7f && c != p.sep
	}
	return c >= ' ' && c < 0x7f && c != '\\' && c != '='
}

// rune appends a rune that may need an escape; false: there is no room for it.
func (p *pairs) rune(r rune, octets string, end int) bool {
	need := len(octets)
	switch {
	case !p.leef && (r == '\\' || r == '=' || r == '\n' || r == '\r'):
		need = 2
	case r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError && len(octets) == 1:
		need = 3 * len(octets)
	}
	switch {
	case len(p.b)+need > end:
		return false
	case need == len(octets):
		p.b = append(p.b, octets...)
	case need == 2 && r == '\n':
		p.b = append(p.b, '\\', 'n')
	case need == 2 && r == '\r':
		p.b = append(p.b, '\\', 'r')
	case need == 2:
		p.b = append(p.b, '\\', byte(r))
	default:
		for i := range len(octets) {
			p.b = append(p.b, '%', upperHex[octets[i]>>4], upperHex[octets[i]&15])
		}
	}
	return true
}

// id writes the record's event.id.
func (p *pairs) id(key string, m *records.Meta) {
	p.key(key)
	p.b = m.AppendID(p.b)
}

// answers writes the data of DNS answers, joined.
func (p *pairs) answers(key string, section []records.Answer, limit int) {
	if len(section) == 0 {
		return
	}
	p.key(key)
	end := len(p.b) + limit
	for i := range section {
		if i > 0 {
			if len(p.b)+2 > end {
				return
			}
			p.b = append(p.b, ',', ' ')
		}
		p.text(section[i].Data, end-len(p.b))
	}
}

// recipients writes the addresses of an envelope, joined.
func (p *pairs) recipients(key string, v []records.Recipient, limit int) {
	if len(v) == 0 {
		return
	}
	p.key(key)
	end := len(p.b) + limit
	for i := range v {
		if i > 0 {
			if len(p.b)+1 > end {
				return
			}
			p.b = append(p.b, ',')
		}
		p.text(v[i].Address, end-len(p.b))
	}
}

// workstations writes the addresses of those on whose behalf a proxy asks; false:
// there are none.
func (p *pairs) workstations(key string, m *records.Meta) bool {
	if m.Workstations == nil || len(m.Workstations.List) == 0 {
		return false
	}
	p.key(key)
	for i := range m.Workstations.List {
		if i > 0 {
			p.b = append(p.b, ',')
		}
		p.b = m.Workstations.List[i].Addr.Addr().AppendTo(p.b)
	}
	return true
}

// attachments writes the names of a mail's attachments, joined.
func (p *pairs) attachments(key string, parts []records.MailPart, limit int) {
	end, n := 0, 0
	for i := range parts {
		name := parts[i].Name
		if name == "" {
			continue
		}
		if n++; n == 1 {
			p.key(key)
			end = len(p.b) + limit
		} else {
			if len(p.b)+2 > end {
				return
			}
			p.b = append(p.b, ',', ' ')
		}
		p.text(name, end-len(p.b))
	}
}

// sourceHost is what the network told of an alert's source: the record that raised
// it may be of another machine.
func sourceHost(r *records.Alert) (p peer) {
	if m := r.Meta(); m.Client().Addr() == r.Source {
		known(&p, m.ClientHost)
	}
	return p
}

// severityOf is a record's severity from 0 to 10.
func severityOf(rec records.Record) int64 {
	switch r := rec.(type) {
	case *records.Alert:
		switch {
		case r.Severity >= records.High:
			return 9
		case r.Severity == records.Medium:
			return 6
		}
		return 4
	case *records.Flow:
		if r.Action == "Deny" {
			return 3
		}
	case *records.Auth:
		if r.Result == records.AuthFailure {
			return 3
		}
	}
	return 1
}

// outcome is ECS's event.outcome of a status, "" if there is none.
func outcome(known, failed bool) string {
	switch {
	case !known:
		return ""
	case failed:
		return "failure"
	}
	return "success"
}

// kindWriter writes the pairs of each kind of record: CEF's keys, or LEEF's.
type kindWriter interface {
	flow(*records.Flow)
	dns(*records.DNS)
	http(*records.HTTP)
	tls(*records.TLS)
	mail(*records.Mail)
	auth(*records.Auth)
	ftp(*records.FTP)
	file(*records.File)
	webSocket(*records.WebSocket)
	quic(*records.QUIC)
	socks(*records.SOCKS)
	dhcp(*records.DHCP)
	ntp(*records.NTP)
	ssdp(*records.SSDP)
	identity(*records.Identity)
	alert(*records.Alert)
	stats(*records.Stats)
	heartbeat(*records.Heartbeat)
}

// writeKind writes the pairs of the record's kind.
func writeKind(w kindWriter, rec records.Record) {
	switch r := rec.(type) {
	case *records.Flow:
		w.flow(r)
	case *records.DNS:
		w.dns(r)
	case *records.HTTP:
		w.http(r)
	case *records.TLS:
		w.tls(r)
	case *records.Mail:
		w.mail(r)
	case *records.Auth:
		w.auth(r)
	case *records.FTP:
		w.ftp(r)
	case *records.File:
		w.file(r)
	case *records.WebSocket:
		w.webSocket(r)
	case *records.QUIC:
		w.quic(r)
	case *records.SOCKS:
		w.socks(r)
	case *records.DHCP:
		w.dhcp(r)
	case *records.NTP:
		w.ntp(r)
	case *records.SSDP:
		w.ssdp(r)
	case *records.Identity:
		w.identity(r)
	case *records.Alert:
		w.alert(r)
	case *records.Stats:
		w.stats(r)
	case *records.Heartbeat:
		w.heartbeat(r)
	}
}
