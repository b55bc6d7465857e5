package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"

	"kagami/evidence/cases"
	"kagami/signing"
)

type verifyCmd struct {
	packets
	Key   string   `placeholder:"FILE" help:"The sensor's signing.pub, from the sensor itself; default: the one that lies with the case."`
	Paths []string `arg:"" optional:"" name:"case" help:"Directories or names of cases, journals (journal.jsonl); default: the journal and all cases."`
}

// exitChanged is the exit status when something is not as it was sealed.
const exitChanged = exitStatus(2)

// Run tests cases and journals, and names what was changed.
func (v *verifyCmd) Run() error {
	c, err := v.load(defaultConfig)
	if err != nil {
		return err
	}
	if v.Dir != "" {
		c.Evidence.Dir = v.Dir
	}
	var key ed25519.PublicKey
	if v.Key != "" {
		if key, err = signing.ReadPublic(v.Key); err != nil {
			return err
		}
	}
	paths := v.Paths
	if len(paths) == 0 {
		if paths, err = toVerify(c.Evidence.Dir, casesDir(c)); err != nil {
			return err
		}
	}
	good := true
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			path = filepath.Join(casesDir(c), path)
		}
		ok, err := verifyOne(path, key)
		if err != nil {
			return err
		}
		good = good && ok
	}
	if !good {
		return exitChanged
	}
	return nil
}

// toVerify is the journal, if there is one, and all sealed cases.
func toVerify(store, dir string) (paths []string, err error) {
	if journal := filepath.Join(store, "journal.jsonl"); exists(journal) {
		paths = append(paths, journal)
	}
	list, err := cases.List(dir)
	for _, c := range list {
		if path := filepath.Join(dir, c.Name); exists(path) {
			paths = append(paths, path)
		}
	}
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("nothing to verify in %q: no journal, no cases", store)
	}
	return paths, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func verifyOne(path string, key ed25519.PublicKey) (bool, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return verifyJournal(path, key)
	}
	v, err := cases.Verify(path, key)
	if err != nil {
		return false, err
	}
	fmt.Printf("%s: %s, %d files and %d lines of the manifest, %s, key %s\n", printable(path), v.State, v.Files, v.Lines, octets(uint64(v.Bytes)), v.Key)
	for _, u := range v.Unchecked {
		fmt.Println("  not checked:", printable(u))
	}
	return told(v.Problems), nil
}

// verifyJournal takes the key beside the journal when none is given: that proves the
// journal whole, not whose it is.
func verifyJournal(path string, key ed25519.PublicKey) (bool, error) {
	if key == nil {
		var err error
		if key, err = signing.ReadPublic(filepath.Join(filepath.Dir(path), "signing.pub")); err != nil {
			return false, err
		}
	}
	j, err := cases.VerifyJournal(path, key)
	if err != nil {
		return false, err
	}
	fmt.Printf("%s: %d lines, key %s\n", printable(path), j.Lines, signing.Fingerprint(key))
	return told(j.Problems), nil
}

// told prints problems; true when there are none.
func told(ps []cases.Problem) bool {
	for _, p := range ps {
		fmt.Print("  CHANGED ", printable(p.File))
		if p.Line > 0 {
			fmt.Printf(", line %d", p.Line)
		}
		if p.MiB > 0 {
			fmt.Printf(", in MiB %d", p.MiB)
		}
		fmt.Println(":", printable(p.Text))
	}
	if len(ps) == 0 {
		fmt.Println("  as it was sealed")
	}
	return len(ps) == 0
}
