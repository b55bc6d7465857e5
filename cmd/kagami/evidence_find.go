package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/search"
	"kagami/packet"
	"kagami/records"
)

type findCmd struct {
	packets
	JSON    bool     `name:"json" help:"One JSON object a line, with ECS names."`
	Explain bool     `help:"Only say how the query would be answered: which segments are left out by what, and what would be read."`
	Limit   int      `default:"0" placeholder:"N" help:"Stop after so many flows; default: none."`
	Query   []string `arg:"" help:"Such as: last 2h and client 10.0.0.7 and (host evil.example or net 203.0.113.0/24) and port 80,8000-8099"`
}

// Run prints the flows that match, as they end.
func (f *findCmd) Run(ctx context.Context) error {
	c, store, err := f.open()
	if err != nil {
		return err
	}
	q, err := f.parse(c, f.Query)
	if err != nil {
		return err
	}
	o := search.Options{Case: f.caseQuery(c)}
	if f.Explain {
		text, err := store.Explain(ctx, q, o)
		fmt.Print(text)
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	show := newFlowTable(out, f.zone(c)).row
	if f.JSON {
		show = flowJSON(out)
	}
	n := 0
	report, err := store.Find(ctx, q, o, func(x *search.Flow) bool {
		if err := show(x); err != nil {
			return false
		}
		if n++; n < firstFlows {
			out.Flush() // the first ones are waited for
		}
		return f.Limit == 0 || n < f.Limit
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write flows: %w", err)
	}
	tell(ctx, report)
	if !f.JSON {
		fmt.Fprintf(os.Stderr, "%s flows; %s\n", thousands(report.Flows), effort(report))
	}
	f.journalled(c, q.String(), report, "find")
	return nil
}

// firstFlows are shown one by one, all others as the buffer fills.
const firstFlows = 64

// flowTable prints flows for a person.
type flowTable struct {
	w    io.Writer
	zone *time.Location
	head bool
}

func newFlowTable(w io.Writer, zone *time.Location) *flowTable { return &flowTable{w: w, zone: zone} }

func (t *flowTable) row(f *search.Flow) error {
	const format = "%-23s %9s  %-5s %-24s %-24s %8s %10s  %s\n"
	if !t.head {
		t.head = true
		fmt.Fprintf(t.w, format, "BEGIN", "LASTED", "PROTO", "CLIENT", "SERVER", "PACKETS", "OCTETS", "NAMES, WHAT IS MISSING, FLOW ID")
	}
	words := f.Names
	for _, x := range []struct {
		flag index.Flags
		word string
	}{{index.Cut, "[cut]"}, {index.Hole, "[gap]"}, {index.Folded, "[some packets only by block]"}} {
		if f.Flags&x.flag != 0 {
			words = append(words, x.word)
		}
	}
	if id := f.CommunityID(); id != "" && f.Flags&index.NoIP == 0 && f.Key.Proto != index.ProtoARP {
		words = append(words, id)
	}
	_, err := fmt.Fprintf(t.w, format, time.Unix(0, f.First).In(t.zone).Format("2006-01-02 15:04:05.000"),
		time.Duration(f.Last-f.First).Round(time.Millisecond), transport(f), endpoint(f, f.Client), endpoint(f, f.Client.Other()),
		thousands(f.Packets[0]+f.Packets[1]), octets(f.Bytes[0]+f.Bytes[1]), printable(strings.Join(words, " ")))
	return err
}

// transport is the protocol's name.
func transport(f *search.Flow) string {
	switch {
	case f.Flags&index.NoIP != 0:
		return "no-ip"
	case f.Key.Proto == index.ProtoARP:
		return "arp"
	}
	if name := records.Transport(f.Key.Proto); name != "" {
		return name
	}
	return fmt.Sprint(f.Key.Proto)
}

// endpoint is one side of a flow.
func endpoint(f *search.Flow, s packet.Side) string {
	if f.Flags&index.NoIP != 0 {
		return "-"
	}
	addr := netip.AddrFrom16(f.Key.Addr(s)).Unmap()
	switch f.Key.Proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
		return netip.AddrPortFrom(addr, f.Key.Port(s)).String()
	}
	return addr.String()
}

// flowLine is a flow with ECS names.
type flowLine struct {
	Event   eventLine   `json:"event"`
	Network networkLine `json:"network"`
	Client  peerLine    `json:"client"`
	Server  peerLine    `json:"server"`
	Kagami  kagamiLine  `json:"kagami"`
}

type kagamiLine struct {
	Evidence evidenceLine `json:"evidence"`
}

type eventLine struct {
	Dataset  string    `json:"dataset"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Duration int64     `json:"duration"` // ns
}

type networkLine struct {
	Bytes       uint64 `json:"bytes"`
	CommunityID string `json:"community_id,omitempty"`
	Packets     uint64 `json:"packets"`
	Transport   string `json:"transport"`
}

type peerLine struct {
	IP      netip.Addr `json:"ip,omitzero"`
	Port    uint16     `json:"port,omitempty"`
	Domain  string     `json:"domain,omitempty"`
	Packets uint64     `json:"packets"`
	Bytes   uint64     `json:"bytes"`
}

type evidenceLine struct {
	Names       []string `json:"names,omitempty"`
	StoredBytes uint64   `json:"stored_bytes"`
	Segments    int      `json:"segments"`
	ClientKnown bool     `json:"client_known"`
	Cut         bool     `json:"cut,omitempty"`
	Gap         bool     `json:"gap,omitempty"`
}

// flowJSON prints flows for a program.
func flowJSON(w io.Writer) func(*search.Flow) error {
	enc := json.NewEncoder(w)
	return func(f *search.Flow) error {
		c, s := f.Client, f.Client.Other()
		l := flowLine{
			Event:   eventLine{"kagami.evidence", time.Unix(0, f.First).UTC(), time.Unix(0, f.Last).UTC(), f.Last - f.First},
			Network: networkLine{f.Bytes[0] + f.Bytes[1], f.CommunityID(), f.Packets[0] + f.Packets[1], transport(f)},
			Client:  peerLine{Packets: f.Packets[c], Bytes: f.Bytes[c]},
			Server:  peerLine{Packets: f.Packets[s], Bytes: f.Bytes[s]},
			Kagami: kagamiLine{evidenceLine{Names: f.Names, StoredBytes: f.Stored[0] + f.Stored[1], Segments: f.Parts, ClientKnown: f.ClientKnown,
				Cut: f.Flags&index.Cut != 0, Gap: f.Flags&index.Hole != 0}},
		}
		if f.Flags&index.NoIP == 0 {
			l.Client.IP, l.Client.Port = netip.AddrFrom16(f.Key.Addr(c)).Unmap(), f.Key.Port(c)
			l.Server.IP, l.Server.Port = netip.AddrFrom16(f.Key.Addr(s)).Unmap(), f.Key.Port(s)
		}
		if len(f.Names) > 0 {
			l.Server.Domain = f.Names[0]
		}
		return enc.Encode(&l)
	}
}
