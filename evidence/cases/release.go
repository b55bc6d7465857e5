package cases

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Release ends the protection of a case and removes it, after the journal said so.
func Release(env Env, name, reason string) error { return release(env, name, reason, false) }

// ReleaseKeep ends the protection of a case, but leaves its directory: it does not
// count against the quota any more, and its owner may move or delete it.
func ReleaseKeep(env Env, name, reason string) error { return release(env, name, reason, true) }

func release(env Env, name, reason string, kept bool) error {
	env = env.complete()
	if !validName(name) {
		return fmt.Errorf("release case: %q is not the name of a case", name)
	}
	c, err := env.Case(name)
	if c == nil && !fileExists(env.statePath(name)) {
		return fmt.Errorf("release case: %w", err)
	}
	if err != nil && kept {
		return fmt.Errorf("release case: %w", err)
	}
	if c != nil && (c.State == Waiting || c.State == Copying) {
		w, err := env.begin(name)
		if errors.Is(err, errBusy) {
			return fmt.Errorf("release case %q: %w: wait until its window is over", name, errBusy)
		}
		if err == nil {
			defer w.leave()
		}
	}
	if _, err := OpenJournal(env).append(Entry{Kind: "release", Who: env.who(), Case: name, Reason: reason, Kept: kept}); err != nil {
		return err
	}
	if err := env.step("released"); err != nil {
		return err
	}
	if err := env.unhold(name); err != nil {
		return err
	}
	if c == nil { // its state cannot be read
		return env.removeCase(name)
	}
	c.Format, c.State, c.Name, c.Kept = stateFormat, Released, name, kept
	if err := env.save(c); err != nil || kept {
		return err
	}
	if err := env.step("removing"); err != nil {
		return err
	}
	return env.removeCase(name)
}

// stateless describes a sealed case whose state is not there, by its manifest.
func stateless(dir string) Case {
	c := Case{Name: filepath.Base(dir), State: Incomplete, Scope: ScopeAll, Host: netip.Addr{}, sealed: true}
	raw, err := readBounded(filepath.Join(dir, manifestName), maxManifest)
	if err != nil {
		c.Why = "no state and no manifest"
		return c
	}
	end, err := lastFact(raw)
	if err != nil {
		c.Why = "no state, and its manifest does not end"
		return c
	}
	c.State, c.Why, c.Packets, c.Bytes, c.Manifest, c.Taken = end.State, end.Why, end.Packets, end.Bytes, sum(raw), taken(raw)
	return c
}

// sweep removes what crashes left behind: holds that no case needs, directories of
// cases that never got a state, and released cases half removed.
func (e Env) sweep() error {
	stray, err := e.strayHolds()
	if err != nil {
		return err
	}
	for _, name := range stray {
		if err := e.unhold(name); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(e.Cases)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list cases: %w", err)
	}
	for _, d := range entries {
		if name, ok := strings.CutSuffix(d.Name(), partial); ok && d.IsDir() {
			if _, err := os.Lstat(e.statePath(name)); absent(err) {
				os.Remove(filepath.Join(e.Cases, d.Name())) // an empty one only
			}
			continue
		}
		name, ok := strings.CutSuffix(d.Name(), stateSuffix)
		if c, err := e.load(name); ok && err == nil && c.State == Released && !c.Kept {
			if err := e.removeCase(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
