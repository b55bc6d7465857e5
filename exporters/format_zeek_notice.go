package exporters

import (
	"kagami/records"
)

// writeNotice writes an alert. The connection is told only where it is the
// source's own.
func writeNotice(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Alert)
	m := r.Meta()
	z.time(m.At)
	if m.UID != 0 && m.Client().Addr() == r.Source {
		z.uid(m.UID)
		z.endpoints(m)
		z.unset(3)
		z.word(zeekTransport(m.Key.Proto))
	} else {
		z.unset(9)
	}
	z.note(r.Rule)
	z.str(r.Title)
	z.evidence(r)
	z.addr(r.Source)
	z.addr(r.DestAddr)
	z.countIf(uint64(r.DestPort), r.DestPort != 0)
	z.countIf(uint64(r.Update), r.Update > 0)
	z.word("kagami")
	z.set(1, true)
	z.quote()
	z.b = append(z.b, "Notice::ACTION_LOG"...)
	z.quote()
	z.endSet()
	z.set(0, true)
	z.endSet()
	z.unset(1)
}

// note writes a rule's name as Zeek names notices: Kagami::Direct_Egress.
func (z *zeekRow) note(rule string) {
	if !z.next(rule != "") {
		return
	}
	z.quote()
	z.b = append(z.b, "Kagami::"...)
	first := true
	for i := range len(rule) {
		c := rule[i]
		switch {
		case !wordChars[c]:
			c, first = '_', true
		case first && c >= 'a' && c <= 'z':
			c, first = c-('a'-'A'), false
		default:
			first = false
		}
		z.b = append(z.b, c)
	}
	z.quote()
}

// evidence writes the sentences as one string, before them which incident they
// are of: Zeek has no column for that.
func (z *zeekRow) evidence(r *records.Alert) {
	if !z.next(len(r.Evidence) > 0 || r.Incident != "") {
		return
	}
	z.quote()
	if r.Incident != "" {
		z.b = append(z.b, "incident "...)
		z.part(r.Incident, false)
		if r.Level != "" {
			z.b = append(z.b, ", level "...)
			z.part(r.Level, false)
		}
	}
	for i, s := range r.Evidence {
		if i > 0 || r.Incident != "" {
			z.b = append(z.b, "; "...)
		}
		z.part(s, false)
	}
	z.quote()
}

// writeWeird writes what a decoder met that ought not to be.
func writeWeird(z *zeekRow, rec records.Record, _ int) {
	m := rec.Meta()
	at, name := oddity(rec)
	z.id(m, at)
	z.next(true)
	z.quote()
	z.b = wordChars.appendReplaced(z.b, name, "", maxWeird)
	z.quote()
	z.unset(1)
	z.bool(false)
	z.word("kagami")
	z.upper(m.Kind.String())
}

// oddity is what was odd about a record, and when it began.
func oddity(rec records.Record) (at int64, what string) {
	switch r := rec.(type) {
	case *records.HTTP:
		return r.Start, r.Odd
	case *records.TLS:
		return r.Start, r.Odd
	case *records.Mail:
		return r.Start, r.Odd
	case *records.FTP:
		return r.Start, r.Odd
	case *records.File:
		return r.Start, r.Odd
	case *records.DHCP:
		return r.Time, r.Odd
	case *records.SOCKS:
		return r.Start, r.Odd
	case *records.QUIC:
		return r.Start, r.Odd
	case *records.WebSocket:
		return r.Start, r.Odd
	case *records.SSDP:
		return r.Time, r.Odd
	}
	return 0, ""
}

// maxWeird is how long the name of something weird gets.
const maxWeird = 128

// writeStats writes what the sensor counted in a minute.
func writeStats(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Stats)
	z.time(r.Meta().At)
	z.word("kagami")
	z.unset(1)
	z.count(r.Frames - min(r.Frames, r.Dropped))
	z.count(r.Bytes)
	z.count(r.Dropped)
	z.count(r.Frames)
	z.unset(4)
}

func writeIdentity(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Identity)
	m := r.Meta()
	z.time(m.At)
	z.uid(m.UID)
	z.addr(r.Addr)
	z.str(r.What)
	z.str(r.Old)
	z.str(r.New)
	z.str(r.Source)
	z.timeIf(r.Since)
	if h := r.Host; h != nil {
		z.str(h.Name.Value)
		z.str(h.User.Value)
		z.str(h.MAC.Value)
		z.str(h.OS.Value)
		z.strs(h.Roles)
	} else {
		z.unset(5)
	}
}
