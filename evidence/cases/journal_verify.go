package cases

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kagami/signing"
)

// JournalState is what VerifyJournal found.
type JournalState struct {
	Path     string
	Lines    int
	Problems []Problem
	Sealed   map[string][]string // by case: the SHA-256 of its manifest at each sealing
	Released map[string]bool
	Key      string   // fingerprint of the key that was checked against
	OwnKey   bool     // it is the one beside the journal
	hashes   []string // of every line
}

// VerifyJournal checks every link and signature of a journal; a nil key takes the
// signing.pub beside it, which whoever wrote the journal could have replaced. A journal that was
// cut at its end is whole in itself: cases sealed later show it.
func VerifyJournal(path string, key ed25519.PublicKey) (*JournalState, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	defer f.Close()
	own := key == nil
	if own {
		if key, err = signing.ReadPublic(filepath.Join(filepath.Dir(path), pubName)); err != nil {
			return nil, fmt.Errorf("verify journal: %w", err)
		}
	}
	s := &JournalState{Path: path, Sealed: map[string][]string{}, Released: map[string]bool{}, Key: signing.Fingerprint(key), OwnKey: own}
	w := links{name: journalName}
	err = w.walk(f, func(n int, l line) {
		s.hashes = append(s.hashes, "")
		for len(s.hashes) < n {
			s.hashes = append(s.hashes, "")
		}
		s.hashes[n-1] = sum(l.raw)
		if err := l.signed(useJournal, key); err != nil {
			w.add(n, fmt.Sprintf("line %d was changed: %v", n, err))
			return
		}
		var e Entry
		if err := l.decode(&e); err != nil {
			w.add(n, fmt.Sprintf("line %d is not an entry: %v", n, err))
			return
		}
		if e.Line != n {
			w.add(n, fmt.Sprintf("line %d says that it is line %d: lines before it are missing or were put in", n, e.Line))
		}
		switch e.Kind {
		case "sealed":
			s.Sealed[e.Case] = append(s.Sealed[e.Case], e.Manifest)
		case "release":
			s.Released[e.Case] = true
		}
	})
	s.Lines, s.Problems = w.lines, w.problems
	return s, err
}

// holds tells whether the journal still has the line that a mark names.
func (s *JournalState) holds(m Mark) bool {
	return m.Lines >= 1 && m.Lines <= len(s.hashes) && s.hashes[m.Lines-1] == m.Head
}

// absent tells whether an error says that there is no journal.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
