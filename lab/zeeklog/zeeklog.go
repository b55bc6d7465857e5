// Package zeeklog reads Zeek's logs as Kagami's records, so that other people's
// logs can be given to the detectors: conn, dns, http and ssl, as tab-separated
// values with their header lines or as JSON lines, plain or gzipped. Other logs
// are left out and counted.
//
// A log says less than a record: the sizes of headers, JA4 and what runs inside
// a flow are missing. Lines of one connection are joined by its uid.
//
// It imports packet, records and sensor and must not import the detectors.
package zeeklog

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kagami/records"
	"kagami/sensor"
)

// Options say how logs are read.
type Options struct {
	// Networks tell what is internal, besides what Zeek's local_orig and local_resp say.
	Networks *sensor.Networks
	// Max is how many records are kept at most: they are sorted by time. 0 = 5,000,000.
	Max int
}

// Logs are the records of some logs.
type Logs struct {
	Records  []records.Record // in order of records.Compare
	Lines    int              // data lines read
	Skipped  int              // lines of other logs
	Bad      int              // lines that could not be read
	FirstBad error            // why the first of them could not
}

// maxLine is the longest line read, octets.
const maxLine = 1 << 20

// ErrTooMany is returned when the logs hold more than Options.Max records.
var ErrTooMany = errors.New("read Zeek logs: too many records")

// Read reads log files; a directory stands for the logs in it whose names begin
// with conn, dns, http or ssl.
func Read(paths []string, o Options) (*Logs, error) {
	l := newLoader(o)
	for _, path := range paths {
		files, err := expand(path)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if err := l.file(name); err != nil {
				return nil, err
			}
		}
	}
	return l.finish(), nil
}

// ReadFrom reads one log; name is that of its file, which tells the kind of a
// JSON log whose lines do not.
func ReadFrom(r io.Reader, name string, o Options) (*Logs, error) {
	l := newLoader(o)
	if err := l.read(r, name); err != nil {
		return nil, err
	}
	return l.finish(), nil
}

func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read Zeek logs: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read Zeek logs: %w", err)
	}
	var out []string
	for _, e := range entries {
		if kindOf(e.Name()) != "" {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out, nil
}

// kindOf is the log that a file's name tells: "conn.16:00:00-17:00:00.log.gz".
func kindOf(name string) string {
	kind, _, _ := strings.Cut(filepath.Base(name), ".")
	kind, _, _ = strings.Cut(kind, "_")
	switch kind {
	case "conn", "dns", "http", "ssl":
		return kind
	}
	return ""
}

// loader collects records until all logs are read.
type loader struct {
	options Options
	logs    Logs
	local   map[netip.Addr]struct{} // internal, by Zeek's word
	conns   map[uint64]*conn
	seq     uint32
}

// conn is what other logs said of a connection.
type conn struct {
	http, tls, connect bool
	name               string
}

func newLoader(o Options) *loader {
	if o.Max == 0 {
		o.Max = 5_000_000
	}
	return &loader{options: o, local: map[netip.Addr]struct{}{}, conns: map[uint64]*conn{}}
}

func (l *loader) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read Zeek log: %w", err)
	}
	defer f.Close()
	return l.read(f, name)
}

func (l *loader) read(in io.Reader, name string) error {
	b := bufio.NewReaderSize(in, 1<<16)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		b = bufio.NewReaderSize(z, 1<<16)
	}
	lines := bufio.NewScanner(b)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	c := newColumns()
	var r row
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "":
			continue
		case line[0] == '#':
			c.header(line)
			continue
		}
		if err := l.line(line, c, name, &r); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (l *loader) line(line string, c *columns, name string, r *row) error {
	l.logs.Lines++
	if err := c.parse(line, r); err != nil {
		l.bad(err)
		return nil
	}
	kind := cmp.Or(c.path, r.str("_path"), kindOf(name), guess(r))
	if err := l.record(kind, r); err != nil {
		l.bad(err)
	}
	if len(l.logs.Records) > l.options.Max {
		return fmt.Errorf("%w: more than %d", ErrTooMany, l.options.Max)
	}
	return nil
}

func (l *loader) bad(err error) {
	if l.logs.Bad++; l.logs.FirstBad == nil {
		l.logs.FirstBad = err
	}
}

// guess tells a JSON log by a field that only it has.
func guess(r *row) string {
	for _, g := range [...]struct{ field, kind string }{{"conn_state", "conn"}, {"trans_depth", "http"}, {"trans_id", "dns"}, {"cipher", "ssl"}} {
		if r.str(g.field) != "" {
			return g.kind
		}
	}
	return ""
}

// finish joins what several logs told and sorts.
func (l *loader) finish() *Logs {
	for _, r := range l.logs.Records {
		m := r.Meta()
		m.ClientZone, m.ClientInternal = l.zone(m.Client().Addr())
		m.ServerZone, m.ServerInternal = l.zone(m.Server().Addr())
		c := l.conns[m.UID]
		if c == nil {
			c = &conn{}
		}
		switch r := r.(type) {
		case *records.Flow:
			r.ServerName = c.name
			r.Service = c.service(r.Service)
		case *records.TLS:
			if c.connect {
				r.Via = "CONNECT"
			}
		}
	}
	slices.SortFunc(l.logs.Records, func(a, b records.Record) int { return records.Compare(a.Meta(), b.Meta()) })
	return &l.logs
}

// service is what was recognised, if its own log tells the rest.
func (c *conn) service(said string) string {
	switch {
	case c.http:
		return "http"
	case c.tls:
		return "tls"
	case said == "http" || said == "tls":
		return ""
	}
	return said
}

func (l *loader) zone(a netip.Addr) (string, bool) {
	name, internal := "", false
	if l.options.Networks != nil {
		name, internal = l.options.Networks.Find(a.As16())
	}
	if _, ok := l.local[a]; ok {
		internal = true
	}
	return name, internal
}
