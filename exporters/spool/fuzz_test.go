package spool

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzSegment opens a directory with any octets as a segment, and any as the state:
// it ends, what comes is in order, and a second start finds what was not acknowledged.
func FuzzSegment(f *testing.F) {
	const key = 12345
	head := header{key: key, class: 1, num: 3, first: 10}.encode()
	segment := bytes.Clone(head)
	lines := 0
	for seq := uint64(10); seq < 60; seq += 2 {
		e := Entry{Class: 1, At: int64(seq), Log: "conn", Text: bytes.Repeat([]byte{'x'}, int(seq))}
		segment = appendRecord(segment, key, seq, &e)
		lines++
	}
	st := (&state{gen: 1, id: key, reserved: 100, acked: 20}).encode()
	whole := append(bytes.Clone(segment), trailer{uint64(lines), 58}.encode(key)...)
	flipped := bytes.Clone(whole)
	flipped[200] ^= 4
	for _, b := range [][]byte{nil, head, segment, whole, flipped, segment[:len(segment)-7], append(bytes.Clone(segment), make([]byte, 9000)...), whole[500:]} {
		f.Add(b, st)
		f.Add(b, []byte(nil))
	}
	f.Add(whole, append(bytes.Clone(st), 1, 2, 3))
	f.Fuzz(func(t *testing.T, b, st []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{"1-000000000003.spool": b, stateName: st} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		first := readFuzzed(t, dir, true)
		if again := readFuzzed(t, dir, false); first > 0 && again != 2 { // the first one's last line, and its own
			t.Errorf("the second start gives %d lines, the first %d", again, first)
		}
		readFuzzed(t, dir, true)
	})
}

// readFuzzed takes all that waits, and acknowledges it or does not.
func readFuzzed(t *testing.T, dir string, ack bool) (lines int) {
	t.Helper()
	s, err := open(Config{Dir: dir, MaxBytes: 1 << 20, SpillAfter: time.Hour}, slog.New(slog.DiscardHandler), lazy{})
	if err != nil {
		return 0
	}
	defer closeSpool(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	prev := uint64(0)
	for s.Stats().Lines > 0 {
		got, err := s.Next(ctx, 100, 1<<20, nil)
		if err != nil {
			t.Fatalf("%v: %+v", err, s.Stats())
		}
		for _, e := range got {
			if e.Seq < prev || e.Lost == 0 && e.Seq == prev || len(e.Text) > maxText {
				t.Fatalf("number %d after %d", e.Seq, prev)
			}
			if prev = e.Seq; e.Lost == 0 {
				lines++
			}
		}
		if !ack {
			break
		}
		s.Ack(prev)
	}
	if seq, err := s.Append(Entry{Text: []byte("next")}); err != nil || seq <= prev {
		t.Fatalf("number %d after %d, %v", seq, prev, err)
	}
	got, err := s.Next(ctx, 100, 1<<20, nil)
	for _, e := range got {
		if lines++; e.Seq <= prev && e.Lost == 0 || err != nil {
			t.Fatalf("number %d after %d, %v", e.Seq, prev, err)
		}
	}
	return lines
}

// FuzzScan looks for records in any octets: what it finds is what appendRecord
// writes, in order, and within the octets.
func FuzzScan(f *testing.F) {
	var b []byte
	for seq := range uint64(5) {
		b = appendRecord(b, 7, seq+1, &Entry{Class: 2, Log: "dns", Text: bytes.Repeat([]byte{'y'}, int(seq)*50), Client: [16]byte{1, 2}})
	}
	f.Add(b, uint8(2))
	f.Add(b[3:], uint8(2))
	f.Add(append(bytes.Clone(b), trailer{5, 5}.encode(7)...), uint8(1))
	f.Add(append(bytes.Repeat([]byte(recordMark), 300), b...), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, class uint8) {
		prev, next := uint64(0), int64(0)
		end, places, err := scan(bytes.NewReader(b), 0, int64(len(b)), 7, class, func(at int64, size int, r record) {
			e := Entry{Class: r.class, Kind: r.kind, Severity: r.severity, At: r.at, Client: r.client, Log: string(r.log), Text: r.text}
			if r.seq <= prev || at < next || r.class != class || !bytes.Equal(appendRecord(nil, 7, r.seq, &e), b[at:at+int64(size)]) {
				t.Fatalf("record %d at %d, after %d", r.seq, at, prev)
			}
			prev, next = r.seq, at+int64(size)
		})
		if err != nil || end > int64(len(b)) || end < next || places == 0 && end != int64(len(b)) && prev != 0 && !bytes.Contains(b, []byte(trailerMark)) {
			t.Fatalf("end %d of %d, %d places, %v", end, len(b), places, err)
		}
	})
}
