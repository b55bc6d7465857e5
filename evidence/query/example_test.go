package query_test

import (
	"fmt"
	"net/netip"
	"time"

	"kagami/evidence/query"
	"kagami/packet"
)

func Example() {
	q, err := query.Parse("last 2h and client 10.0.0.7 and (evil.example or net 203.0.113.0/24) port 80,8000-8099",
		query.Options{Now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(q)
	fmt.Println(q.Explain())
	// Output:
	// from 2026-06-01T10:00:00Z and client 10.0.0.7 and (host evil.example or net 203.0.113.0/24) and port 80,8000-8099
	// flows since 2026-06-01T10:00:00Z, for which
	//   the client (either host, where the client is not known) is 10.0.0.7
	//   at least one of these holds:
	//     one of the two hosts is named "evil.example" or below it (not looked up yet)
	//     one of the two hosts is in 203.0.113.0/24
	//   one of the two ports is 80 or 8000 to 8099
}

func ExampleParse_errors() {
	for _, text := range []string{"clent 10.0.0.7", "net 10.0.0.7", "tcp port 80", "port 80 or last 2h"} {
		_, err := query.Parse(text, query.Options{Now: time.Unix(1780315200, 0)})
		fmt.Println(err)
	}
	// Output:
	// query: col 1: unknown word "clent"; did you mean client?
	// query: col 5: "10.0.0.7" is an address; write host 10.0.0.7, or net 10.0.0.7/32
	// query: col 1: tcp is no atom; write proto tcp and port 80, or --bpf with a tcpdump filter
	// query: col 12: last narrows the whole query and cannot stand in an alternative; write last … and (… or …)
}

// A name is looked up first; then flows match through what it was bound to.
func ExampleQuery_Bind() {
	q, err := query.Parse("server evil.example and port 443", query.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	lan, bad := netip.MustParseAddr("10.0.0.7").As16(), netip.MustParseAddr("203.0.113.5").As16()
	for _, name := range q.Names() {
		// Notes of DNS answers: from second 100 on, 10.0.0.7 knew the name as 203.0.113.5.
		q.Bind(query.Name, name, []query.Binding{{Addr: bad, Client: lan, From: 100e9}})
	}
	f := query.Flow{
		Key:    packet.Key{A: lan, B: bad, APort: 50000, BPort: 443, Proto: packet.ProtoTCP},
		Client: packet.FromA, ClientKnown: true,
	}
	for _, at := range []int64{99e9, 101e9} {
		f.First, f.Last = at, at
		fmt.Println(q.Match(&f))
	}
	// Output:
	// false
	// true
}

// A segment whose filter has not the port needs not be opened.
func ExampleQuery_May() {
	q, err := query.Parse("host 10.0.0.7 and port 443", query.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	has := func(t query.Term) bool { return t.Kind == query.TermAddr }
	fmt.Println(q.May(has, query.Range{}))
	// Output: false
}
