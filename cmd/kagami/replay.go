package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kagami/capture"
	"kagami/configs"
	"kagami/evidence/query"
	"kagami/evidence/replay"
	"kagami/evidence/replay/har"
	"kagami/evidence/replay/objects"
	"kagami/evidence/replay/page"
	"kagami/evidence/replay/tlskeys"
	"kagami/evidence/replay/warc"
	"kagami/evidence/search"
)

type replayCmd struct {
	packets
	Client string   `placeholder:"IP" help:"Only this host's traffic."`
	From   string   `placeholder:"TIME" help:"From this time on, as in a query: 2026-06-01T08:15."`
	To     string   `placeholder:"TIME" help:"Before this time, or +15m."`
	Keys   string   `placeholder:"FILE" help:"TLS key log (SSLKEYLOGFILE); secrets inside a pcapng are used without."`
	Out    string   `short:"o" placeholder:"DIR" help:"Write the page (index.html, index.ja.html), replay.har, replay.warc.gz, objects.zip (password: infected) and INCOMPLETE.json there."`
	Serve  string   `placeholder:"HOST:PORT" help:"Serve the recorded answers through an offline proxy on a loopback address, until interrupted."`
	Browse bool     `help:"Let Chromium visit it again, in a network of its own that leads nowhere, and mark what is confirmed."`
	Fuzzy  bool     `help:"With --serve: answer URLs that were not recorded with those of the most alike."`
	Defang bool     `help:"With --serve: every body is plain text."`
	What   []string `arg:"" optional:"" name:"capture" help:"Capture files, the directory or name of a case, or: alert ID."`
}

// Run rebuilds what a capture holds of the web, and serves it again.
func (r *replayCmd) Run(ctx context.Context) error {
	if r.What = append(r.What, r.Read...); len(r.What) == 0 {
		return errors.New("replay: of what? give capture files, a case, or: alert ID")
	}
	c, err := r.load(defaultConfig)
	if err != nil {
		return err
	}
	if r.Dir != "" {
		c.Evidence.Dir = r.Dir
	}
	o, err := r.options(c)
	if err != nil {
		return err
	}
	reading, err := r.read(ctx, c, o)
	if err != nil {
		return err
	}
	chain := replay.Build(reading)
	reading.Holes = append(reading.Holes, chain.Notes...) // limits of the search for causes
	if r.Browse {
		if err := walkAgain(ctx, reading, chain, newLogger(c.Log, os.Stderr)); err != nil {
			return err
		}
	}
	if err := replay.Tree(os.Stdout, chain, replay.TreeOptions{}); err != nil {
		return fmt.Errorf("write tree: %w", err)
	}
	if err := page.IncompleteText(os.Stdout, reading, ""); err != nil {
		return fmt.Errorf("write what is missing: %w", err)
	}
	if r.Out != "" {
		if err := writeReplay(r.Out, reading, chain); err != nil {
			return err
		}
		fmt.Printf("\nThe page is %s\n", printable(filepath.Join(r.Out, "index.html")))
	}
	if r.Serve != "" {
		return r.serve(ctx, reading, newLogger(c.Log, os.Stderr))
	}
	return nil
}

// options are the bounds and keys of the reading.
func (r *replayCmd) options(c configs.Config) (o replay.Options, err error) {
	if r.Client != "" {
		if o.Client, err = netip.ParseAddr(r.Client); err != nil {
			return o, fmt.Errorf("--client: got %q, want an address", r.Client)
		}
	}
	var window []string
	if r.From != "" {
		window = append(window, "from "+r.From)
	}
	if r.To != "" {
		window = append(window, "to "+r.To)
	}
	if len(window) > 0 {
		q, err := query.Parse(strings.Join(window, " "), query.Options{Now: time.Now(), Location: r.zone(c)})
		if err != nil {
			return o, fmt.Errorf("--from, --to: %w", err)
		}
		o.From, o.To = q.From, q.To
	}
	o.Keys = tlskeys.NewLog()
	if r.Keys != "" {
		f, err := os.Open(r.Keys)
		if err != nil {
			return o, fmt.Errorf("read keys: %w", err)
		}
		defer f.Close()
		if err := o.Keys.Read(f); err != nil {
			return o, fmt.Errorf("read keys in %q: %w", r.Keys, err)
		}
	}
	return o, nil
}

// read finds the packets: of files, of a case, or of an alert.
func (r *replayCmd) read(ctx context.Context, c configs.Config, o replay.Options) (*replay.Reading, error) {
	if len(r.What) == 2 && strings.EqualFold(r.What[0], "alert") {
		return r.readAlert(ctx, c, r.What[1], o)
	}
	paths := r.What
	if len(paths) == 1 {
		for _, dir := range []string{paths[0], filepath.Join(casesDir(c), paths[0])} {
			if files, _ := filepath.Glob(filepath.Join(dir, "packets-*.pcapng")); len(files) > 0 {
				paths = files
				break
			}
		}
	}
	for _, path := range paths { // secrets that the capture itself bears
		if f, err := os.Open(path); err == nil {
			o.Keys.ReadCapture(f) // no pcapng, or none in it
			f.Close()
		}
	}
	return readReplay(ctx, strings.Join(r.What, " "), capture.OpenFiles(paths, capture.FileOptions{}), o)
}

// readAlert reads the traffic of an alert's host around it, out of the ring.
func (r *replayCmd) readAlert(ctx context.Context, c configs.Config, id string, o replay.Options) (*replay.Reading, error) {
	store, err := search.Open(c.Evidence.Dir)
	if err != nil {
		return nil, err
	}
	note, err := store.Alert(ctx, id)
	if err != nil {
		return nil, err
	}
	if note == nil {
		return nil, fmt.Errorf("no alert %q in %q", id, c.Evidence.Dir)
	}
	host := netip.AddrFrom16(note.Key.Addr(note.Client)).Unmap()
	from, to := note.From-int64(c.Pin.BeforeS)*1e9, note.To+int64(c.Pin.AfterS)*1e9
	q, err := query.Parse(fmt.Sprintf("from %s to %s and host %s", unixTime(from), unixTime(to), host), query.Options{})
	if err != nil {
		return nil, err
	}
	pipe, in := io.Pipe()
	go func() {
		report, err := store.Get(ctx, q, search.GetOptions{}, in)
		if report != nil {
			r.journalled(c, q.String(), report, "replay")
		}
		in.CloseWithError(err)
	}()
	defer pipe.Close()
	return readReplay(ctx, "alert "+id, capture.OpenFiles([]string{"-"}, capture.FileOptions{Stdin: pipe}), o)
}

// readReplay reads a source; a torn last packet is a warning.
func readReplay(ctx context.Context, name string, src *capture.Files, o replay.Options) (*replay.Reading, error) {
	reading, err := replay.Read(ctx, src, o)
	if err = verdict(err); err != nil {
		return nil, err
	}
	reading.Source = name
	return reading, nil
}

// caseLimits are those of a replay inside the sensor, whose memory is not the
// replay's.
func caseLimits() replay.Limits {
	return replay.Limits{Decoded: 8 << 20, Kept: 48 << 20, Stream: 16 << 20}
}

// replayPage writes the page of a case's web traffic.
func replayPage(ctx context.Context, packets []string, w io.Writer) (bool, error) {
	r, err := replay.Read(ctx, capture.OpenFiles(packets, capture.FileOptions{}), replay.Options{Limits: caseLimits()})
	if err != nil || len(r.Transactions) == 0 {
		return false, err
	}
	r.Source = "the packets of this case"
	chain := replay.Build(r)
	r.Holes = append(r.Holes, chain.Notes...)
	return true, page.Write(w, r, chain, page.Options{Version: version, Directory: "."})
}

// writeReplay writes everything that a replay leaves behind. Bodies are in the
// archives as they were transferred, and as files in the sealed zip only.
func writeReplay(dir string, r *replay.Reading, c *replay.Chain) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"index.html", func(w io.Writer) error {
			return page.Write(w, r, c, page.Options{Language: "en", Version: version, Directory: dir})
		}},
		{"index.ja.html", func(w io.Writer) error {
			return page.Write(w, r, c, page.Options{Language: "ja", Version: version, Directory: dir})
		}},
		{"replay.har", func(w io.Writer) error { return har.Write(w, r, har.Options{Creator: "kagami", Version: version}) }},
		{"replay.warc.gz", func(w io.Writer) error {
			return warc.Write(w, r, warc.Options{Software: "kagami " + version, Filename: "replay.warc.gz"})
		}},
		{"objects.zip", func(w io.Writer) error { return objects.Write(w, r, objects.Options{}) }},
		{"INCOMPLETE.json", func(w io.Writer) error { return page.Incomplete(w, r) }},
	} {
		if err := writeOwn(filepath.Join(dir, f.name), f.write); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	return nil
}

// writeOwn makes a file that only its owner may read.
func writeOwn(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
