package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// wanted is how the text of an alert is known. Texts are compared as plainText
// writes them.
type wanted struct {
	all   []string // each of them, if any are named
	any   []string // one of them, if any are named
	words []string // one of them as a whole address, if any are named
}

func (w *wanted) in(text string) bool {
	has := func(s string) bool { return strings.Contains(text, s) }
	return !slices.ContainsFunc(w.all, func(s string) bool { return !has(s) }) &&
		(len(w.any) == 0 || slices.ContainsFunc(w.any, has)) &&
		(len(w.words) == 0 || slices.ContainsFunc(w.words, func(s string) bool { return hasWord(text, s) }))
}

// hasWord tells whether an address stands in a text, not as part of a longer one.
func hasWord(text, addr string) bool {
	part := func(s string, i int) bool {
		return i >= 0 && i < len(s) && (s[i] == ':' || s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f')
	}
	for at := 0; ; {
		i := strings.Index(text[at:], addr)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(addr)
		longer := part(text, end) || end+1 < len(text) && text[end] == '.' && part(text, end+1)
		before := part(text, at-1) && !strings.HasSuffix(text[:at], ": ") || at > 0 && text[at-1] == '.'
		if !longer && !before {
			return true
		}
		at = end
	}
}

// plainText is what all formats and tools leave of a text: ASCII letters in lower
// case, "_" as "-" (Zeek's names of notices), no quotation marks or their escapes.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return -1
		case r == '_':
			return '-'
		case r >= 'A' && r <= 'Z':
			return r | 0x20
		}
		return r
	}, s)
}

// arrival is a text from where alerts arrive.
type arrival struct {
	at    time.Time
	place string
	text  string
}

const (
	maxArrival = 4 << 20 // octets of a line
	lookEvery  = 200 * time.Millisecond
)

// lookout is where alerts are looked for.
type lookout struct {
	places []string // for people
	files  []*followed
	stdin  bool
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// watch opens what the command line names. Files are followed from their present
// end.
func (c *canaryCmd) watch() (*lookout, error) {
	l := &lookout{}
	paths := c.Arrives
	if c.SendOnly || c.DryRun {
		if c.SendOnly && len(paths) > 0 {
			return nil, errors.New("--send-only looks nowhere: leave out --arrives")
		}
		return l, nil
	}
	if len(paths) == 0 {
		conf, err := c.load(defaultConfig)
		if err != nil {
			return nil, err
		}
		conf.Export = exportsOf(conf)
		paths = slices.DeleteFunc(alertFiles(conf), func(path string) bool { _, err := os.Stat(path); return err != nil })
	}
	for _, path := range paths {
		if path == "-" {
			l.stdin = true
			l.places = append(l.places, "standard input")
			continue
		}
		f, err := followFile(path)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("--arrives: %w", err)
		}
		l.files = append(l.files, f)
		l.places = append(l.places, "what is appended to "+path)
	}
	if len(l.places) == 0 {
		return nil, errNowhere
	}
	return l, nil
}

// blind tells that nothing is looked at.
func (l *lookout) blind() bool { return len(l.places) == 0 }

// start begins to look; each gets what arrives, at any time until the lookout is
// closed.
func (l *lookout) start(ctx context.Context, each func(arrival)) {
	ctx, l.cancel = context.WithCancel(ctx)
	for _, f := range l.files {
		l.wg.Go(func() { f.follow(ctx, func(text string) { each(arrival{time.Now(), f.path, text}) }) })
	}
	if l.stdin { // its reading cannot be interrupted: it ends with the program
		go readArrivals(os.Stdin, func(text string) { each(arrival{time.Now(), "standard input", text}) })
	}
}

// close ends all looking but that at standard input.
func (l *lookout) close() {
	if l.cancel != nil {
		l.cancel()
	}
	l.wg.Wait()
	for _, f := range l.files {
		f.close()
	}
}

// readArrivals hands on what comes, as soon as it comes, with the beginning of its
// line: the last line of what a command prints may have no end. A line that is too
// long comes in pieces.
func readArrivals(r io.Reader, each func(string)) {
	var line []byte
	block := make([]byte, 64<<10)
	for {
		n, err := r.Read(block)
		line = append(line, block[:n]...)
		if n > 0 {
			each(string(line))
		}
		if i := bytes.LastIndexByte(line, '\n'); i >= 0 {
			line = append(line[:0], line[i+1:]...)
		}
		if len(line) > maxArrival {
			line = line[:0]
		}
		if err != nil {
			return
		}
	}
}
