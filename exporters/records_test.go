package exporters

import (
	"net/netip"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

// tokyo is a zone that is not UTC, without a time zone database.
var tokyo = time.FixedZone("JST", 9*3600)

func at(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse("2006-01-02T15:04:05.999999999", s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixNano()
}

// between is the header of a record of a flow from client to server.
func between(proto uint8, client, server string) records.Meta {
	c, s := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	return records.Meta{UID: 1, Key: packet.Key{A: c.Addr().As16(), B: s.Addr().As16(), APort: c.Port(), BPort: s.Port(), Proto: proto}, Orig: packet.FromA}
}

func httpRecord(t *testing.T, change func(*records.HTTP)) *records.HTTP {
	t.Helper()
	r := records.NewHTTP(between(packet.ProtoTCP, "192.168.1.10:40000", "113.1.2.3:80"))
	r.Start = at(t, "2015-02-18T09:21:38.638")
	r.RequestEnd, r.ResponseFrom = r.Start+1e6, r.Start+2e6
	r.End = r.Start + 452e6
	r.RequestSeen, r.Method, r.Target, r.Host = true, "GET", "/xxx/apt.zip", "apt.example.com"
	r.URL, r.Version, r.RequestComplete = "http://apt.example.com/xxx/apt.zip", "1.1", true
	r.ResponseSeen, r.Status, r.ResponseComplete = true, 200, true
	r.ContentType, r.ResponseHeaders, r.ResponseBody, r.ResponseWire = "application/zip-compressed", 250, 74519, 74769
	if change != nil {
		change(r)
	}
	return r
}

func flowRecord(t *testing.T, change func(*records.Flow)) *records.Flow {
	t.Helper()
	r := records.NewFlow(between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:443"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.End = r.Start + 5003e6
	r.Meta().At = r.End
	r.Meta().ClientZone, r.Meta().ServerZone, r.Meta().ClientInternal = "SHANAI", "", true
	r.Orig = records.Counts{Packets: 9, IPBytes: 1402, Payload: 1000}
	r.Resp = records.Counts{Packets: 8, IPBytes: 5320, Payload: 5000}
	r.ConnState, r.Action, r.EndReason, r.Service, r.ServerName = "SF", "Permit", "fin", "tls", "www.example.com"
	if change != nil {
		change(r)
	}
	return r
}

func dnsRecord(t *testing.T, change func(*records.DNS)) *records.DNS {
	t.Helper()
	r := records.NewDNS(between(packet.ProtoUDP, "192.168.100.5:47197", "10.0.0.53:53"))
	r.Time = at(t, "2014-12-06T01:03:55.123999")
	r.Meta().At = r.Time
	r.Protocol, r.Opcode, r.Flags = "dns", "QUERY", []string{"RD"}
	r.Name, r.Type, r.Class, r.Questions = "apt.example.com", "A", "IN", 1
	if change != nil {
		change(r)
	}
	return r
}

// lineOf is the record's line in a format, "" when it has none.
func lineOf(t *testing.T, f Format, r records.Record) string {
	t.Helper()
	b, ok := f.Append([]byte("before"), r)
	if string(b[:6]) != "before" || !ok && len(b) != 6 {
		t.Fatalf("Append spoiled what was there: %q", b)
	}
	return string(b[6:])
}
