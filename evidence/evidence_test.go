package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"kagami/capture"
	"kagami/packet"
	"kagami/sensor"
)

const (
	t0     = int64(1_780_300_800_123_456_789) // 2026-06-01T08:00:00.123456789Z
	second = int64(time.Second)
)

// small is a store that a test can fill.
func small(t testing.TB) Config {
	c := Default()
	c.Dir, c.MinFreeBytes, c.Wait = filepath.Join(t.TempDir(), "evidence"), 0, true
	c.Interface = "eth1"
	return c
}

func openStore(t testing.TB, c Config) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &log
}

// frame is the n-th packet: its number is in its data.
func frame(n int, size int) *sensor.Frame {
	data := bytes.Repeat([]byte{byte(n)}, size)
	binary.BigEndian.PutUint32(data, uint32(n))
	return &sensor.Frame{Time: t0 + int64(n)*int64(time.Millisecond), Data: data, WireLen: uint32(size + 2), Link: packet.LinkEthernet}
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// readAll reads segments with the capture package; the error is what ended it.
func readAll(paths ...string) ([]sensor.Frame, error) {
	src := capture.OpenFiles(paths, capture.FileOptions{})
	var out []sensor.Frame
	for {
		var b sensor.Batch
		if err := src.Next(&b); err != nil {
			if places, first := src.Damage(); places != 0 {
				err = fmt.Errorf("damage: %s", first)
			}
			return out, err
		}
		out = append(out, b.Frames...)
	}
}

func TestReadBack(t *testing.T) {
	c := small(t)
	s, log := openStore(t, c)
	w := s.Writer(0, 0)
	ethernet := bytes.Repeat([]byte("macsmacsmacs"), 1)
	in := []sensor.Frame{
		{Time: t0, Data: []byte("abcd"), WireLen: 4, Link: packet.LinkEthernet},
		{Time: t0 + 1, Data: []byte("abcde"), WireLen: 1500, Link: packet.LinkEthernet},
		{Time: t0 + 2, Data: []byte{}, WireLen: 9, Link: packet.LinkRaw},
		{Time: t0 + 3, Data: []byte("raw"), WireLen: 3, Link: packet.LinkRaw},
		{Time: t0 + 4, Data: append(ethernet, "\x08\x00payload"...), WireLen: 21, Link: packet.LinkEthernet, VLAN: 0x2064, TPID: 0x88a8},
		{Time: t0 + 5, Data: []byte("short"), WireLen: 5, Link: packet.LinkEthernet, VLAN: 1, TPID: 0x8100},
		{Time: t0 + 6, Data: []byte("other"), WireLen: 5, Link: packet.LinkEthernet, Iface: 7},
	}
	want := slices.Clone(in)
	want[2].Iface, want[3].Iface, want[6].Iface = 1, 1, 2
	want[4].Data, want[4].WireLen = []byte("macsmacsmacs\x88\xa8\x20\x64\x08\x00payload"), 25
	for i := range want {
		want[i].VLAN, want[i].TPID = 0, 0
	}
	for i := range in {
		w.Add(&in[i])
	}
	w.Close()
	paths := segments(t, c.Dir)
	if len(paths) != 1 || filepath.Base(paths[0]) != "20260601T080000.123456Z-00000001.pcapng" {
		t.Fatalf("segments %q", paths)
	}
	got, err := readAll(paths...)
	if err != io.EOF || len(got) != len(want) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i := range want {
		if g, w := got[i], want[i]; g.Time != w.Time || !bytes.Equal(g.Data, w.Data) || g.WireLen != w.WireLen || g.Link != w.Link || g.Iface != w.Iface {
			t.Errorf("frame %d: got %+v\nwant %+v", i, g, w)
		}
	}
	if st := s.Stats(); st.Packets != 7 || st.Segments != 1 || st.LostDisk+st.LostSlow+st.Errors != 0 || st.Oldest != t0-t0%1000 && st.Oldest != t0 {
		t.Errorf("stats %+v", st)
	}
	if log.Len() != 0 {
		t.Errorf("log: %s", log)
	}
}

// An independent reader sees the interface's name, the resolution and the program.
func TestPcapgoReadsSegments(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 65535)
	for n := range 100 {
		w.Add(frame(n, 60+n))
	}
	w.Close()
	f, err := os.Open(segments(t, c.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		data, ci, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, frame(n, 60+n).Data) || ci.Timestamp.UnixNano() != frame(n, 9).Time || ci.Length != 62+n {
			t.Fatalf("packet %d: %v %+v", n, err, ci)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("after the last packet: %v", err)
	}
	i, err := r.Interface(0)
	if err != nil || i.Name != "eth1" || i.LinkType != layers.LinkTypeEthernet || i.SnapLength != 65535 || i.TimestampResolution != 9 {
		t.Errorf("interface %+v, %v", i, err)
	}
	if app := r.SectionInfo().Application; app != "kagami" {
		t.Errorf("application %q", app)
	}
}

func TestSnaplen(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 100)
	w.Add(frame(1, 500))
	tagged := frame(2, 98)
	tagged.TPID, tagged.VLAN = 0x8100, 5
	w.Add(tagged)
	w.Close()
	got, _ := readAll(segments(t, c.Dir)...)
	if len(got) != 2 || len(got[0].Data) != 100 || got[0].WireLen != 502 || len(got[1].Data) != 100 || got[1].WireLen != 104 {
		t.Errorf("frames %+v", got)
	}
}

func TestRotationBySizeAndAge(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.SegmentAgeS = 1<<20, 60
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 3000 { // 3 s of packets, 3 MB
		w.Add(frame(n, 1000))
	}
	w.Flush()
	bySize := len(segments(t, c.Dir))
	if bySize < 3 || bySize > 5 {
		t.Errorf("%d segments of 1 MiB for 3 MB", bySize)
	}
	for _, p := range segments(t, c.Dir) {
		if st, err := os.Stat(p); err != nil || st.Size() > c.SegmentBytes {
			t.Errorf("%s: %d octets, %v", p, st.Size(), err)
		}
	}
	w.Add(frame(3000+60_000, 100)) // a minute later
	w.Flush()
	if n := len(segments(t, c.Dir)); n != bySize+1 {
		t.Errorf("%d segments, want one more than %d by age", n, bySize)
	}
	w.Tick(t0 + 200*second) // nothing but time
	w.Flush()
	if s.Stats().Segments != bySize+1 || s.open != 0 {
		t.Errorf("the segment is still open after its age")
	}
	w.Close()
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || len(got) != 3001 {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestPacketsDoNotStayInMemory(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	defer w.Close()
	written := func(want uint64) bool {
		for range 200 {
			if s.Stats().Packets == want {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	}
	w.Add(frame(0, 60))
	w.Tick(t0 + second/2)
	if s.Stats().Packets != 0 {
		t.Error("written before the flush time")
	}
	if w.Tick(t0 + second); !written(1) {
		t.Error("not written by a tick after the flush time")
	}
	w.Add(frame(2000, 60))
	if w.Add(frame(4000, 60)); !written(2) {
		t.Error("not written by a packet after the flush time")
	}
	if w.Tick(t0 - 3600*second); !written(3) {
		t.Error("not written after the clock was set back")
	}
}

func TestBudgetIsKeptOverWritersAndRestarts(t *testing.T) {
	c := small(t)
	c.MaxBytes, c.SegmentBytes = 8<<20, 1<<20
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := []string{"notes.txt", "x.pcapng", "20260601T080000.123456Z-1.pcapng", "20260601T080000.123456Z-00000001.pcapng.bak", "99999999T080000.123456Z-00000001.pcapng"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(c.Dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for restart := range 3 {
		s, err := Open(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		writers := []*Writer{s.Writer(0, 0), s.Writer(1, 0)}
		for range 12_000 {
			writers[n%2].Add(frame(n, 1000))
			n++
			if n%1000 == 0 {
				if st := s.Stats(); st.Bytes > c.MaxBytes {
					t.Fatalf("%d octets, the budget is %d", st.Bytes, c.MaxBytes)
				}
			}
		}
		for _, w := range writers {
			w.Close()
		}
		st := s.Stats()
		onDisk := int64(0)
		for _, p := range segments(t, c.Dir) {
			if !slices.Contains(foreign, filepath.Base(p)) {
				info, _ := os.Stat(p)
				onDisk += info.Size()
			}
		}
		if st.Bytes != onDisk || onDisk > c.MaxBytes || onDisk < c.MaxBytes/2 || st.Deleted == 0 {
			t.Errorf("restart %d: %d octets on disk, stats %+v", restart, onDisk, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(c.Dir, name)); err != nil {
			t.Errorf("a foreign file was touched: %v", err)
		}
	}
	// What is left is the newest: every packet of the last megabytes, none twice.
	var ours []string
	for _, p := range segments(t, c.Dir) {
		if !slices.Contains(foreign, filepath.Base(p)) {
			ours = append(ours, p)
		}
	}
	got, err := readAll(ours...)
	if err != io.EOF {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, f := range got {
		k := binary.BigEndian.Uint32(f.Data)
		if seen[k] {
			t.Fatalf("packet %d is there twice", k)
		}
		seen[k] = true
	}
	for k := n - 3000; k < n; k++ {
		if !seen[uint32(k)] {
			t.Fatalf("packet %d of %d is gone", k, n)
		}
	}
}

// The oldest segment is the one that was written first, whatever its clock said.
func TestDeletionGoesByNumber(t *testing.T) {
	c := small(t)
	c.MaxBytes, c.SegmentBytes = 4<<20, 1<<20
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 6000 {
		f := frame(n, 1000)
		if n >= 3000 {
			f.Time -= 20 * 365 * 24 * 3600 * second // the clock was set back
		}
		w.Add(f)
	}
	w.Close()
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || len(got) < 2000 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	last := uint32(0)
	for _, f := range got {
		last = max(last, binary.BigEndian.Uint32(f.Data))
	}
	if last != 5999 {
		t.Errorf("the newest packet on disk is %d, want 5999", last)
	}
}

func TestFreeSpaceFloor(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.MinFreeBytes = 1<<20, 100<<20
	s, log := openStore(t, c)
	free := int64(103 << 20)
	s.free = func(string) (int64, error) { return free - s.bytes, nil }
	w := s.Writer(0, 0)
	for n := range 20_000 {
		w.Add(frame(n, 1000))
	}
	w.Flush()
	if st := s.Stats(); st.Bytes > 3<<20 || st.LostDisk != 0 || st.Deleted < 10 {
		t.Errorf("stats %+v, want at most 3 MiB and nothing lost", st)
	}
	free = 50 << 20 // others fill the disk
	for n := range 20_000 {
		w.Add(frame(20_000+n, 1000))
	}
	w.Flush()
	st := s.Stats()
	if st.LostDisk == 0 || st.Segments != 0 {
		t.Errorf("stats %+v, want packets lost and no segment left", st)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "min_free_bytes") {
		t.Errorf("%d errors logged, want one: %s", n, log)
	}
	free = 1 << 40
	for n := range 10_000 {
		w.Add(frame(50_000+n, 1000))
	}
	w.Close()
	if again := s.Stats(); again.Packets == st.Packets || again.LostDisk != st.LostDisk || !strings.Contains(log.String(), "recording again") {
		t.Errorf("stats %+v after there is room again: %s", again, log)
	}
}

// faulty fails as it is told.
type faulty struct {
	file
	room int // octets that may still be written
	err  error
}

func (f *faulty) Write(b []byte) (int, error) {
	if len(b) <= f.room {
		f.room -= len(b)
		return f.file.Write(b)
	}
	n, _ := f.file.Write(b[:f.room]) // torn in a block
	f.room = 0
	return n, f.err
}

func TestWriteErrors(t *testing.T) {
	c := small(t)
	s, log := openStore(t, c)
	broken := true
	s.create = func(path string) (file, error) {
		f, err := create(path)
		if broken {
			return &faulty{f, 500_000, syscall.EIO}, err
		}
		return f, err
	}
	w := s.Writer(0, 0)
	for n := range 20_000 { // 20 s: several attempts
		w.Add(frame(n, 1000))
	}
	w.Flush()
	st := s.Stats()
	if st.LostDisk == 0 || st.Packets == 0 || st.Packets+st.LostDisk != 20_000 || st.Errors < 2 || st.Errors > 6 {
		t.Errorf("stats %+v, want 20,000 packets stored or lost and a few attempts", st)
	}
	broken = false
	for n := range 10_000 {
		w.Add(frame(20_000+n, 1000))
	}
	w.Close()
	if after := s.Stats(); after.Packets+after.LostDisk != 30_000 || after.LostDisk-st.LostDisk > 5000 {
		t.Errorf("stats %+v after the disk works again, before %+v", after, st)
	}
	if !strings.Contains(log.String(), "recording again") || !strings.Contains(log.String(), "input/output error") {
		t.Errorf("log: %s", log)
	}
	// Segments were cut at their last whole block: no reader stumbles.
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || uint64(len(got)) != s.Stats().Packets {
		t.Errorf("%d frames of %d, %v", len(got), s.Stats().Packets, err)
	}
}

// full refuses to reserve room until segments were deleted.
type full struct {
	file
	refusals *int
}

func (f full) Reserve(size int64) error {
	if *f.refusals > 0 {
		*f.refusals--
		return syscall.ENOSPC
	}
	return f.file.Reserve(size)
}

func TestFullDiskDeletesOnlyWhatItMust(t *testing.T) {
	c := small(t)
	c.SegmentBytes = 1 << 20
	s, log := openStore(t, c)
	refusals := 0
	s.create = func(path string) (file, error) {
		f, err := create(path)
		return full{f, &refusals}, err
	}
	w := s.Writer(0, 0)
	for n := range 10_000 {
		w.Add(frame(n, 1000))
	}
	w.Tick(t0 + 3600*second) // closes the segment
	w.Flush()
	before := s.Stats()
	refusals = 2
	w.Add(frame(20_000, 1000))
	w.Flush()
	if st := s.Stats(); st.Deleted != 2 || st.Segments != before.Segments-1 || st.Packets != 10_001 || log.Len() != 0 {
		t.Errorf("stats %+v, before %+v: want two deleted for the new one: %s", st, before, log)
	}
	w.Tick(t0 + 3600*second)
	refusals = 1000
	w.Add(frame(40_000, 1000))
	w.Close()
	if st := s.Stats(); st.LostDisk != 1 || st.Deleted != 2+maxRoomTries || !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("stats %+v, want one packet lost and the deletion bounded: %s", st, log)
	}
}

func TestSlowDiskCostsPacketsNotTime(t *testing.T) {
	c := small(t)
	c.Wait, c.BufferMiB = false, 1
	s, _ := openStore(t, c)
	gate := make(chan struct{})
	s.create = func(path string) (file, error) {
		<-gate
		return create(path)
	}
	w := s.Writer(0, 0)
	for n := range 5000 { // 5 MB against 1 MiB of memory, and the disk stands still
		w.Add(frame(n, 1000))
		w.Tick(frame(n, 9).Time)
	}
	lost := s.Stats().LostSlow
	if lost < 3500 || lost > 4500 {
		t.Errorf("%d packets lost, want about 4,000", lost)
	}
	close(gate)
	w.Close()
	if st := s.Stats(); st.Packets+st.LostSlow != 5000 {
		t.Errorf("stats %+v, want 5,000 stored or lost", st)
	}
}

// Whatever octet a segment ends at, the packets before it can be read.
func TestSegmentIsReadableAtEveryLength(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 20 {
		w.Add(frame(n, 50+n))
	}
	w.Close()
	whole, err := os.ReadFile(segments(t, c.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.pcapng")
	clean := 0
	for cut := 24; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(path)
		if err == io.EOF {
			clean++
		} else if !capture.IsTorn(err) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		for n, f := range got {
			if !bytes.Equal(f.Data, frame(n, 50+n).Data) {
				t.Fatalf("cut at %d: packet %d differs", cut, n)
			}
		}
		if cut == len(whole) && len(got) != 20 {
			t.Fatalf("whole segment: %d packets", len(got))
		}
	}
	if clean != 22 { // after the section, the interface and each packet
		t.Errorf("%d clean ends, want 22", clean)
	}
}

// TestKill kills a recording process without warning and reads what it left.
func TestKill(t *testing.T) {
	if dir := os.Getenv("KAGAMI_KILL_DIR"); dir != "" {
		record(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "KAGAMI_KILL_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(segments(t, dir)) < 3; {
		if time.Now().After(deadline) {
			t.Fatal("nothing recorded in 10 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	got, err := readAll(segments(t, dir)...)
	if err != io.EOF && !capture.IsTorn(err) {
		t.Fatal(err)
	}
	for n, f := range got {
		if binary.BigEndian.Uint32(f.Data) != uint32(n) {
			t.Fatalf("packet %d stands at place %d", binary.BigEndian.Uint32(f.Data), n)
		}
	}
	c := Default()
	c.Dir = dir
	s, _ := openStore(t, c)
	if st := s.Stats(); st.Segments < 3 || len(got) < 1000 {
		t.Errorf("%d packets, stats after the restart %+v", len(got), st)
	}
	for _, p := range segments(t, dir) {
		var st syscall.Stat_t
		if err := syscall.Stat(p, &st); err != nil || st.Blocks*512 > st.Size+(1<<20) {
			t.Errorf("%s: %d octets take %d on disk, %v", filepath.Base(p), st.Size, st.Blocks*512, err)
		}
	}
}

func record(t *testing.T, dir string) {
	c := small(t)
	c.Dir, c.SegmentBytes = dir, 4<<20
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 60_000 { // 60 MB, if nobody ends it
		w.Add(frame(n, 1000))
		if n%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(10 * time.Second)
}

func TestOneProcessPerDirectory(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	if _, err := Open(c, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EWOULDBLOCK) || !strings.Contains(err.Error(), "choose another evidence.dir") {
		t.Errorf("a second Open: %v", err)
	}
	s.Close()
	again, err := Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	again.Close()
}

func TestInterfacesAreBounded(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 100 {
		f := frame(n, 60)
		f.Iface = uint16(n)
		w.Add(f)
	}
	w.Close()
	if st := s.Stats(); st.Packets != maxInterfaces || st.Ignored != 100-maxInterfaces {
		t.Errorf("stats %+v, want %d stored and the rest ignored", st, maxInterfaces)
	}
}

func TestValidate(t *testing.T) {
	c := Default()
	if errs := c.Validate(); errs != nil {
		t.Errorf("default: %v", errs)
	}
	c.Dir, c.MaxBytes, c.SegmentAgeS = "", 1, 0
	want := `[evidence.dir: got "", want a directory evidence.max_bytes: got 1, want at least 67108864 evidence.segment_age_s: got 0, want 1..86400]`
	if got := fmt.Sprint(c.Validate()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The file is thrown away, so that the memory of the writer is what is measured.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Reserve(int64) error         { return nil }
func (nowhere) Settle(int64, int64)         {}
func (nowhere) Seal(int64) error            { return nil }

func TestAddDoesNotAllocate(t *testing.T) {
	c := small(t)
	c.SegmentBytes = 1 << 30
	s, _ := openStore(t, c)
	s.create = func(string) (file, error) { return nowhere{}, nil }
	w := s.Writer(0, 0)
	defer w.Close()
	f := frame(1, 700)
	w.Add(f)
	w.Flush() // the segment is open
	if n := testing.AllocsPerRun(5000, func() { w.Add(f) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func benchmarkAdd(b *testing.B, create func(string) (file, error)) {
	c := small(b)
	c.MaxBytes = 512 << 20
	s, _ := openStore(b, c)
	s.create = create
	w := s.Writer(0, 0)
	f := frame(1, 700)
	b.SetBytes(700)
	b.ReportAllocs()
	for b.Loop() {
		f.Time += 1000
		w.Add(f)
	}
	w.Close()
}

func BenchmarkAdd(b *testing.B) {
	benchmarkAdd(b, func(string) (file, error) { return nowhere{}, nil })
}

func BenchmarkAddDisk(b *testing.B) { benchmarkAdd(b, create) }
