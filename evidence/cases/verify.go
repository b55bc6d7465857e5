package cases

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kagami/signing"
)

// Verdict is what Verify found.
type Verdict struct {
	Case      string
	State     State  // as sealed
	Key       string // fingerprint of the key that was checked against
	OwnKey    bool   // it is the one that came with the case
	Lines     int    // of the manifest
	Files     int    // whose octets are as the manifest says
	Bytes     int64
	Problems  []Problem
	Unchecked []string // what could not be checked, and why
}

// Problem is one thing that is not as it was sealed.
type Problem struct {
	File string
	Line int // of a manifest or journal, from 1; 0 = none
	MiB  int // of a file of data, from 1; 0 = none
	Text string
}

// OK tells that nothing was found that is not as it was sealed.
func (v *Verdict) OK() bool { return len(v.Problems) == 0 }

// Verify checks a sealed case: every octet of every file, the manifest's chain and
// signature, and, where the case lies in a store, that store's journal. key is the
// sensor's public key; nil takes the case's own, which proves that the case is as
// it was sealed, not by whom.
func Verify(dir string, key ed25519.PublicKey) (*Verdict, error) {
	journal := filepath.Join(dir, "..", "..", journalName)
	if _, err := os.Stat(journal); err != nil {
		journal = ""
	}
	return Check{Key: key, Journal: journal}.Verify(dir)
}

// Check says what a case is compared with.
type Check struct {
	Key     ed25519.PublicKey // nil = the case's own
	Journal string            // path of the sensor's journal, "" = none at hand
}

// Verify checks the case in dir.
func (c Check) Verify(dir string) (*Verdict, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("verify case: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("verify case: %q is not a directory", dir)
	}
	v := &verifier{dir: dir, files: map[string]*fileFact{}}
	v.key = c.Key
	v.readKey()
	if err := v.manifest(); err != nil {
		return nil, err
	}
	if v.head == "" {
		return &v.Verdict, nil // no case, or all that could tell is gone
	}
	v.content()
	if err := v.listing(); err != nil {
		return nil, err
	}
	if err := v.journal(c.Journal); err != nil {
		return nil, err
	}
	return &v.Verdict, nil
}

type verifier struct {
	Verdict
	dir   string
	key   ed25519.PublicKey // nil = none that can be used
	begin *beginFact
	end   *endFact
	head  string // SHA-256 of the whole manifest
	order []string
	files map[string]*fileFact
	found map[string]string // by file: its SHA-256 now, if it differs
}

func (v *verifier) add(p Problem) {
	v.Problems = append(v.Problems, p)
}

// readKey chooses the key.
func (v *verifier) readKey() {
	own, err := signing.ReadPublic(filepath.Join(v.dir, pubName))
	switch {
	case v.key != nil && err == nil && !v.key.Equal(own):
		v.add(Problem{File: pubName, Text: fmt.Sprintf("%s: the case bears the key %s, not the expected %s", pubName, signing.Fingerprint(own), signing.Fingerprint(v.key))})
	case v.key == nil && err == nil:
		v.key, v.OwnKey = own, true
	case v.key == nil:
		v.add(Problem{File: pubName, Text: pubName + ": cannot be used: " + err.Error()})
		v.Unchecked = append(v.Unchecked, "the manifest's signature: there is no key")
	}
	if v.key != nil {
		v.Key = signing.Fingerprint(v.key)
	}
	if v.OwnKey {
		v.Unchecked = append(v.Unchecked, "who sealed the case: the key came with it; compare its fingerprint with the sensor's, or verify with the sensor's "+pubName)
	}
}

// manifest checks the chain and collects the facts.
func (v *verifier) manifest() error {
	path := filepath.Join(v.dir, manifestName)
	raw, err := os.ReadFile(path)
	if absent(err) {
		v.add(Problem{File: manifestName, Text: manifestName + ": is missing: nothing can be checked"})
		return nil
	}
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	v.head = sum(raw)
	w := links{name: manifestName}
	var last line
	var lastLine int
	if err := w.walk(bytes.NewReader(raw), func(n int, l line) {
		last, lastLine = l, n
		v.fact(&w, n, l)
	}); err != nil {
		return err
	}
	v.Lines = w.lines
	v.closing(&w, last, lastLine)
	v.Problems = append(v.Problems, w.problems...)
	return nil
}

// fact reads one line.
func (v *verifier) fact(w *links, n int, l line) {
	var kind struct {
		Kind string `json:"kind"`
	}
	err := l.decode(&kind)
	switch {
	case err != nil:
	case kind.Kind == "begin":
		v.begin = new(beginFact)
		err = l.decode(v.begin)
		v.Case = v.begin.Case
	case kind.Kind == "end":
		v.end = new(endFact)
		err = l.decode(v.end)
		v.State = v.end.State
	case kind.Kind == "file":
		f := new(fileFact)
		if err = l.decode(f); err == nil && (f.Name == "" || f.Name != filepath.Base(f.Name) || f.Name == "." || f.Name == "..") {
			err = fmt.Errorf("%q is not a file of the case", f.Name)
		}
		if _, twice := v.files[f.Name]; err == nil && twice {
			err = fmt.Errorf("%q was named before", f.Name)
		}
		if err == nil {
			v.files[f.Name] = f
			v.order = append(v.order, f.Name)
		}
	}
	if err != nil {
		w.add(n, fmt.Sprintf("line %d is not a fact: %v", n, err))
	}
}

// closing checks the last line: that it is the end, and its signature.
func (v *verifier) closing(w *links, last line, n int) {
	switch {
	case w.lines == 0:
		w.add(0, "is empty: nothing can be checked")
		return
	case n != w.lines:
		return // the last line is damaged, which was told
	case v.end == nil || v.end.Lines != w.lines:
		w.add(n, fmt.Sprintf("line %d ought to be the end and is not: lines are missing or were added", n))
	}
	if v.begin == nil {
		w.add(1, "line 1 ought to be the begin and is not")
	}
	if v.key == nil {
		return
	}
	if err := last.signed(useManifest, v.key); err != nil {
		w.add(n, fmt.Sprintf("line %d was changed, or signed by someone else: %v", n, err))
	}
}

// content hashes every file that the manifest names.
func (v *verifier) content() {
	v.found = map[string]string{}
	for _, name := range v.order {
		want := v.files[name]
		path := filepath.Join(v.dir, name)
		info, err := os.Lstat(path)
		switch {
		case absent(err):
			v.add(Problem{File: name, Text: name + ": is missing"})
			continue
		case err == nil && !info.Mode().IsRegular():
			v.add(Problem{File: name, Text: name + ": is not a regular file any more"})
			continue
		}
		var got fileFact
		if err == nil {
			got, err = hashFile(path)
		}
		if err != nil {
			v.add(Problem{File: name, Text: fmt.Sprintf("%s: cannot be read: %v", name, err)})
			continue
		}
		if got.SHA256 == want.SHA256 && got.Size == want.Size {
			v.Files++
			v.Bytes += got.Size
			continue
		}
		v.found[name] = got.SHA256
		v.changed(name, &got, want)
	}
	v.swaps()
}

// changed says where a file differs.
func (v *verifier) changed(name string, got, want *fileFact) {
	switch {
	case got.Size < want.Size:
		v.add(Problem{File: name, MiB: len(got.MiB), Text: fmt.Sprintf("%s: is cut off: %d octets, sealed with %d", name, got.Size, want.Size)})
	case got.Size > want.Size:
		v.add(Problem{File: name, Text: fmt.Sprintf("%s: has grown: %d octets, sealed with %d", name, got.Size, want.Size)})
	}
	var at []string
	first := 0
	for i := range min(len(got.MiB), len(want.MiB)) {
		if got.MiB[i] == want.MiB[i] {
			continue
		}
		if got.Size != want.Size && i == min(len(got.MiB), len(want.MiB))-1 {
			break // the piece at the end differs because of the length
		}
		if first == 0 {
			first = i + 1
		}
		at = append(at, itoa(i+1))
	}
	switch {
	case len(at) == 0 && got.Size == want.Size:
		v.add(Problem{File: name, Text: name + ": was changed"})
	case len(at) == 1:
		v.add(Problem{File: name, MiB: first, Text: fmt.Sprintf("%s: was changed in its MiB %s of %d (octets %d to %d)", name, at[0], len(got.MiB), (first-1)*pieceSize, min(int64(first)*pieceSize, got.Size)-1)})
	case len(at) > 1:
		more := ""
		if len(at) > 16 {
			at, more = at[:16], " and more"
		}
		v.add(Problem{File: name, MiB: first, Text: fmt.Sprintf("%s: was changed in its MiB %s%s of %d", name, strings.Join(at, ", "), more, len(got.MiB))})
	}
}

// swaps says when a changed file is another file of the case.
func (v *verifier) swaps() {
	for _, name := range v.order {
		now, differs := v.found[name]
		if !differs {
			continue
		}
		for _, other := range v.order {
			if other != name && v.files[other].SHA256 == now {
				v.add(Problem{File: name, Text: fmt.Sprintf("%s: is what %s was when the case was sealed: swapped?", name, other)})
			}
		}
	}
}

// listing finds what was added.
func (v *verifier) listing() error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return fmt.Errorf("list case: %w", err)
	}
	for _, e := range entries {
		if _, ok := v.files[e.Name()]; !ok && e.Name() != manifestName {
			v.add(Problem{File: e.Name(), Text: visible(e.Name()) + ": was added: the manifest does not name it"})
		}
	}
	return nil
}

// journal compares the case with the store's journal.
func (v *verifier) journal(path string) error {
	if path == "" {
		v.Unchecked = append(v.Unchecked, "the sensor's journal: not at hand, so it cannot be told whether this is the case as it was first sealed")
		return nil
	}
	if v.key == nil {
		v.Unchecked = append(v.Unchecked, "the sensor's journal: there is no key")
		return nil
	}
	s, err := VerifyJournal(path, v.key)
	if err != nil {
		return err
	}
	v.Problems = append(v.Problems, s.Problems...)
	if v.begin == nil || v.head == "" {
		return nil
	}
	if !s.holds(v.begin.Journal) {
		v.add(Problem{File: journalName, Line: v.begin.Journal.Lines, Text: fmt.Sprintf("%s: line %d is not the one that the case names: the journal was cut, changed or replaced, or is of another sensor", journalName, v.begin.Journal.Lines)})
	}
	sealed := s.Sealed[v.begin.Case]
	switch {
	case len(sealed) == 0:
		v.add(Problem{File: journalName, Text: fmt.Sprintf("%s: says nothing of the sealing of case %s", journalName, visible(v.begin.Case))})
	case sealed[len(sealed)-1] != v.head:
		v.add(Problem{File: manifestName, Text: fmt.Sprintf("%s: is not the one that the journal says was sealed", manifestName)})
	}
	return nil
}
