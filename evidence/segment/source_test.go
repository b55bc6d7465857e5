package segment

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/sensor"
)

func writeFile(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSource(t *testing.T) {
	r := recording(2000, 1400)
	whole := scanBytes(t, r.b)
	at := whole.packets[1000].Pos
	le.PutUint32(r.b[at+4:], 7)
	want := slices.Delete(slices.Clone(whole.packets), 1000, 1001)
	s, err := OpenSource(writeFile(t, r.b))
	if err != nil {
		t.Fatal(err)
	}
	var got []seen
	var batches []*sensor.Batch
	var positions []int64
	for {
		b := &sensor.Batch{}
		err := s.Next(b)
		if err == io.EOF && len(b.Frames) == 0 {
			break
		}
		if err != nil || len(b.Frames) == 0 || b.Now != b.Frames[len(b.Frames)-1].Time {
			t.Fatalf("%v, %d frames, now %d", err, len(b.Frames), b.Now)
		}
		for i := range b.Frames {
			positions = append(positions, s.Pos(i))
		}
		batches = append(batches, b)
	}
	for _, b := range batches { // all of them are valid to the end
		for _, f := range b.Frames {
			got = append(got, seen{Pos: positions[len(got)], Len: PacketOverhead + padded(len(f.Data)), Time: f.Time, Wire: f.WireLen, If: uint32(f.Iface), Link: f.Link, Data: string(f.Data)})
		}
	}
	if !slices.Equal(got, want) || len(batches) < 3 {
		t.Errorf("%d frames in %d batches, want %d", len(got), len(batches), len(want))
	}
	if res := s.Result(); res.Packets != 1999 || res.Damages != 1 || res.BadMarks != 1 || res.Torn != 0 {
		t.Errorf("%+v", res)
	}
	if st := s.Stats(); st.Received != 1999 || st.Bytes != uint64(len(r.b)) || st.Size != st.Bytes {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenSourceRefuses(t *testing.T) {
	for _, c := range []struct{ path, says string }{
		{t.TempDir(), "not a regular file"},
		{filepath.Join(t.TempDir(), "none"), "no such file"},
		{writeFile(t, []byte("hello, world, how are you")), "neither pcapng nor pcap"},
		{writeFile(t, []byte("\x28\xb5\x2f\xfd")), "unpack it first (zstd -d)"},
	} {
		if _, err := OpenSource(c.path); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v, want %q", c.path, err, c.says)
		}
	}
}
