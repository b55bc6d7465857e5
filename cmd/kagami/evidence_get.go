package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/term"

	"kagami/evidence/search"
)

type getCmd struct {
	packets
	Out     string   `short:"o" default:"-" placeholder:"FILE" help:"Where the pcapng goes; '-' is stdout."`
	BPF     string   `name:"bpf" placeholder:"FILTER" help:"Of those packets, only what this tcpdump filter matches."`
	Explain bool     `help:"Only say how the query would be answered."`
	Query   []string `arg:"" help:"A query as in find; 'all' with --bpf reads everything."`
}

// Run writes the packets that match, in order of time.
func (g *getCmd) Run(ctx context.Context) error {
	c, store, err := g.open()
	if err != nil {
		return err
	}
	q, err := g.parse(c, g.Query)
	if err != nil {
		return err
	}
	o := search.Options{Case: g.caseQuery(c)}
	if g.Explain {
		text, err := store.Explain(ctx, q, o)
		fmt.Print(text)
		return err
	}
	match, err := frameFilter(g.BPF)
	if err != nil {
		return err
	}
	out, err := g.create()
	if err != nil {
		return err
	}
	report, err := store.Get(ctx, q, search.GetOptions{Options: o, Filter: match}, out)
	if report != nil { // what was read before an error was read
		asked := q.String()
		if g.BPF != "" {
			asked += " --bpf " + strconv.Quote(g.BPF)
		}
		g.journalled(c, asked, report, g.Out)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	tell(ctx, report)
	fmt.Fprintf(os.Stderr, "%s packets, %s; %s\n", thousands(report.Packets), octets(report.Bytes), effort(report))
	return nil
}

// create opens the output: packets hold secrets, so only its owner may read it.
func (g *getCmd) create() (*os.File, error) {
	if g.Out != "-" {
		f, err := os.OpenFile(g.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("write packets: %w", err)
		}
		return f, nil
	}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return nil, errors.New("packets do not go to a terminal: give -o FILE, or pipe them: kagami evidence get … | tcpdump -nr -")
	}
	return os.Stdout, nil
}
