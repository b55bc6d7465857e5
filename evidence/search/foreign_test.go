package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// pcap writes packets as a pcap file in the given byte order.
func pcap(order binary.AppendByteOrder, packets []*stored) []byte {
	b := order.AppendUint32(nil, 0xa1b23c4d) // nanoseconds
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, 1)
	for _, p := range packets {
		b = order.AppendUint32(b, uint32(p.time/1e9))
		b = order.AppendUint32(b, uint32(p.time%1e9))
		b = order.AppendUint32(b, uint32(len(p.data)))
		b = order.AppendUint32(b, p.wire)
		b = append(b, p.data...)
	}
	return b
}

func packetsOf(events []event) (out []*stored) {
	for _, e := range events {
		if e.packet != nil {
			out = append(out, e.packet)
		}
	}
	return out
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFiles(t testing.TB, o FileOptions, paths ...string) *Store {
	t.Helper()
	s, err := OpenFiles(paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCaptureFiles: pcap of both byte orders and pcapng are found in; the index is
// made once, and anew when the file changes.
func TestCaptureFiles(t *testing.T) {
	dir := t.TempDir()
	g := newTraffic(70)
	one, two := packetsOf(g.flows(60, 100)), packetsOf(g.flows(60, 100))
	a := write(t, filepath.Join(dir, "a.pcap"), pcap(binary.LittleEndian, one))
	b := write(t, filepath.Join(dir, "b.pcap"), pcap(binary.BigEndian, two))
	both := slices.Concat(one, two)
	slices.SortFunc(both, func(a, b *stored) int { return compare(a.time, b.time) })
	var want []string
	for _, p := range both {
		if p.key.A == mapped(workstation) || p.key.B == mapped(workstation) {
			want = append(want, line(p.time, p.wire, p.data))
		}
	}
	for _, o := range []FileOptions{{Memory: true}, {}, {}, {IndexDir: t.TempDir()}} {
		s := openFiles(t, o, a, b)
		out, rep := getAll(t, s, "host 10.0.0.7", GetOptions{})
		if !same(t, "host 10.0.0.7", got(t, out), want) || rep.Segments != 2 || rep.Scanned != 0 || len(rep.Said) > 0 {
			t.Errorf("%+v: %+v", o, rep)
		}
		out, _ = getAll(t, s, "all", GetOptions{})
		if n := len(got(t, out)); n != len(one)+len(two) {
			t.Errorf("all: %d packets, want %d", n, len(one)+len(two))
		}
		if _, err := os.Stat(a + kidxSuffix); (err == nil) == (o.Memory && o.IndexDir == "") {
			t.Errorf("%+v: index beside the file: %v", o, err)
		}
	}
	// The file grows: the index is made anew; while a store is open: its packets are
	// read instead.
	s := openFiles(t, FileOptions{}, a)
	write(t, a, pcap(binary.LittleEndian, both))
	if _, rep := getAll(t, s, "host 10.0.0.7", GetOptions{}); len(rep.Said) == 0 {
		t.Errorf("a file that changed under an open store: %+v", rep)
	}
	out, rep := getAll(t, openFiles(t, FileOptions{}, a), "host 10.0.0.7", GetOptions{})
	if !same(t, "after it has grown", got(t, out), want) || len(rep.Said) != 1 || !strings.Contains(rep.Said[0], "made anew") {
		t.Errorf("%+v", rep)
	}
	// What has no index because nothing can be written is searched all the same.
	out, rep = getAll(t, openFiles(t, FileOptions{IndexDir: filepath.Join(dir, "nowhere")}, a), "host 10.0.0.7", GetOptions{})
	if !same(t, "without an index", got(t, out), want) || len(rep.Said) != 1 || !strings.Contains(rep.Said[0], "in memory") {
		t.Errorf("%+v", rep)
	}
}

// TestCaptureFileErrors: each has its message.
func TestCaptureFileErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, content, want string }{
		{"text.pcap", "this is a text and no capture file", "neither pcapng nor pcap"},
		{"packed.pcap", "\x1f\x8b\x08\x00 and so on and so forth and more", "gunzip"},
	} {
		_, err := OpenFiles([]string{write(t, filepath.Join(dir, c.name), []byte(c.content))}, FileOptions{Memory: true})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := OpenFiles([]string{filepath.Join(dir, "none")}, FileOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := OpenFiles([]string{dir}, FileOptions{}); err == nil {
		t.Error("a directory is no capture file")
	}
	torn := pcap(binary.LittleEndian, packetsOf(newTraffic(1).flows(20, 10)))
	s := openFiles(t, FileOptions{Memory: true}, write(t, filepath.Join(dir, "torn.pcap"), torn[:len(torn)-7]))
	if _, rep := getAll(t, s, "all", GetOptions{}); !slices.ContainsFunc(rep.Gaps, func(g Gap) bool { return g.Kind == Damaged }) {
		t.Errorf("a torn file: %v", rep.Gaps)
	}
	s = openFiles(t, FileOptions{Memory: true}, write(t, filepath.Join(dir, "empty.pcap"), torn[:24]))
	if b, rep := getAll(t, s, "host 10.0.0.7", GetOptions{}); len(got(t, b)) != 0 || len(rep.Gaps) != 0 {
		t.Errorf("a file without packets: %v", rep.Gaps)
	}
}

// TestNamesOfCaptureFiles: names come from the decoders that are injected; an index
// that was made without is made anew.
func TestNamesOfCaptureFiles(t *testing.T) {
	events := worker(visit(10, 20, 1, workstation, 40001, evil, ""), visit(11, 20, 1, workstation, 40002, "198.51.100.1", ""))
	path := write(t, filepath.Join(t.TempDir(), "a.pcap"), pcap(binary.LittleEndian, packetsOf(events)))
	frames := 0
	run := FileOptions{
		Run: func(src sensor.Source, store sensor.Store) error {
			var b sensor.Batch
			for src.Next(&b) == nil {
				for i := range b.Frames {
					frames++
					f := &b.Frames[i]
					store.Add(f, sensor.Plain, 0)
					var p packet.Packet
					if p.Parse(f.Data, f.WireLen, f.Link) == packet.OK && bytes.Equal(p.Bytes(), []byte("hello")) && p.Dst() == mapped(evil) {
						store.Note(records.NewDNS(records.Meta{At: f.Time, Key: p.Key, Orig: p.Side}))
					}
				}
			}
			return nil
		},
		Notes: func(dst []segment.Note, r records.Record) []segment.Note {
			m := r.Meta()
			return append(dst, segment.Note{Kind: segment.Named, At: m.At, Key: m.Key, Client: m.Orig, Name: "www.evil.example"})
		},
	}
	for range 2 {
		flows, rep := findAll(t, openFiles(t, FileOptions{}, path), "host evil.example")
		if len(flows) != 0 && frames == 0 {
			t.Errorf("without decoders: %v %v", ends(flows), rep.Said)
		}
		if flows, rep = findAll(t, openFiles(t, run, path), "host evil.example"); !slices.Equal(ends(flows), []string{"40001>203.0.113.5"}) {
			t.Errorf("with decoders: %v %v", ends(flows), rep.Said)
		}
	}
	if frames != len(events) {
		t.Errorf("the decoders saw %d frames, want %d: once each", frames, len(events))
	}
}

// TestCaseDirectory: a directory of capture files with other names is searched.
func TestCaseDirectory(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 100))
	b, _ := getAll(t, r.open(), "all", GetOptions{})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "packets-001.pcapng"), b)
	write(t, filepath.Join(dir, "notes.pcap"), []byte("this is no capture file, whatever its name"))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if out, rep := getAll(t, s, "host 10.0.0.7", GetOptions{}); len(got(t, out)) != 100 || len(rep.Said) != 1 || !strings.Contains(rep.Said[0], "notes.pcap") {
		t.Errorf("%d packets, want 100: %q", len(got(t, out)), rep.Said)
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
