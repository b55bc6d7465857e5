package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// line is one line of an access log without what cannot be the same: its times,
// and the words of the result, which name the inside of the cache.
type line struct {
	client, status, octets, method, url, user, hierarchy, mime string
	text                                                       string
}

// key is what pairs lines; several lines of one key are paired in their order.
func (l *line) key() string { return l.client + " " + l.method + " " + l.url }

func readLog(path string) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	defer f.Close()
	var lines []line
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		x := strings.Fields(s.Text())
		if len(x) != 10 {
			return nil, fmt.Errorf("%s: %d fields in %q, want 10", path, len(x), s.Text())
		}
		if x[5] == "-" { // no request: the probe that waits for Squid
			continue
		}
		_, status, _ := strings.Cut(x[3], "/")
		lines = append(lines, line{client: x[2], status: status, octets: x[4], method: x[5], url: x[6], user: x[7], hierarchy: x[8], mime: x[9], text: s.Text()})
	}
	return lines, s.Err()
}

// pair is a line of Squid's and ours; either may be missing.
type pair struct {
	squid, kagami *line
	differ        []string
}

type comparison []pair

// compare pairs the lines of two logs.
func compare(genuine, ours string, hierarchy bool) (comparison, error) {
	a, err := readLog(genuine)
	if err != nil {
		return nil, err
	}
	b, err := readLog(ours)
	if err != nil {
		return nil, err
	}
	rest := make(map[string][]*line)
	for i := range b {
		rest[b[i].key()] = append(rest[b[i].key()], &b[i])
	}
	var c comparison
	for i := range a {
		p := pair{squid: &a[i]}
		if of := rest[a[i].key()]; len(of) > 0 {
			p.kagami, rest[a[i].key()] = of[0], of[1:]
			p.differ = differences(p.squid, p.kagami, hierarchy)
		}
		c = append(c, p)
	}
	for i := range b {
		for _, l := range rest[b[i].key()] {
			if l == &b[i] {
				c = append(c, pair{kagami: l})
			}
		}
	}
	return c, nil
}

func differences(a, b *line, hierarchy bool) (d []string) {
	for _, f := range []struct{ name, a, b string }{
		{"status", a.status, b.status}, {"octets", a.octets, b.octets}, {"user", a.user, b.user}, {"type", a.mime, b.mime},
	} {
		if f.a != f.b {
			d = append(d, f.name)
		}
	}
	if hierarchy && a.hierarchy != b.hierarchy {
		d = append(d, "hierarchy")
	}
	return d
}

// differ tells whether any line has no equal.
func (c comparison) differ() bool {
	for i := range c {
		if c[i].squid == nil || c[i].kagami == nil || c[i].differ != nil {
			return true
		}
	}
	return false
}

// report says how many lines are the same, and shows those that are not.
func (c comparison) report(w io.Writer, all bool) {
	same, genuine := 0, 0
	for i := range c {
		if c[i].squid != nil {
			genuine++
		}
		if c[i].squid != nil && c[i].kagami != nil && c[i].differ == nil {
			same++
		}
	}
	fmt.Fprintf(w, "%d of Squid's %d lines are the same\n", same, genuine)
	for i := range c {
		p := &c[i]
		switch {
		case p.squid == nil:
			fmt.Fprintf(w, "  only kagami  %s\n", p.kagami.text)
		case p.kagami == nil:
			fmt.Fprintf(w, "  only squid   %s\n", p.squid.text)
		case all || p.differ != nil:
			fmt.Fprintf(w, "  %-12s squid  %s\n  %-12s kagami %s\n", strings.Join(p.differ, ","), p.squid.text, "", p.kagami.text)
		}
	}
}
