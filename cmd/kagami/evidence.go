package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kagami/bpf/filter"
	"kagami/configs"
	"kagami/evidence"
	"kagami/evidence/cases"
	"kagami/evidence/query"
	"kagami/evidence/search"
	"kagami/packet"
)

// evidenceCmd are the verbs for packets on disk, one file each.
type evidenceCmd struct {
	Find    findCmd    `cmd:"" help:"The flows that match a query. Packets are not touched."`
	Get     getCmd     `cmd:"" help:"The packets of the flows that match a query, as pcapng that names its gaps."`
	Pin     pinCmd     `cmd:"" help:"Copy packets into a case, before they rotate away."`
	Pins    pinsCmd    `cmd:"" help:"The cases, what they hold and what they lack."`
	Release releaseCmd `cmd:"" help:"End a case: its packets are deleted."`
	Verify  verifyCmd  `cmd:"" help:"Test a case, or the journal: names what was changed; exit 0 or 2."`
}

// place is where the packets are.
type packets struct {
	settings
	Dir  string   `placeholder:"DIR" help:"Directory of segments, or of a case; default: evidence.dir of the configuration."`
	Read []string `short:"r" placeholder:"FILE" sep:"none" help:"Search in capture files (pcap, pcapng) instead; repeatable. Their index is written beside them as FILE.kidx if that is possible."`
	UTC  bool     `help:"Times in the query and in what is printed are UTC; default: output.time_zone."`
}

// open loads the configuration and lists what there is to search.
func (p *packets) open() (configs.Config, *search.Store, error) {
	giveWay()
	c, err := p.load(defaultConfig)
	if err != nil {
		return c, nil, err
	}
	if p.Dir != "" {
		c.Evidence.Dir = p.Dir
	}
	if len(p.Read) > 0 {
		if p.Dir != "" {
			return c, nil, errors.New("both --dir and --read: give one or the other")
		}
		s, err := search.OpenFiles(p.Read, search.FileOptions{Run: namesOf(c), Notes: evidence.AppendNotes})
		return c, s, err
	}
	if files, _ := filepath.Glob(filepath.Join(c.Evidence.Dir, "packets-*.pcapng")); len(files) > 0 { // a case: nothing may be added to it
		s, err := search.OpenFiles(files, search.FileOptions{Memory: true, Run: namesOf(c), Notes: evidence.AppendNotes})
		return c, s, err
	}
	s, err := search.Open(c.Evidence.Dir)
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w; run it as the sensor's user, or as root: sudo kagami evidence", err)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("no evidence in %q: give --dir or -r FILE, or record some: evidence.enabled = true", c.Evidence.Dir)
	}
	return c, s, err
}

// zone is that of the times a person writes and reads.
func (p *packets) zone(c configs.Config) *time.Location {
	if loc, err := c.Output.Location(); err == nil && !p.UTC {
		return loc
	}
	return time.UTC
}

// parse reads the query that the arguments make up.
func (p *packets) parse(c configs.Config, args []string) (*query.Query, error) {
	return query.Parse(strings.Join(args, " "), query.Options{Now: time.Now(), Location: p.zone(c)})
}

// custody is what cases and the journal need of this program.
func (p *packets) custody(c configs.Config) cases.Env { return custody(c, newLogger(c.Log, os.Stderr)) }

func custody(c configs.Config, log *slog.Logger) cases.Env {
	host, _ := os.Hostname()
	return cases.Env{Dir: c.Evidence.Dir, Cases: c.Pin.Dir, Log: log, Version: version, Host: host,
		Interface: c.Capture.Interface, Records: recordsOf(c, log), Replay: replayPage, Line: lineOf(log)}
}

// journalled writes down that a sensor's evidence was read. What cannot be written
// down is said, and given all the same: a copy of a disk is read where nothing may
// be written. Where no sensor keeps a key there is no journal: a case, own files.
func (p *packets) journalled(c configs.Config, asked string, r *search.Report, output string) {
	if len(p.Read) > 0 || !exists(filepath.Join(c.Evidence.Dir, "signing.key")) {
		return
	}
	j := cases.OpenJournal(p.custody(c))
	if err := j.Read(asked, cases.CurrentWho(), r.Packets, int64(r.Bytes), output); err != nil {
		fmt.Fprintln(os.Stderr, "kagami: warning: this reading of evidence is not in the journal:", err)
	}
}

// caseQuery answers the atom "case": what a case took.
func (p *packets) caseQuery(c configs.Config) func(string) (*query.Query, error) {
	return func(name string) (*query.Query, error) {
		one, err := p.custody(c).Case(name)
		if err != nil {
			return nil, err
		}
		text := one.SearchQuery()
		if text == "" {
			return nil, errors.New("it took nothing")
		}
		return query.Parse(text, query.Options{Now: time.Now(), Location: time.UTC})
	}
}

// frameFilter compiles a tcpdump filter for each link type; nil = all frames.
func frameFilter(expr string) (func(packet.LinkType) (func([]byte, uint32) bool, error), error) {
	if expr == "" {
		return nil, nil
	}
	if _, err := filter.Compile(expr, uint16(packet.LinkEthernet)); err != nil {
		return nil, fmt.Errorf("--bpf: %w", err)
	}
	compile := fileFilter(expr)
	return func(link packet.LinkType) (func([]byte, uint32) bool, error) {
		m, err := compile(link)
		if err != nil {
			return nil, fmt.Errorf("--bpf: %w", err)
		}
		return m.Match, nil
	}, nil
}

// effort is what a search took.
func effort(r *search.Report) string {
	text := fmt.Sprintf("%d of %d segments read", r.Opened, r.Segments)
	if r.Scanned > 0 {
		text += fmt.Sprintf(", %d without an index", r.Scanned)
	}
	return text + ", " + r.Took.Round(time.Millisecond).String()
}

// tell prints what a search could not give, for a person.
func tell(ctx context.Context, r *search.Report) {
	for _, g := range r.Gaps {
		fmt.Fprintln(os.Stderr, "kagami: missing:", printable(g.String()))
	}
	for _, s := range r.Said {
		fmt.Fprintln(os.Stderr, "kagami: note:", printable(s))
	}
	if r.Ended != "" {
		fmt.Fprintln(os.Stderr, "kagami: ended early:", r.Ended)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "kagami: interrupted")
	}
}
