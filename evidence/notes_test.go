package evidence

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func testMeta(client string, port uint16) records.Meta {
	m := records.Meta{At: t0, Orig: packet.FromA}
	m.Key = packet.Key{A: netip.MustParseAddr(client).As16(), B: netip.MustParseAddr("192.0.2.1").As16(), APort: port, BPort: 53, Proto: packet.ProtoUDP}
	return m
}

func dnsRecord(port uint16, response bool, name string, addrs ...string) *records.DNS {
	r := records.NewDNS(testMeta("10.0.0.7", port))
	r.Time, r.Response, r.Name = t0+1, response, name
	for _, a := range addrs {
		r.Resolved = append(r.Resolved, netip.MustParseAddr(a))
	}
	return r
}

func text(ns []segment.Note) string {
	var parts []string
	for _, n := range ns {
		parts = append(parts, fmt.Sprintf("%s %s %v +%d", n.Kind, n.Name, n.Addrs, n.At-t0))
	}
	return strings.Join(parts, "; ")
}

func TestNotesOfRecords(t *testing.T) {
	m := testMeta("10.0.0.7", 4000)
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf("192.0.2.%d", i)
	}
	others := dnsRecord(1, false, "a.example")
	for i := range 20 {
		others.Others = append(others.Others, records.Question{Name: fmt.Sprintf("o%d.example", i)})
	}
	nbns := dnsRecord(2, false, "FILES01")
	nbns.NetBIOS = &records.NetBIOS{Suffix: 0x20, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.9")}}
	group := dnsRecord(2, false, "WORKGROUP")
	group.NetBIOS = &records.NetBIOS{Group: true, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.9")}}
	mdns := dnsRecord(5353, true, "", "10.0.0.12")
	mdns.Answers = []records.Answer{{Name: "_http._tcp.local", Type: "PTR", Data: "x"}, {Name: "Printer.local", Type: "A", Data: "10.0.0.12"}}
	http := records.NewHTTP(m)
	http.Start, http.Host, http.TunnelName = t0+2, "Evil.Example:8080", "inner.example"
	literal := records.NewHTTP(m)
	literal.Host = "[2001:db8::1]:80"
	tls := records.NewTLS(m)
	tls.Start, tls.ServerName = t0+3, "sni.example."
	quic := records.NewQUIC(m)
	quic.ServerName = strings.Repeat("x", 256)
	socks := records.NewSOCKS(m)
	socks.Start, socks.RequestName = t0+4, "asked.example"
	dhcp := records.NewDHCP(m)
	dhcp.Time, dhcp.HostName, dhcp.FQDN, dhcp.RequestedIP = t0+5, "Laptop", "laptop.corp.example", netip.MustParseAddr("10.0.0.50")
	whole := records.NewFlow(m)
	gap := records.NewFlow(m)
	gap.Start, gap.End, gap.Resp.Missed = t0, t0+6, 1
	for _, c := range []struct {
		name string
		r    records.Record
		want string
	}{
		{"question", dnsRecord(1, false, "WWW.Example."), "named www.example [] +1"},
		{"root", dnsRecord(1, false, "."), ""},
		{"answer", dnsRecord(1, true, "www.example", "192.0.2.8", "2001:db8::8"), "named www.example [] +1; resolved www.example [192.0.2.8 2001:db8::8] +1"},
		{"no address", dnsRecord(1, true, "www.example"), "named www.example [] +1"},
		{"many addresses", dnsRecord(1, true, "cdn.example", many...), fmt.Sprintf("named cdn.example [] +1; resolved cdn.example [%s] +1; resolved cdn.example [%s] +1",
			strings.Join(many[:16], " "), strings.Join(many[16:], " "))},
		{"several questions", others, "named a.example [] +1; named o0.example [] +1; named o1.example [] +1; named o2.example [] +1; named o3.example [] +1; " +
			"named o4.example [] +1; named o5.example [] +1; named o6.example [] +1; named o7.example [] +1"},
		{"NetBIOS", nbns, "named files01 [] +1; host files01 [10.0.0.9] +1"},
		{"NetBIOS group", group, "named workgroup [] +1"},
		{"mDNS announcement", mdns, "host printer.local [10.0.0.12] +1"},
		{"HTTP", http, "named evil.example [] +2; named inner.example [] +2"},
		{"HTTP to an address", literal, ""},
		{"TLS", tls, "named sni.example [] +3"},
		{"name too long", quic, ""},
		{"SOCKS", socks, "named asked.example [] +4"},
		{"DHCP", dhcp, "host laptop [10.0.0.50] +5; host laptop.corp.example [10.0.0.50] +5"},
		{"whole flow", whole, ""},
		{"flow with a gap", gap, "hole  [] +6"},
		{"mail", records.NewMail(m), ""},
	} {
		if got := text(AppendNotes(nil, c.r)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	hole := AppendNotes(nil, gap)[0]
	if hole.From != t0 || hole.To != t0+6 || hole.Key != m.Key || hole.Client != packet.FromA {
		t.Errorf("hole %+v", hole)
	}
}

// What was noted stands behind the packet that told it, once, and is in the index.
func TestNotesAreWritten(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	at := func(n int, r records.Record) {
		f := tcpFrame(n, 100)
		f.Time = t0 + int64(n)
		w.Add(f, sensor.Plain, 0)
		w.Note(r)
	}
	at(1, dnsRecord(4001, false, "a.example"))
	at(2, dnsRecord(4001, true, "a.example", "192.0.2.8")) // the question is known
	at(3, dnsRecord(4002, true, "a.example", "192.0.2.8")) // the answer is known, the flow is another
	again := dnsRecord(4001, false, "a.example")
	again.Time += repeatAfter
	at(4, again)
	w.Flush()
	s.Alert(segment.Note{Kind: segment.Alert, At: t0 + 5, Name: "alert-1", Text: "beacon: it calls home", From: t0, To: t0 + 9})
	w.Close()

	path := segments(t, c.Dir)[0]
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, _ := f.Stat()
	var order []string
	if _, err := segment.Scan(f, st.Size(), segment.Visitor{
		Packet: func(p *segment.Packet) bool { order = append(order, fmt.Sprint("packet ", p.Time-t0)); return true },
		Note:   func(n *segment.Note) bool { order = append(order, n.Kind.String()+" "+n.Name); return true },
	}); err != nil {
		t.Fatal(err)
	}
	want := "packet 1, named a.example, packet 2, resolved a.example, packet 3, named a.example, packet 4, named a.example, alert alert-1"
	if got := strings.Join(order, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	x, err := index.Open(strings.TrimSuffix(path, ".pcapng") + ".idx")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	notes, err := x.Notes()
	if err != nil || len(notes) != 5 || notes[4].Text != "beacon: it calls home" {
		t.Errorf("index: %v, %+v", err, notes)
	}
	if !x.May(index.NameHash("a.example")) || x.May(index.NameHash("b.example")) {
		t.Error("the index's filter does not know the name")
	}
}

func TestNoteDoesNotAllocate(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	s.create = func(string) (file, error) { return nowhere{}, nil }
	w := s.Writer(0, 0)
	defer w.Close()
	known, fresh := dnsRecord(4001, true, "a.example", "192.0.2.8"), dnsRecord(4001, true, "b.example", "192.0.2.9")
	w.Note(known)
	if n := testing.AllocsPerRun(2000, func() {
		w.Note(known)
		fresh.Time += repeatAfter // each time it is news
		w.Note(fresh)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The table of what was noted lately is small: what does not fit is noted again.
func TestRepeatedNotesAreBounded(t *testing.T) {
	var table recent
	n := segment.Note{Kind: segment.Named, Name: "a.example", At: t0}
	written := 0
	for i := range 3 * recentNotes {
		n.Key.APort = uint16(i)
		if !table.seen(&n) {
			written++
		}
	}
	if written != 3*recentNotes {
		t.Errorf("%d of %d different notes written", written, 3*recentNotes)
	}
	if !table.seen(&n) {
		t.Error("the last one is forgotten")
	}
	n.At -= 2 * repeatAfter // the clock was set back
	if table.seen(&n) {
		t.Error("silent after the clock was set back")
	}
}

func TestAlertsAreBounded(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	for range alertsAhead + 10 {
		s.Alert(segment.Note{Kind: segment.Alert, Name: "x"})
	}
	if n := s.Stats().LostNotes; n != 10 {
		t.Errorf("%d alerts lost, want 10", n)
	}
	w := s.Writer(0, 0)
	w.Close() // no packet, so no segment that could hold them
	if n := s.Stats().LostNotes; n != alertsAhead+10 {
		t.Errorf("%d alerts lost, want all to be counted", n)
	}
}
