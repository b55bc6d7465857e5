package exporters

import (
	"strconv"

	"kagami/records"
)

// leef writes records as QRadar's Log Event Extended Format:
//
//	LEEF:2.0|Kagami|Kagami|version|event|^|key=value^key=value
//
// and version 1.0, whose pairs are separated by tabs, which syslog daemons like to
// replace. Normalised keys are QRadar's; the others need a custom property there.
type leef struct {
	pairs
	head, tail string // of the header, before and behind the event's id
	host       string
}

func newLEEF(e Env) Format  { return openLEEF(e, "LEEF:2.0|", "|^|", '^') }
func newLEEF1(e Env) Format { return openLEEF(e, "LEEF:1.0|", "|", '\t') }

func openLEEF(e Env, version, tail string, sep byte) Format {
	f := &leef{host: e.HostName, tail: tail}
	f.pairs = pairs{sep: sep, leef: true}
	f.head = version + "Kagami|Kagami|" + string(appendHeaderField(nil, programVersion(e), maxHeaderField, 0)) + "|"
	return f
}

// Longest values; LEEF sets no limits of its own.
const (
	leefText = 1024
	leefLong = 4000
)

// Append implements Format.
func (f *leef) Append(dst []byte, rec records.Record) ([]byte, bool) {
	m := rec.Meta()
	id, _ := eventOf(rec)
	if id == "" {
		id = m.Kind.String()
	}
	dst = appendHeaderField(append(dst, f.head...), id, maxHeaderField, 0)
	f.b, f.more = append(dst, f.tail...), false
	f.key("devTime")
	f.b = appendMillis(f.b, m.At)
	f.word("cat", m.Kind.String())
	f.int("sev", max(1, severityOf(rec)))
	f.str("sensor", f.host, leefText)
	f.id("eventId", m)
	writeKind(f, rec)
	dst, f.b = f.b, nil
	return dst, true
}

// appendMillis appends milliseconds since the epoch in the 13 digits that readers
// tell them by.
func appendMillis(dst []byte, ns int64) []byte {
	return appendPadded(dst, max(0, ns/1e6), 13, '0')
}

// connection writes both ends, and what they speak.
func (f *leef) connection(m *records.Meta, app string, client, server peer) {
	onBehalf(&client, m)
	known(&client, m.ClientHost)
	known(&server, m.ServerHost)
	if server.host == "" && m.Resolved != nil {
		server.host = m.Resolved.Name
	}
	from, to := m.Client(), m.Server()
	f.addr("src", from.Addr())
	f.addr("dst", to.Addr())
	if m.HasPorts() {
		f.int("srcPort", int64(from.Port()))
		f.int("dstPort", int64(to.Port()))
	}
	f.mac("srcMAC", m.ClientMAC)
	f.mac("dstMAC", m.ServerMAC)
	f.word("proto", eveProto(m.Key.Proto))
	f.str("identHostName", client.host, leefText)
	f.str("usrName", client.user, leefText)
	f.str("domain", server.host, leefText)
	f.str("application", app, leefText)
	f.word("direction", m.Direction())
	f.str("communityId", m.CommunityID, leefText)
	f.workstations("workstation", m)
}

// span writes when an event began and ended.
func (f *leef) span(start, end int64) {
	f.time("start", start)
	f.time("end", end)
}

// duration writes milliseconds.
func (f *leef) duration(start, end int64) {
	f.key("duration")
	f.b = strconv.AppendInt(f.b, max(0, end-start)/1e6, 10)
}
