package chain

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kagami/atomicfile"
)

// State is what a sensor keeps on disk so that the next start of the program
// joins this one.
type State struct {
	Starts  uint64          // of the program until now
	Exports map[string]Mark // the last claim of each
}

// stateFile is its form on disk.
type stateFile struct {
	Starts  uint64               `json:"starts"`
	Exports map[string]stateMark `json:"exports"`
}

type stateMark struct {
	Boot string `json:"boot"`
	N    uint64 `json:"n"`
	Hash string `json:"hash"`
}

const (
	maxState   = 1 << 20 // octets
	maxExports = 4096
)

// Lock keeps a second program from the state in dir, which is made if it is not
// there, until the file is closed.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("lock account: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "account.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock account: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("lock account: another kagami uses %q: each needs an account.dir and an account.sensor of its own", dir), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock account: %w", err), f.Close())
	}
	return f, nil
}

// LoadState reads the state at path; there is none before the first start.
func LoadState(path string) (State, error) {
	none := State{Exports: map[string]Mark{}}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("read account state: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return none, fmt.Errorf("read account state: %w", err)
	}
	s, err := parseState(b)
	if err != nil {
		return none, fmt.Errorf("read account state %q: %w", path, err)
	}
	return s, nil
}

func parseState(b []byte) (State, error) {
	var file stateFile
	if err := json.Unmarshal(b, &file); err != nil {
		return State{}, err
	}
	if file.Starts > maxSeq || len(file.Exports) > maxExports {
		return State{}, errors.New("its numbers cannot be")
	}
	s := State{Starts: file.Starts, Exports: map[string]Mark{}}
	for name, m := range file.Exports {
		mark, err := leafWord(m.Hash)
		if err != nil || !isName(name) || !isName(m.Boot) || m.N == 0 || m.N > maxSeq {
			return State{}, fmt.Errorf("what it says of export %q cannot be", name)
		}
		s.Exports[name] = Mark{Boot: m.Boot, N: m.N, Hash: mark}
	}
	return s, nil
}

// Save writes the state to path, whole or not at all.
func (s State) Save(path string) error {
	file := stateFile{s.Starts, map[string]stateMark{}}
	for name, m := range s.Exports {
		file.Exports[name] = stateMark{m.Boot, m.N, hex.EncodeToString(m.Hash[:])}
	}
	b, err := json.Marshal(file)
	if err == nil {
		err = atomicfile.Write(path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write account state: %w", err)
	}
	return nil
}
