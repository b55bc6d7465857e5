package cases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kagami/atomicfile"
	"kagami/evidence/search"
)

// work is a case that is under way in this process. One goroutine holds segments
// and joins alerts, another copies: mu guards the state that they share.
type work struct {
	env    Env
	dir    string   // Name.partial
	lock   *os.File // dir, locked: no other process works on the case
	holder *holder

	busy     atomic.Bool  // it is with the copying goroutine
	finished atomic.Bool  // nothing is left to do
	ending   atomic.Bool  // there will be no more packets: its window is over
	retry    atomic.Int64 // not before this packet time

	mu sync.Mutex
	c  *Case
}

var (
	errBusy = errors.New("another process works on it")
	errDone = errors.New("it is finished")
)

// begin takes a case into work as its state is on disk; errBusy if another process
// has it, errDone if there is nothing left to do.
func (e Env) begin(name string) (*work, error) {
	dir := e.partialPath(name)
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
	var c *Case
	if err == nil {
		c, err = e.load(name) // behind the lock: the one before may have finished it
	}
	if err == nil && c.State != Waiting && c.State != Copying {
		os.Remove(dir)
		err = errDone
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("begin case %q: %w", name, err)
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
	if w.c.NoLinks || w.c.State != Waiting && w.c.State != Copying {
		return nil // behind the end, nobody would let them go
	}
	first := !w.c.Held
	err := w.holder.hold()
	if err == nil && first {
		return w.env.save(w.c)
	}
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
	bad := 0
	var good []Part
	for _, p := range c.Parts {
		if info, err := os.Stat(filepath.Join(w.dir, p.Name)); err == nil && info.Size() == p.Size {
			good = append(good, p)
			continue
		}
		bad++
	}
	switch {
	case bad == 0:
		return nil
	case c.NoLinks: // what was copied may be gone from the ring: keep what is good
		return w.change(func(c *Case) {
			c.Parts = good
			c.Said = appendOnce(c.Said, fmt.Sprintf("%d files of packets were lost when the sensor was interrupted", bad))
		})
	}
	return w.change(func(c *Case) { c.Parts, c.Lost, c.Copied, c.Early = nil, nil, 0, false })
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
		if p.early > 0 && p.narrow != "" {
			c.TakenEarly = takenText(p.narrow, p.early, c.From, ScopeFlows)
		}
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

// takenText is the query of what was taken, times and all.
func takenText(text string, from, to int64, scope Scope) string {
	if scope == ScopeNothing {
		return ""
	}
	q, err := windowed(text, from, to)
	if err != nil {
		return text
	}
	return q.String()
}

// window copies the window up to until, as far as the quota allows.
func (w *work) window(ctx context.Context, until int64) error {
	c := w.state()
	from := max(c.From, c.Copied)
	if until == 0 || c.To != 0 && until > c.To {
		until = c.To // all of it
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
		got.lost = append(got.lost, Loss{What: "not kept", From: from, To: until, Text: why})
	}
	return w.change(func(c *Case) {
		w.keep(c, got)
		c.Copied, c.Taken = until, takenText(text, c.From, c.To, scope)
		c.Scope = worse(c.Scope, scope)
		if why != "" {
			c.Why, c.Full = appendWhy(c.Why, why), c.Tries == 0
		}
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
	names, err := w.env.namesOf(ctx, store, text, from, to)
	if err != nil {
		return slice{}, err
	}
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
	report, err := store.Get(ctx, q, search.GetOptions{
		Comment:  "Kagami case " + c.Name + ": " + q.String(),
		Comments: p.comment,
	}, writerFunc(func(b []byte) (int, error) {
		if err := w.env.step("packets"); err != nil {
			return 0, err
		}
		return out.Write(b)
	}))
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
	s := slice{parts: out.parts}
	for _, text := range report.Said {
		if !strings.Contains(text, " has no index") { // how it was found does not matter to who reads the case
			s.said = append(s.said, text)
		}
	}
	if report.Ended != "" {
		s.said = append(s.said, report.Ended)
	}
	s.lost = losses(report.Gaps, from, to, c.Whole)
	return s, atomicfile.SyncDir(w.dir)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// losses are the gaps within a window. whole says that nothing of it had rotated
// away when its segments were held: what seems to have gone before the first of
// them, went from before the window.
func losses(gaps []search.Gap, from, to int64, whole bool) []Loss {
	var out []Loss
	for _, g := range gaps {
		if whole && g.Kind == search.RotatedAway && g.From <= from {
			continue
		}
		l := Loss{What: string(g.Kind), From: g.From, To: g.To, Packets: g.Packets, Bytes: g.Bytes, Text: g.Text}
		if to != 0 {
			l.To = min(l.To, to)
		}
		if l.From < from {
			l.From = from
			if l.Packets > 0 {
				l.Text += "; counted since " + timeText(g.From)
			}
		}
		l.To = max(l.To, l.From)
		if i := slices.IndexFunc(out, func(o Loss) bool { return o.What == l.What && o.From == l.From && o.To == l.To }); i >= 0 {
			o := &out[i] // the same stretch, told by two things
			o.Packets, o.Bytes, o.Text = max(o.Packets, l.Packets), max(o.Bytes, l.Bytes), o.Text+"; "+l.Text
			continue
		}
		out = append(out, l)
	}
	return out
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

// nextPart is the number behind the last file of packets.
func nextPart(parts []Part) int {
	n := 0
	for _, p := range parts {
		digits := strings.TrimSuffix(strings.TrimPrefix(p.Name, "packets-"), segmentSuffix)
		if i, err := strconv.Atoi(digits); err == nil {
			n = max(n, i)
		}
	}
	return n + 1
}

// over tells whether the window is over at now, and all of it on disk: what the
// sensor has in memory follows within a second or two.
func (c *Case) over(now int64) bool {
	return c.To == 0 || now >= c.To+int64(2*time.Second)
}
