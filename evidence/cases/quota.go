package cases

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kagami/atomicfile"
	"kagami/evidence/search"
)

// packetOverhead is what a packet takes in a file besides its octets: block
// header, lengths and padding.
const packetOverhead = 36

// used is what all cases but one take on disk. Released ones that were kept do not
// count: they are someone else's now.
func (e Env) used(except string) (int64, error) {
	list, err := List(e.Cases)
	if err != nil {
		return 0, err
	}
	var n int64
	for i := range list {
		c := &list[i]
		if c.State == Released || c.Name == except {
			continue
		}
		for _, dir := range []string{filepath.Join(e.Cases, c.Name), e.partialPath(c.Name)} {
			size, err := dirSize(dir)
			if err != nil {
				return 0, err
			}
			n += size
		}
	}
	return n, nil
}

// dirSize is the sum of a directory's files; 0 if it is not there.
func dirSize(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if absent(err) {
				return nil
			}
			return err
		}
		info, err := d.Info()
		if absent(err) {
			return nil
		}
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("measure cases: %w", err)
	}
	return n, err
}

// reserve is what the quota may be exceeded by to keep alerted flows.
func reserve(quota int64) int64 { return quota / 4 }

// scope decides how much of the window is taken, and says why it is not all.
func (w *work) scope(ctx context.Context, store *search.Store, p *plan, from, to int64) (Scope, string, error) {
	c := w.state()
	limit := ScopeAll
	switch { // a copy that fails again and again may fail less for less
	case c.Tries >= maxTries:
		limit = ScopeNothing
	case c.Tries >= maxTries/2:
		limit = ScopeFlows
	}
	if w.env.Quota <= 0 {
		return limit, tried(limit, &c), nil
	}
	used, err := w.env.used(c.Name)
	if err != nil {
		return "", "", err
	}
	own, err := dirSize(w.dir)
	if err != nil {
		return "", "", err
	}
	used += own
	need, err := estimate(ctx, store, p.wide, from, to)
	if err != nil {
		return "", "", err
	}
	if limit == ScopeAll && used+need <= w.env.Quota {
		return ScopeAll, "", nil
	}
	left := fmt.Sprintf("the case needs %d octets and the others take %d of the quota of %d", need, used, w.env.Quota)
	if limit == ScopeNothing || p.narrow == "" {
		return ScopeNothing, left + ": nothing was kept", nil
	}
	few, err := estimate(ctx, store, p.narrow, from, to)
	if err != nil {
		return "", "", err
	}
	if used+few <= w.env.Quota+reserve(w.env.Quota) {
		return ScopeFlows, left + ": only the alerted flows were kept", nil
	}
	return ScopeNothing, fmt.Sprintf("%s, the alerted flows alone %d with a reserve of %d: nothing was kept", left, few, reserve(w.env.Quota)), nil
}

func tried(s Scope, c *Case) string {
	if s == ScopeAll {
		return ""
	}
	return fmt.Sprintf("copying failed %d times, the last time because %s", c.Tries, c.LastError)
}

// estimate is about how many octets the packets of a query take. Flows that began
// before the window or go on behind it count whole: it errs on the safe side.
func estimate(ctx context.Context, store *search.Store, text string, from, to int64) (int64, error) {
	q, err := windowed(text, from, to)
	if err != nil {
		return 0, fmt.Errorf("measure packets: %w", err)
	}
	var n uint64
	_, err = store.Find(ctx, q, search.Options{}, func(f *search.Flow) bool {
		n += f.Stored[0] + f.Stored[1] + packetOverhead*(f.Packets[0]+f.Packets[1])
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("measure packets: %w", err)
	}
	return int64(min(n, 1<<62)), nil
}

// worse is the smaller of two scopes.
func worse(a, b Scope) Scope {
	order := []Scope{ScopeAll, "", ScopeFlows, ScopeNothing}
	if slices.Index(order, a) >= slices.Index(order, b) && a != "" {
		return a
	}
	return b
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) || len(list) >= maxSaid {
		return list
	}
	return append(list[:len(list):len(list)], s)
}

const maxSaid = 64

// removeCase takes a case's files away: the sealed directory, what is half done,
// and the state last, so that a crash in between leaves something that is found.
func (e Env) removeCase(name string) error {
	if !validName(name) || strings.ContainsAny(name, "/\\") {
		return fmt.Errorf("remove case: %q is not the name of a case", name)
	}
	for _, path := range []string{filepath.Join(e.Cases, name), e.partialPath(name), e.statePath(name)} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove case %q: %w", name, err)
		}
	}
	return atomicfile.SyncDir(e.Cases)
}
