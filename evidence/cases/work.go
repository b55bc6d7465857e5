package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kagami/evidence/search"
)

// work is a case that is under way in this process. One goroutine holds segments
// and joins alerts, another copies: mu guards the state that they share.
type work struct {
	env    Env
	dir    string   // Name.partial
	lock   *os.File // dir, locked: no other process works on the case
	holder *holder

	mu sync.Mutex
	c  *Case
}

var errBusy = errors.New("another process works on it")

// begin takes a case into work; errBusy if another process has it.
func (e Env) begin(c *Case) (*work, error) {
	dir := e.partialPath(c.Name)
	if err := makeDir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("begin case: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("begin case: %w", err)
	}
	ok, err := tryLock(d)
	if err == nil && !ok {
		err = errBusy
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("begin case %q: %w", c.Name, err)
	}
	return &work{env: e, dir: dir, lock: d, holder: newHolder(e, c), c: c}, nil
}

// leave gives the case up for another process or a later start.
func (w *work) leave() { w.lock.Close() }

// change changes the state, on disk too.
func (w *work) change(do func(c *Case)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	do(w.c)
	return w.env.save(w.c)
}

// state is a copy of the state. Its slices are not changed in place.
func (w *work) state() Case {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.c
}

// hold keeps what there is of the window from rotating away. Without hard links
// it says so in the state: then slices are copied instead.
func (w *work) hold() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c.NoLinks {
		return nil
	}
	err := w.holder.hold()
	if errors.Is(err, errNoLinks) {
		w.env.Log.Warn("segments cannot be held: packets are copied at once instead", "case", w.c.Name, "err", err)
		w.c.NoLinks = true
		return w.env.save(w.c)
	}
	return err
}

// tidy removes what a crash left half done.
func (w *work) tidy() error {
	c := w.state()
	known := map[string]bool{}
	for _, p := range c.Parts {
		known[p.Name] = true
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return fmt.Errorf("resume case: %w", err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			if err := os.RemoveAll(filepath.Join(w.dir, e.Name())); err != nil {
				return fmt.Errorf("resume case: %w", err)
			}
		}
	}
	for i, p := range c.Parts {
		info, err := os.Stat(filepath.Join(w.dir, p.Name))
		if err == nil && info.Size() == p.Size {
			continue
		}
		// Gone or damaged: copy again from there on.
		return w.change(func(c *Case) {
			c.Parts, c.Copied = c.Parts[:i:i], 0
			if i == 0 {
				c.Early = false
			}
		})
	}
	return nil
}

// early copies what the alerted flows sent before the window, which nothing holds.
func (w *work) early(ctx context.Context) error {
	c := w.state()
	if c.Early {
		return nil
	}
	if c.From == 0 || len(c.Alerts) == 0 {
		return w.change(func(c *Case) { c.Early = true })
	}
	store, err := search.Open(w.env.Dir)
	if err != nil {
		return err
	}
	p, err := w.env.newPlan(ctx, store, &c)
	if err != nil {
		return err
	}
	var got slice
	if p.early > 0 && p.narrow != "" {
		if got, err = w.copy(ctx, store, p, p.narrow, p.early, c.From); err != nil {
			return err
		}
	}
	return w.change(func(c *Case) {
		c.Early = true
		w.keep(c, got)
	})
}

// slice is what one copying brought.
type slice struct {
	parts []Part
	lost  []Loss
	said  []string
}

// keep notes files of packets that are on the disk.
func (w *work) keep(c *Case, s slice) {
	c.Parts = append(c.Parts[:len(c.Parts):len(c.Parts)], s.parts...)
	c.Lost = append(c.Lost[:len(c.Lost):len(c.Lost)], s.lost...)
	if len(c.Lost) > maxLost {
		c.Lost = c.Lost[:maxLost]
		c.Why = "more gaps than are listed"
	}
}

const maxLost = 4096

// window copies the window up to until, as far as the quota allows.
func (w *work) window(ctx context.Context, until int64) error {
	c := w.state()
	from := max(c.From, c.Copied)
	if c.To != 0 {
		until = min(until, c.To)
	}
	if until != 0 && until <= from {
		return nil
	}
	store, err := search.Open(w.env.Dir)
	if err != nil {
		return err
	}
	p, err := w.env.newPlan(ctx, store, &c)
	if err != nil {
		return err
	}
	scope, why, err := w.scope(ctx, store, p, from, until)
	if err != nil {
		return err
	}
	text := p.wide
	if scope == ScopeFlows {
		text = p.narrow
	}
	var got slice
	if scope != ScopeNothing {
		if got, err = w.copy(ctx, store, p, text, from, until); err != nil {
			return err
		}
	}
	if why != "" {
		got.lost = append(got.lost, Loss{What: "quota", From: from, To: until, Text: why})
	}
	return w.change(func(c *Case) {
		w.keep(c, got)
		c.Copied = until
		c.Scope = worse(c.Scope, scope)
		for _, n := range append(p.notes, got.said...) {
			c.Said = appendOnce(c.Said, n)
		}
	})
}

// copy writes the packets of a query into files of their own.
func (w *work) copy(ctx context.Context, store *search.Store, p *plan, text string, from, to int64) (slice, error) {
	c := w.state()
	q, err := windowed(text, from, to)
	if err != nil {
		return slice{}, fmt.Errorf("copy packets: %w", err)
	}
	names := readNames(w.env.Dir, from, to)
	out := newSplitter(w.dir, nextPart(c.Parts), appendNames(nil, names.list()))
	if w.env.partSize > 0 {
		out.limit = w.env.partSize
	}
	defer out.abandon()
	done := map[string]bool{}
	for _, part := range c.Parts {
		done[part.Name] = true
	}
	if err := removeParts(w.dir, done); err != nil {
		return slice{}, err
	}
	given := len(c.Parts) > 0 && c.Copied > 0
	report, err := store.Get(ctx, q, search.GetOptions{
		Comment: "Kagami case " + c.Name + ": " + q.String(),
		Comments: func(_ *segmentPacket, f *search.Flow) string {
			text := p.comments[f.Key]
			if text != "" {
				delete(p.comments, f.Key) // the first packet only
			}
			if given {
				return ""
			}
			return text
		},
	}, &stepWriter{w: out, step: func() error { return w.env.step("packets") }})
	if err != nil {
		return slice{}, fmt.Errorf("copy packets: %w", err)
	}
	if err := out.end(); err != nil {
		return slice{}, err
	}
	var packets uint64
	for _, part := range out.parts {
		packets += part.Packets
	}
	if packets != report.Packets {
		return slice{}, fmt.Errorf("copy packets: %d were read and %d written", report.Packets, packets)
	}
	s := slice{parts: out.parts, said: report.Said}
	if report.Ended != "" {
		s.said = append(s.said, report.Ended)
	}
	for _, g := range report.Gaps {
		s.lost = append(s.lost, Loss{What: string(g.Kind), From: max(g.From, from), To: clampTo(g.To, from, to), Packets: g.Packets, Bytes: g.Bytes, Text: g.Text})
	}
	return s, syncDir(w.dir)
}

// stepWriter lets tests stop in the middle of the copying.
type stepWriter struct {
	w    io.Writer
	step func() error
}

func (s *stepWriter) Write(b []byte) (int, error) {
	if err := s.step(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

// clampTo keeps the end of a gap within the window.
func clampTo(end, from, to int64) int64 {
	if to != 0 {
		end = min(end, to)
	}
	return max(end, from)
}

// removeParts removes files of packets that an earlier try began.
func removeParts(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("copy packets: %w", err)
	}
	for _, e := range entries {
		if isPacketsName(e.Name()) && !keep[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("copy packets: %w", err)
			}
		}
	}
	return nil
}

func nextPart(parts []Part) int { return len(parts) + 1 }

// over tells whether the window is over at now, and all of it on disk: what the
// sensor has in memory follows within a second or two.
func (c *Case) over(now int64) bool {
	return c.To == 0 || now >= c.To+int64(2*time.Second)
}
