package cases

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/signing"
)

// FuzzManifest: whatever a manifest holds, Verify says so without a panic, and a
// manifest that it accepts is the one that was signed.
func FuzzManifest(f *testing.F) {
	dir := f.TempDir()
	key, err := loadKey(dir)
	if err != nil {
		f.Fatal(err)
	}
	content := []byte("content")
	s := newSums()
	s.Write(content)
	pub, _ := os.ReadFile(filepath.Join(dir, pubName))
	p := newSums()
	p.Write(pub)
	facts := []any{beginFact{Kind: "begin", Format: 1, Case: "x", Key: "k"}, s.fact(recordsName), p.fact(pubName)}
	caseDir := f.TempDir()
	if _, err := writeManifest(filepath.Join(caseDir, manifestName), facts, endFact{State: Complete, Files: 2}, key); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(caseDir, manifestName))
	if err != nil {
		f.Fatal(err)
	}
	for name, text := range map[string][]byte{recordsName: content, pubName: pub} {
		if err := os.WriteFile(filepath.Join(caseDir, name), text, 0o600); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(good)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte("\n"), 100))
	f.Add(bytes.Replace(good, []byte(recordsName), []byte("../../etc/x"), 1))
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), good...))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(caseDir, manifestName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(caseDir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v.OK() != bytes.Equal(text, good) {
			t.Fatalf("accepted: %v, problems %v", v.OK(), v.Problems)
		}
	})
}

// FuzzJournal: the same for the journal, and appending goes on behind anything.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	env := Env{Dir: dir}
	for range 2 {
		if err := OpenJournal(env).Read("all", Who{}, 1, 2, "-"); err != nil {
			f.Fatal(err)
		}
	}
	path := filepath.Join(dir, journalName)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	public, err := signing.ReadPublic(filepath.Join(dir, pubName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-20])
	f.Add([]byte("{}\n"))
	f.Add([]byte("\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := VerifyJournal(path, public)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := OpenJournal(env).Read("all", Who{}, 1, 2, "-"); err != nil {
				return // refused: not the end of a journal
			}
		}
		after, err := VerifyJournal(path, public)
		if err != nil {
			t.Fatal(err)
		}
		if len(before.Problems) == 0 && len(after.Problems) != 0 {
			t.Fatalf("a good journal went bad: %v", after.Problems)
		}
		if names(after.Problems, after.Lines) {
			t.Fatalf("the new line is not good: %v", after.Problems)
		}
	})
}

// FuzzState: a state file is parsed or refused; what is parsed is within limits.
func FuzzState(f *testing.F) {
	good, err := json.Marshal(Case{Format: stateFormat, Name: "x", State: Waiting, From: 1, To: 2, Parts: []Part{{Name: "packets-0001.pcapng"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"case":"x","state":"waiting","parts":[{"name":"../x"}]}`))
	f.Add([]byte(`{"format":1,"case":"x","state":"copying","from":9,"to":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCase(text, "x")
		if err != nil {
			return
		}
		for _, p := range c.Parts {
			if !isPacketsName(p.Name) {
				t.Errorf("part %q", p.Name)
			}
		}
		for i := range c.Alerts {
			for _, id := range c.Alerts[i].Communities {
				if !isCommunityID(id) {
					t.Errorf("community id %q", id)
				}
			}
		}
		_ = c.SearchQuery()
	})
}

// FuzzSummary: records are a decoder's text over hostile packets; the page is made
// of whatever they hold.
func FuzzSummary(f *testing.F) {
	var b strings.Builder
	if err := hostileRecords(context.Background(), nil, &b); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(b.String()))
	f.Add([]byte("null\n[]\n{}\n{\"event\":{\"dataset\":\"kagami.file\"}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), recordsName)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c := &Case{Name: "x", Scope: ScopeAll}
		s, err := summarize(path, c, newNameTable())
		if err != nil {
			t.Fatal(err)
		}
		v := &view{Case: c, summary: s, Names: s.names.list()}
		page, err := v.page()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(page, []byte("<script")) || bytes.ContainsAny(page, "\x00\x1b\u202e") {
			t.Fatal("the page holds what it must not")
		}
		table := objectsTable(s.Objects)
		if n := bytes.Count(table, []byte("\n")); n != len(s.Objects)+1 {
			t.Fatalf("%d lines for %d objects", n, len(s.Objects))
		}
	})
}

// FuzzSplit: the splitter takes any stream, in any pieces.
func FuzzSplit(f *testing.F) {
	block := func(typ uint32, body int) []byte {
		b := binary.LittleEndian.AppendUint32(nil, typ)
		b = binary.LittleEndian.AppendUint32(b, uint32(12+body))
		b = append(b, make([]byte, body)...)
		return binary.LittleEndian.AppendUint32(b, uint32(12+body))
	}
	f.Add(append(append(block(blockSection, 16), block(blockInterface, 8)...), append(block(blockPacket, 40), block(blockPacket, 400)...)...), 7)
	f.Add(block(blockPacket, 20), 1)
	f.Add([]byte{1, 2, 3}, 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		dir := t.TempDir()
		s := newSplitter(dir, 1, nil)
		s.limit = 256
		defer s.abandon()
		for rest := text; len(rest) > 0; {
			n := max(1, min(size, len(rest)))
			if _, err := s.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		if s.end() != nil {
			return
		}
		for _, p := range s.parts {
			if info, err := os.Stat(filepath.Join(dir, p.Name)); err != nil || info.Size() != p.Size {
				t.Errorf("%+v: %v", p, err)
			}
		}
	})
}
