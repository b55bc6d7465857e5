package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kagami/atomicfile"
	"kagami/detectors"
)

// maxLearned is how large a file of learned state may be: many times what the
// default limits allow.
const maxLearned = 1 << 30

// learned is the file that the detectors' knowledge outlives the program in.
type learned struct {
	path string
	log  *slog.Logger

	writing sync.WaitGroup
	mu      sync.Mutex
	busy    bool // a state is being written
	failing bool // the last one could not be
}

// probe tells at the start whether the file can be written at all.
func (l *learned) probe() error {
	f, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+".*.new")
	if err != nil {
		return fmt.Errorf("detect.state: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// restore gives the detectors what an earlier run knew. A file that cannot be
// read is set aside, not overwritten: it may be worth a look.
func (l *learned) restore(set *detectors.Set, hush *suppressions) *detectors.Set {
	b, err := readLearned(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return set
	}
	if err == nil {
		var problems []error
		var at int64
		set, at, problems, err = load(set, b, hush)
		for _, p := range problems {
			l.log.Warn("a part of what was learned is lost, the file is kept", "err", p, "file", l.aside())
		}
		if len(problems) > 0 { // the next saving replaces the name, not the file
			os.Remove(l.aside())
			if err := os.Link(l.path, l.aside()); err != nil {
				l.log.Warn("set the state aside", "err", err)
			}
		}
		if err == nil {
			l.log.Info("what was learned is restored", "file", l.path, "until", time.Unix(0, at).UTC().Format(time.RFC3339))
		}
	}
	if err != nil {
		l.log.Warn("what was learned cannot be read: learning begins anew", "err", err, "file", l.aside())
		if err := os.Rename(l.path, l.aside()); err != nil {
			l.log.Warn("set the state aside", "err", err)
		}
	}
	return set
}

// aside is where a file goes that cannot be read, or not all of it.
func (l *learned) aside() string { return l.path + ".unreadable" }

func load(set *detectors.Set, b []byte, hush *suppressions) (*detectors.Set, int64, []error, error) {
	set, l, err := set.Load(b, hush)
	return set, l.At, l.Problems, err
}

func readLearned(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxLearned {
		return nil, fmt.Errorf("read state: %q has %d octets: too large", path, info.Size())
	}
	return os.ReadFile(path)
}

// save writes a state without keeping its caller, the detectors' goroutine. When
// the last one is still being written, the disk is slow: this one is left out.
func (l *learned) save(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		l.log.Warn("the disk is too slow for what was learned: one saving was left out", "file", l.path)
		return
	}
	l.busy = true
	l.writing.Go(func() {
		err := atomicfile.Write(l.path, b, 0o600)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.busy = false
		if err != nil && !l.failing {
			l.log.Error("what was learned cannot be saved", "err", err)
		}
		l.failing = err != nil
	})
}

// finish waits for what is being written, and writes the last state.
func (l *learned) finish(b []byte) error {
	l.writing.Wait()
	if err := atomicfile.Write(l.path, b, 0o600); err != nil {
		return fmt.Errorf("save what was learned: %w", err)
	}
	return nil
}

// openDetectors makes the detectors, with what an earlier run learned and what is
// not to be told, where the configuration names files for it.
func (p *pipeline) openDetectors(live bool) error {
	c := p.config.Detect
	c.Census.Proxies = p.config.Site.Proxies
	var err error
	if p.hush, err = openSuppressions(c.Suppressions, p.log); err != nil {
		return err
	}
	p.detectors = detectors.New(c, p.hush)
	if c.State == "" {
		return nil
	}
	p.learned = &learned{path: c.State, log: p.log}
	if err := p.learned.probe(); err != nil {
		return err
	}
	p.detectors = p.learned.restore(p.detectors, p.hush)
	if live { // the time of capture files runs faster than a disk
		p.detectors.Keep(c.StateEvery, p.learned.save)
	}
	return nil
}

// saveLearned writes the last state, once no record comes any more.
func (p *pipeline) saveLearned() error {
	if p.learned == nil {
		return nil
	}
	return p.learned.finish(p.detectors.Save())
}
