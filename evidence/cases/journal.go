package cases

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kagami/atomicfile"
	"kagami/signing"
)

const journalName = "journal.jsonl"

// Journal is the record of custody of a store: every pin, release and reading of
// evidence, one signed line each. Several processes append to it at once.
type Journal struct {
	env Env
}

// Entry is one line of the journal. What a kind does not have is absent.
type Entry struct {
	Line int    `json:"line"` // its number, from 1
	Kind string `json:"kind"` // "begin", "pin", "sealed", "incomplete", "release", "read", "repair"
	Time string `json:"time"` // wall clock, RFC 3339
	Who  Who    `json:"who"`

	Case     string   `json:"case,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Query    string   `json:"query,omitempty"`
	From     string   `json:"from,omitempty"` // window, packet time
	To       string   `json:"to,omitempty"`
	Alerts   []string `json:"alerts,omitempty"`
	Packets  uint64   `json:"packets,omitempty"`
	Bytes    int64    `json:"bytes,omitempty"`
	Output   string   `json:"output,omitempty"`   // where what was read went
	Manifest string   `json:"manifest,omitempty"` // SHA-256 of a sealed case's manifest.jsonl
	Kept     bool     `json:"kept,omitempty"`     // a released case's directory is still there
	Removed  int      `json:"removed,omitempty"`  // repair: octets of a torn line
	Torn     string   `json:"torn,omitempty"`     // repair: these, hexadecimal, 256 at most
	Key      string   `json:"key,omitempty"`      // begin: fingerprint of the signing key
	Version  string   `json:"version,omitempty"`  // begin: of the program
}

// Mark names a line of the journal, so that what was sealed later shows whether
// the journal was cut or rewritten since.
type Mark struct {
	Lines int    `json:"lines"`
	Head  string `json:"head"` // SHA-256 of line Lines
}

// OpenJournal is the journal of the store in env.Dir; its file is made with the
// first entry.
func OpenJournal(env Env) *Journal { return &Journal{env: env.complete()} }

// Read says that someone read packets out of the store. query is as it was run,
// output the file's name or "-".
func (j *Journal) Read(query string, who Who, packets uint64, octets int64, output string) error {
	_, err := j.append(Entry{Kind: "read", Who: who, Query: query, Packets: packets, Bytes: octets, Output: output})
	return err
}

// append writes one entry and returns its place.
func (j *Journal) append(e Entry) (Mark, error) {
	var m Mark
	err := j.locked(func(f *os.File, key ed25519.PrivateKey) (err error) {
		m, err = j.write(f, key, e)
		return err
	})
	if err != nil {
		return Mark{}, fmt.Errorf("write journal: %w", err)
	}
	return m, nil
}

// seal notes the sealing of a case, once.
func (j *Journal) seal(e Entry) error {
	err := j.locked(func(f *os.File, key ed25519.PrivateKey) error {
		b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
		if err != nil {
			return err
		}
		for raw := range bytes.Lines(b) {
			var was Entry
			if bytes.Contains(raw, []byte(e.Manifest)) && json.Unmarshal(raw, &was) == nil && was.Kind == "sealed" && was.Case == e.Case && was.Manifest == e.Manifest {
				return nil
			}
		}
		_, err = j.write(f, key, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// key is the signing key.
func (j *Journal) key() (key ed25519.PrivateKey, err error) {
	err = j.locked(func(_ *os.File, k ed25519.PrivateKey) error {
		key = k
		return nil
	})
	return key, err
}

// locked runs do while no other process writes the journal or makes a key.
func (j *Journal) locked(do func(*os.File, ed25519.PrivateKey) error) (err error) {
	path := filepath.Join(j.env.Dir, journalName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lockFile(f); err != nil {
		return fmt.Errorf("lock %q: %w", path, err)
	}
	key, err := loadKey(j.env.Dir)
	if err != nil {
		return err
	}
	return do(f, key)
}

// write appends an entry behind what the file holds: one write, then fsync.
func (j *Journal) write(f *os.File, key ed25519.PrivateKey, e Entry) (Mark, error) {
	t, err := readTail(f, key.Public().(ed25519.PublicKey))
	if err != nil {
		return Mark{}, err
	}
	c := chain{head: t.head}
	var out []byte
	lines := t.lines
	add := func(e Entry) {
		if err == nil {
			e.Time = wallText(j.env.Now())
			lines++
			e.Line = lines
			e.bound()
			out, err = c.appendSigned(out, e, useJournal, key)
		}
	}
	if len(t.torn) > 0 {
		// A crash in the middle of a write left a part of a line, which nobody was
		// told had been written. It makes way, and that is said.
		if err := f.Truncate(t.whole); err != nil {
			return Mark{}, fmt.Errorf("cut torn line: %w", err)
		}
		add(Entry{Kind: "repair", Who: e.Who, Removed: len(t.torn), Torn: hex.EncodeToString(t.torn[:min(len(t.torn), 256)])})
	}
	if t.whole == 0 {
		if err := atomicfile.GiveAway(f); err != nil {
			return Mark{}, err
		}
		add(Entry{Kind: "begin", Who: e.Who, Key: signing.Fingerprint(key.Public().(ed25519.PublicKey)), Version: j.env.Version})
	}
	add(e)
	if err != nil {
		return Mark{}, err
	}
	if _, err := f.Write(out); err != nil {
		return Mark{}, err
	}
	if err := f.Sync(); err != nil {
		return Mark{}, err
	}
	if t.whole == 0 {
		err = atomicfile.SyncDir(j.env.Dir)
	}
	return Mark{Lines: lines, Head: c.head}, err
}

// bound keeps a line short whatever its texts hold.
func (e *Entry) bound() {
	e.Query, e.Reason, e.Output = cut(e.Query, 8192), cut(e.Reason, 2048), cut(e.Output, 4096)
	for i := range e.Alerts {
		e.Alerts[i] = cut(e.Alerts[i], 128)
	}
	e.Alerts = e.Alerts[:min(len(e.Alerts), maxAlerts)]
}

// tail is what an append needs of the file's end.
type tail struct {
	whole int64 // octets that end with a newline
	lines int
	head  string // SHA-256 of the last whole line
	torn  []byte // what stands behind it
}

// readTail reads the last line, which bears its number if it is ours.
func readTail(f *os.File, key ed25519.PublicKey) (tail, error) {
	t := tail{head: origin}
	info, err := f.Stat()
	if err != nil {
		return t, err
	}
	from := max(0, info.Size()-2*maxLine)
	b := make([]byte, info.Size()-from)
	if _, err := io.ReadFull(io.NewSectionReader(f, from, int64(len(b))), b); err != nil {
		return t, err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	t.whole, t.torn = from+int64(end), b[end:]
	start := 0
	if end > 0 {
		start = bytes.LastIndexByte(b[:end-1], '\n') + 1
	}
	if len(t.torn) > maxLine || end > 0 && end-start > maxLine || end == 0 && from > 0 {
		return t, fmt.Errorf("the end of %q is not of a journal: move the file away and a new one is begun", f.Name())
	}
	if end == 0 {
		return t, nil
	}
	t.head = sum(b[start:end])
	var last Entry
	if l, err := parseLine(b[start:end]); err == nil && l.signed(useJournal, key) == nil && l.decode(&last) == nil {
		t.lines = last.Line
		return t, nil
	}
	t.lines, err = countLines(f) // it was changed: the chain goes on behind it all the same
	return t, err
}

func countLines(f *os.File) (lines int, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := f.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

func wallText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
