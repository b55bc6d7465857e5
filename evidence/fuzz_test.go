package evidence

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// FuzzRecovery puts whatever a crash may have left in order: it is read to its end
// afterwards, with an index, or it is gone, and a second look changes nothing.
func FuzzRecovery(f *testing.F) {
	image := func(boot string, packets int) []byte {
		d := &disk{s: &Store{session: t0, boot: boot}}
		b := d.header([]segment.Interface{{Link: 1, Snap: 65535}})
		m := segment.Mark{Session: t0, Segment: 1}
		mark := func(from int, synced bool) {
			m.Pos, m.CRC, m.Synced = int64(len(b)), segment.Sum(0, b[from:]), synced
			b = segment.AppendMark(b, &m)
		}
		mark(0, false)
		for n := range packets {
			from := len(b)
			b = segment.AppendPacket(b, 0, numbered(n, 60+n), 65535)
			if n%4 == 3 {
				mark(from, n == 11)
			}
		}
		return b
	}
	for _, boot := range []string{"this run", "another run"} {
		b := image(boot, 20)
		f.Add(b)
		f.Add(b[:len(b)-30])
		f.Add(append(bytes.Clone(b), make([]byte, 5000)...))
		hole := bytes.Clone(b)
		clear(hole[1500:1600])
		f.Add(hole)
	}
	f.Add([]byte("\x0a\x0d\x0d\x0a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := Default()
		c.Dir, c.MinFreeBytes = t.TempDir(), 0
		path := filepath.Join(c.Dir, segment.Name(t0, 1))
		if len(b) == 0 || os.WriteFile(path, b, 0o600) != nil {
			t.Skip()
		}
		s := &Store{c: c, log: slog.New(slog.DiscardHandler), boot: "this run", save: save, chapters: map[uint64]int64{}}
		s.keeper = newKeeper(s, nil)
		s.sealed = []entry{{num: 1, name: filepath.Base(path), start: t0, size: int64(len(b))}}
		s.keeper.look(s.sealed[0])
		left, err := os.ReadFile(path)
		if err != nil {
			return
		}
		if _, ours, _ := s.header(left[:min(len(left), headerRead)]); !ours {
			if !bytes.Equal(left, b) {
				t.Error("another's file was changed")
			}
			return
		}
		res, err := segment.Scan(bytes.NewReader(left), int64(len(left)), segment.Visitor{})
		if err != nil {
			return
		}
		x, err := index.Open(stem(path) + ".idx")
		if err != nil {
			t.Fatalf("no index: %v", err)
		}
		defer x.Close()
		if x.Info().Packets != res.Packets || x.Info().Size != int64(len(left)) {
			t.Errorf("%d packets in %d octets, the index says %+v", res.Packets, len(left), x.Info())
		}
		os.Remove(stem(path) + ".idx")
		s.keeper.look(s.sealed[0])
		if again, _ := os.ReadFile(path); !bytes.Equal(again, left) {
			t.Error("the second look changed the file")
		}
	})
}
