package search

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

const (
	workstation = "10.0.0.7"
	other       = "10.0.0.8"
	evil        = "203.0.113.5"
	resolver    = "10.0.0.1"
)

// lookup is a DNS question and answer with its notes.
func lookup(seconds float64, client, name string, port uint16, addrs ...string) []event {
	c, s := h(client, port), h(resolver, 53)
	q, a := udp(at(seconds), 0, c, s, "question"), udp(at(seconds+0.01), 0, s, c, "answer")
	resolved := &segment.Note{Kind: segment.Resolved, At: a.time, Key: q.key, Client: q.side, Name: name}
	for _, x := range addrs {
		resolved.Addrs = append(resolved.Addrs, netip.MustParseAddr(x))
	}
	return []event{{packet: q}, {note: &segment.Note{Kind: segment.Named, At: q.time, Key: q.key, Client: q.side, Name: name}}, {packet: a}, {note: resolved}}
}

// visit is a TCP connection with a packet every so many seconds; named is what its
// second packet says, "" for nothing.
func visit(from, to, every float64, client string, port uint16, server, named string) []event {
	c, s := h(client, port), h(server, 443)
	syn := tcp(at(from), 0, c, s, packet.SYN, "")
	out := []event{{packet: syn}}
	hello := tcp(at(from+0.02), 0, c, s, packet.ACK, "hello")
	out = append(out, event{packet: hello})
	if named != "" {
		out = append(out, event{note: &segment.Note{Kind: segment.Named, At: hello.time, Key: syn.key, Client: syn.side, Name: named}})
	}
	for x := from + every; x < to; x += every {
		out = append(out, event{packet: tcp(at(x), 0, s, c, packet.ACK, "data")})
	}
	return append(out, event{packet: tcp(at(to), 0, c, s, packet.FIN|packet.ACK, "")}, event{packet: tcp(at(to+0.01), 0, s, c, packet.FIN|packet.ACK, "")})
}

func worker(parts ...[]event) []event {
	events := slices.Concat(parts...)
	sortEvents(events)
	return events
}

// ends are the flows of a search: client's port and server's address.
func ends(flows []*Flow) (out []string) {
	for _, f := range flows {
		out = append(out, fmt.Sprintf("%d>%s", f.Key.Port(f.Client), netip.AddrFrom16(f.Key.Addr(f.Client.Other())).Unmap()))
	}
	slices.Sort(out)
	return out
}

func TestNames(t *testing.T) {
	r := newRing(t)
	r.record(
		worker(
			lookup(100, workstation, "www.evil.example", 5000, evil),
			visit(101, 110, 1, workstation, 40001, evil, ""),                         // by lookup
			visit(90, 95, 1, workstation, 40002, evil, ""),                           // before it
			visit(2000, 2010, 1, workstation, 40003, evil, ""),                       // half an hour later: still
			visit(150, 1500, 60, workstation, 40004, "198.51.100.1", "evil.example"), // over many segments
			visit(3000, 3010, 1, workstation, 40004, "198.51.100.1", ""),             // the same ports again: another flow
		),
		worker(
			visit(102, 110, 1, other, 40005, evil, ""), // did not ask
			visit(103, 110, 1, other, 40006, evil, "notevil.example"),
			visit(104, 110, 1, other, 40007, "198.51.100.1", "a.b.evil.example"),
			[]event{{note: &segment.Note{Kind: segment.Host, At: at(500), Name: "pc8.corp.example", Addrs: []netip.Addr{netip.MustParseAddr(other)}}}},
			visit(600, 601, 1, other, 40008, "198.51.100.1", "x.example"),
		),
	)
	named := []string{"40001>203.0.113.5", "40003>203.0.113.5", "40004>198.51.100.1", "40007>198.51.100.1", "5000>10.0.0.1"}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"host evil.example", named},
		{"host www.evil.example", []string{"40001>203.0.113.5", "40003>203.0.113.5", "5000>10.0.0.1"}},
		{"host EVIL.example and client 10.0.0.7 and port 443", named[:3]},
		{"server evil.example", named[:4]},
		{"host evil.example and not host 10.0.0.7", []string{"40007>198.51.100.1"}},
		{"from 2026-06-01T08:10 host evil.example", []string{"40003>203.0.113.5", "40004>198.51.100.1"}},
		{"from 2026-06-01T08:24 to 2026-06-01T08:30 host evil.example", []string{"40004>198.51.100.1"}},
		{"host pc8.corp.example and port 443", []string{"40005>203.0.113.5", "40006>203.0.113.5", "40007>198.51.100.1", "40008>198.51.100.1"}},
		{"client pc8.corp.example and host x.example", []string{"40008>198.51.100.1"}},
		{"host nowhere.example", nil},
		{"host example and client 10.0.0.8", []string{"40005>203.0.113.5", "40006>203.0.113.5", "40007>198.51.100.1", "40008>198.51.100.1"}},
	} {
		flows, rep := findAll(t, r.open(), c.query)
		if got := ends(flows); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v (%v)", c.query, got, c.want, rep.Said)
		}
		b, rep := getAll(t, r.open(), c.query, GetOptions{})
		if n := uint64(len(got(t, b))); n != rep.Packets || rep.Flows != uint64(len(c.want)) || n == 0 != (c.want == nil) {
			t.Errorf("%s: get: %d packets of %d flows, %d in the file", c.query, rep.Packets, rep.Flows, n)
		}
	}
	// The flow over many segments is one, whole.
	flows, _ := findAll(t, r.open(), "host evil.example and host 198.51.100.1 and client 10.0.0.7")
	if f := flows[0]; f.First != at(150) || f.Last != at(1500.01) || f.Packets[0]+f.Packets[1] != 26 || f.Parts != 23 || !slices.Equal(f.Names, []string{"evil.example"}) {
		t.Errorf("the long flow: %+v, from %v to %v", f, float64(f.First-at(0))/1e9, float64(f.Last-at(0))/1e9)
	}
	_, rep := findAll(t, r.open(), "host evil.example")
	if !slices.ContainsFunc(rep.Said, func(s string) bool { return strings.Contains(s, "looked up by 10.0.0.7 and is 203.0.113.5") }) {
		t.Errorf("said: %q", rep.Said)
	}
}

func TestAlerts(t *testing.T) {
	r := newRing(t)
	k, side := keyOf(0, h(workstation, 0), h(evil, 0))
	port := func(k packet.Key, p uint16) packet.Key {
		if side == packet.FromA {
			k.BPort = p
		} else {
			k.APort = p
		}
		return k
	}
	note := &segment.Note{Kind: segment.Alert, At: at(700), Key: port(k, 443), Client: side, Name: "2568dcbdb152320c-a1", Text: "beacon", From: at(300), To: at(400)}
	any := &segment.Note{Kind: segment.Alert, At: at(710), Key: packet.Key{A: mapped(workstation)}, Client: packet.FromA, Name: "scan-a2", From: at(0), To: at(200)}
	r.record(worker(
		visit(100, 110, 1, workstation, 40001, evil, ""),
		visit(310, 320, 1, workstation, 40002, evil, ""),
		visit(350, 900, 20, workstation, 40003, evil, ""), // goes on behind the window
		visit(320, 330, 1, workstation, 40004, "198.51.100.1", ""),
		visit(320, 330, 1, other, 40005, evil, ""),
		[]event{{note: note}, {note: any}},
		visit(905, 1000, 1, workstation, 40006, evil, ""),
	))
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"alert 2568dcbdb152320c-a1", []string{"40002>203.0.113.5", "40003>203.0.113.5"}},
		{"alert 2568DCBDB152320C-A1 and from 2026-06-01T08:10", []string{"40003>203.0.113.5"}},
		{"alert scan-a2", []string{"40001>203.0.113.5"}},
		{"alert unknown", nil},
	} {
		flows, _ := findAll(t, r.open(), c.query)
		if got := ends(flows); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.query, got, c.want)
		}
	}
	flows, _ := findAll(t, r.open(), "alert 2568dcbdb152320c-a1")
	if f := flows[len(flows)-1]; f.Last != at(900.01) || f.Packets[0]+f.Packets[1] != 31 {
		t.Errorf("the flow that goes on behind the alert's window: %d packets, last at %v", f.Packets[0]+f.Packets[1], float64(f.Last-at(0))/1e9)
	}
	n, err := r.open().Alert(context.Background(), "scan-a2")
	if err != nil || n == nil || n.To != at(200) {
		t.Errorf("Alert: %+v, %v", n, err)
	}
	if n, err := r.open().Alert(context.Background(), "nothing"); n != nil || err != nil {
		t.Errorf("Alert of nothing: %+v, %v", n, err)
	}
}

// TestAlertWithQuery: an alert whose note has a query stands for what that finds, in
// its own time: no flow has the alert's two addresses where there is a proxy.
func TestAlertWithQuery(t *testing.T) {
	k, side := keyOf(0, h(workstation, 0), h(evil, 0))
	note := func(id, text string) event {
		return event{note: &segment.Note{Kind: segment.Alert, At: at(400), Key: k, Client: side, Name: id, Text: text, From: at(100), To: at(400)}}
	}
	proxied := "from 2026-06-01T08:01:40 to 2026-06-01T08:06:40 and (client 10.0.0.7 and host forum.example or host 203.0.113.5 and host 10.0.0.9)"
	r := newRing(t)
	r.record(worker(
		visit(50, 60, 1, workstation, 40000, "10.0.0.9", "forum.example"), // before the window
		visit(95, 110, 1, workstation, 40001, "10.0.0.9", "forum.example"),
		visit(110, 120, 1, workstation, 40002, "10.0.0.9", "other.example"),
		visit(112, 120, 1, "10.0.0.9", 40003, evil, ""),
		[]event{note("a1", "download: title\n"+proxied), note("a2", "download: title\nthis is (no query"), note("a3", "download: title")},
		visit(500, 600, 1, workstation, 40004, evil, ""),
		visit(300, 350, 1, workstation, 40005, evil, ""),
	))
	for _, c := range []struct {
		query   string
		want    []string
		packets int // in the window
		said    string
	}{
		{"alert a1", []string{"40001>10.0.0.9", "40003>203.0.113.5"}, 12 + 11, ""},
		{"alert a1 and server 10.0.0.9", []string{"40001>10.0.0.9"}, 18, ""}, // the flow, whole
		{"from 2026-06-01T08:01:45 alert a1", []string{"40001>10.0.0.9", "40003>203.0.113.5"}, 7 + 11, ""},
		{"alert a2", []string{"40005>203.0.113.5"}, 53, "makes no sense"},
		{"alert a3", []string{"40005>203.0.113.5"}, 53, ""},
	} {
		flows, rep := findAll(t, r.open(), c.query)
		if got := ends(flows); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v %q", c.query, got, c.want, rep.Said)
		}
		b, _ := getAll(t, r.open(), c.query, GetOptions{})
		if n := len(got(t, b)); n != c.packets {
			t.Errorf("%s: %d packets, want %d", c.query, n, c.packets)
		}
		if said := strings.Join(rep.Said, "\n"); !strings.Contains(said, c.said) {
			t.Errorf("%s: said %q", c.query, said)
		}
	}
	text := "alert a1"
	q := parse(t, text)
	if _, err := r.open().Find(context.Background(), q, Options{}, func(*Flow) bool { return true }); err != nil || q.String() != text {
		t.Errorf("the caller's query became %q, %v", q, err)
	}
}

func mapped(a string) [16]byte { return netip.MustParseAddr(a).As16() }
