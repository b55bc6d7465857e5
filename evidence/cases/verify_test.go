package cases

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/segment"
	"kagami/signing"
)

// TestFlips: every octet of every file of a case counts, and the file is named; of
// the manifest the line, of packets the MiB.
func TestFlips(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario()[:60], 0, 8, new(segment.Counters))
	_, dir := pinned(t, env, Request{Query: "to 2026-06-01T08:02 and host 10.0.0.7"})
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 7 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if os.Getenv("KAGAMI_LIVE") != "1" { // a minute for each and every octet
			step = 1 + len(text)/1000
		}
		for at := 0; at < len(text); at += step {
			flipped := bytes.Clone(text)
			flipped[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, flipped, 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := Check{}.Verify(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !found(v, e.Name(), text, at) {
				t.Fatalf("%s, octet %d of %d: problems %v", e.Name(), at, len(text), v.Problems)
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := Verify(dir, nil); err != nil || !v.OK() {
		t.Errorf("put back: %v, %v", v.Problems, err)
	}
}

// found tells whether a verdict names the file, and the place in it.
func found(v *Verdict, name string, text []byte, at int) bool {
	n := 1 + bytes.Count(text[:at], []byte("\n"))
	return slices.ContainsFunc(v.Problems, func(p Problem) bool {
		return p.File == name && (name != manifestName || p.Line == n) && (!isPacketsName(name) || p.MiB == 1)
	})
}

func TestVerify(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	_, foreign, _ := ed25519.GenerateKey(nil)
	for _, tt := range damages(env, foreign) {
		os.Remove(filepath.Join(env.Dir, journalName))
		_, dir := pinned(t, env, alertRequest())
		if v, err := Verify(dir, nil); err != nil || !v.OK() || !v.OwnKey || len(v.Unchecked) != 1 {
			t.Fatalf("untouched: %+v, %v", v, err)
		}
		if err := tt.do(dir); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(v.Problems, func(p Problem) bool { return strings.Contains(p.Text, tt.want) }) {
			t.Errorf("%s: problems %+v, want %q", tt.name, v.Problems, tt.want)
		}
	}
	_, dir := pinned(t, env, alertRequest())
	v, err := Check{Key: foreign.Public().(ed25519.PublicKey)}.Verify(dir)
	if err != nil || v.OK() || len(v.Unchecked) != 1 || !strings.Contains(v.Unchecked[0], "journal") {
		t.Errorf("a wrong key: %+v, %v", v, err)
	}
}

// damage is one way to change a case, and what must be said of it.
type damage struct {
	name string
	do   func(dir string) error
	want string
}

func damages(env Env, foreign ed25519.PrivateKey) []damage {
	return []damage{
		{"added", func(d string) error { return os.WriteFile(filepath.Join(d, "extra\u202e.txt"), nil, 0o600) }, `extra\u{202E}.txt: was added`},
		{"missing", func(d string) error { return os.Remove(filepath.Join(d, "packets-0002.pcapng")) }, "packets-0002.pcapng: is missing"},
		{"truncated", func(d string) error { return os.Truncate(filepath.Join(d, "packets-0001.pcapng"), 400) }, "packets-0001.pcapng: is cut off: 400 octets"},
		{"grown", func(d string) error { return os.WriteFile(filepath.Join(d, objectsName), make([]byte, 5000), 0o600) }, "objects.tsv: has grown"},
		{"swapped", func(d string) error {
			a, b, c := filepath.Join(d, "packets-0001.pcapng"), filepath.Join(d, "packets-0002.pcapng"), filepath.Join(d, "c")
			os.Rename(a, c)
			os.Rename(b, a)
			return os.Rename(c, b)
		}, "packets-0001.pcapng: is what packets-0002.pcapng was"},
		{"a link", func(d string) error {
			os.Rename(filepath.Join(d, recordsName), filepath.Join(d, "..", "moved"))
			return os.Symlink(filepath.Join(d, "..", "moved"), filepath.Join(d, recordsName))
		}, "records.jsonl: is not a regular file"},
		{"no manifest", func(d string) error { return os.Remove(filepath.Join(d, manifestName)) }, "manifest.jsonl: is missing"},
		{"manifest cut", func(d string) error {
			b, err := os.ReadFile(filepath.Join(d, manifestName))
			if err != nil {
				return err
			}
			text := string(b)
			return os.WriteFile(filepath.Join(d, manifestName), []byte(text[:strings.LastIndexByte(text[:len(text)-1], '\n')+1]), 0o600)
		}, "ought to be the end and is not"},
		{"no key", func(d string) error { return os.Remove(filepath.Join(d, pubName)) }, "signing.pub: cannot be used"},
		{"another key", func(d string) error {
			text, _ := signing.EncodePublic(foreign.Public().(ed25519.PublicKey))
			return os.WriteFile(filepath.Join(d, pubName), text, 0o600)
		}, "or signed by someone else"},
		{"journal broken", func(d string) error {
			path := filepath.Join(env.Dir, journalName)
			b, _ := os.ReadFile(path)
			return os.WriteFile(path, bytes.Replace(b, []byte(`"kind":"pin"`), []byte(`"kind":"pim"`), 1), 0o600)
		}, "journal.jsonl: line 2 was changed"},
		{"journal cut", func(d string) error { return os.Truncate(filepath.Join(env.Dir, journalName), 0) }, "line 2 is not the one that the case names"},
	}
}
