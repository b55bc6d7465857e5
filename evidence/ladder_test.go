package evidence

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"kagami/sensor"
)

// pressed is a store under pressure: every second it gets the same eight packets,
// and after each the counters must add up.
type pressed struct {
	t    *testing.T
	s    *Store
	w    *Writer
	log  *bytes.Buffer
	now  int64
	seen int
	free space // of the file system, less what the store takes
}

const headLen = 54 // Ethernet, IPv4, TCP

func newPressed(t *testing.T, c Config) *pressed {
	p := &pressed{t: t, now: t0, free: space{1 << 40, -1}}
	p.s, p.log = openStore(t, c)
	p.s.free = func(string) (space, error) { return space{p.free.bytes - p.s.bytes - p.s.written, p.free.inodes}, nil }
	p.w = p.s.Writer(0, 0)
	return p
}

// run passes so many seconds.
func (p *pressed) run(seconds, size int) {
	p.t.Helper()
	for range seconds {
		for i := range 4 {
			p.add(i, size, sensor.Plain)
			p.add(i, size, sensor.Sealed)
		}
		p.now += second
		p.w.Tick(p.now, 0)
		p.w.Flush()
		balanced(p.t, p.s, p.seen)
	}
}

// burst passes packets of one moment, no faster than the disk's goroutine takes them.
func (p *pressed) burst(n, size int) {
	for i := range n {
		p.add(1, size, sensor.Plain)
		if i%500 == 0 {
			p.w.Flush()
		}
	}
}

func (p *pressed) add(flow, size int, c sensor.Class) {
	f := tcpFrame(flow, size)
	f.Time = p.now
	p.w.Add(f, c, headLen)
	p.seen++
}

// until passes seconds until the store is at a level.
func (p *pressed) until(want Level, size int) {
	p.t.Helper()
	for range 1000 {
		if p.s.Stats().Level == want {
			return
		}
		p.run(1, size)
	}
	p.t.Fatalf("level %d, want %d: %s", p.s.Stats().Level, want, p.log)
}

// grows checks which counters move in a second at the level that holds now.
func (p *pressed) grows(want string) {
	p.t.Helper()
	a := p.s.Stats()
	p.run(1, 1000)
	b := p.s.Stats()
	got := fmt.Sprintf("stored %d cut %d left %d", b.Stored-a.Stored, b.Cut-a.Cut, b.LeftOut-a.LeftOut)
	if got != want || a.Level != b.Level {
		p.t.Errorf("level %d: %s, want %s", a.Level, got, want)
	}
}

func TestLadderOfSpace(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.BufferMiB, c.Wait = 4<<20, 2, false
	p := newPressed(t, c)
	p.run(30, 100_000)
	p.grows("stored 8 cut 0 left 0")
	if n := p.s.Stats().Segments; n < 5 {
		t.Fatalf("%d segments, want history", n)
	}

	p.free.bytes = 3 << 20 // others take the room: history goes, then segments are short
	p.until(LevelClear, 100_000)
	p.grows("stored 4 cut 0 left 4")
	before := p.s.Stats().LeftOut
	p.add(1, headLen, sensor.Sealed) // without payload
	p.w.Flush()
	balanced(t, p.s, p.seen)
	if p.s.Stats().LeftOut != before {
		t.Error("a packet without payload was left out")
	}
	p.until(LevelHeaders, 200_000)
	p.grows("stored 4 cut 4 left 4")

	p.free.bytes = 0
	for p.s.Stats().Level != LevelMemory { // until the open segment is full
		p.burst(2000, 200_000)
		p.run(1, 1000)
	}
	p.grows("stored 0 cut 0 left 4")
	if st := p.s.Stats(); st.Waiting == 0 || st.LostFull != 0 {
		t.Errorf("stats %+v, want packets to wait in memory", st)
	}
	p.burst(60_000, 1000) // more than the memory holds
	p.run(1, 1000)
	waiting := p.s.Stats().Waiting
	if st := p.s.Stats(); st.LostFull == 0 || waiting < 10_000 || st.LostSlow != 0 {
		t.Errorf("stats %+v, want the oldest to make way for the newest", st)
	}

	roomAgain(t, p, waiting)
	p.w.Close()
	balanced(p.t, p.s, p.seen)
	if got, err := readAll(segments(t, c.Dir)...); err != io.EOF || uint64(len(got)) > p.s.Stats().Stored {
		t.Errorf("%d frames, %v", len(got), err)
	}
	wantLog(t, p.log, "level 1 of 3: the payload of encrypted flows is left out", "level 2 of 3: only headers are recorded",
		"level=ERROR msg=\"evidence: level 3 of 3: nothing is written", "free room on the file system", "back to level 2", "recording again",
		"back to level 1", "back to level 0")
}

// roomAgain checks that a store at the last level writes what waits once there is
// room, and takes the steps back.
func roomAgain(t *testing.T, p *pressed, waiting uint64) {
	p.free.bytes = 1 << 40
	stored := p.s.Stats().Stored
	p.until(LevelHeaders, 1000)
	if n := p.s.Stats().Stored - stored; n < waiting-waiting/6 {
		t.Errorf("%d packets written once there is room, want the %d that waited, but for a chunk", n, waiting)
	}
	from := p.now
	p.until(LevelClear, 1000)
	p.until(LevelAll, 1000)
	if d := p.now - from; d < 2*calmFor || d > 3*calmFor {
		t.Errorf("back to level 0 after %d s", d/second)
	}
	p.grows("stored 8 cut 0 left 0")
	if st := p.s.Stats(); st.Levels != [NumLevels]uint64{1, 2, 2, 1} {
		t.Errorf("levels were entered %d times", st.Levels)
	}
}

// wantLog checks that the lines are there, in this order, each once.
func wantLog(t *testing.T, log *bytes.Buffer, want ...string) {
	t.Helper()
	rest := log.String()
	for _, line := range want {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Errorf("the log lacks %q where it should be:\n%s", line, log)
			return
		}
		if strings.HasPrefix(line, "level=") && strings.Count(log.String(), line) != 1 {
			t.Errorf("%q is said %d times", line, strings.Count(log.String(), line))
		}
		rest = after
	}
}

// Others take the room that the ladder was given back: it does not go up and down.
func TestLadderHasHysteresis(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.Wait = 4<<20, false
	p := newPressed(t, c)
	p.free.bytes = 3 << 20
	p.until(LevelClear, 100_000)
	for range 20 {
		p.free.bytes = 1 << 30
		p.run(10, 1000)
		p.free.bytes = 1 << 20
		p.run(2, 1000)
	}
	if st := p.s.Stats(); st.Levels[LevelAll] != 0 {
		t.Errorf("back at level 0 %d times while room came and went", st.Levels[LevelAll])
	}
	p.w.Close()
}

func TestDailyBudget(t *testing.T) {
	c := small(t)
	c.MaxBytesPerDay, c.SegmentBytes, c.BufferMiB, c.Wait = 64<<20, 2<<20, 2, false
	p := newPressed(t, c)
	p.grows("stored 8 cut 0 left 0")
	for level, want := range []string{LevelClear: "stored 4 cut 0 left 4", LevelHeaders: "stored 4 cut 4 left 4"} {
		if want == "" {
			continue
		}
		p.until(Level(level), 100_000)
		p.grows(want)
		share := []int64{0, clearShare, headersShare}[level]
		if got := p.s.Stats().Today * 100 / c.MaxBytesPerDay; got != share {
			t.Errorf("level %d at %d %% of the budget, want %d %%", level, got, share)
		}
	}
	for p.s.Stats().Level != LevelMemory {
		p.burst(20_000, 1000)
		p.run(1, 1000)
	}
	p.run(5, 1000)
	if st := p.s.Stats(); st.Written > uint64(c.MaxBytesPerDay) || st.Written < uint64(c.MaxBytesPerDay)*97/100 || st.LostFull+st.LostError+st.LostSlow != 0 {
		t.Errorf("stats %+v, want the budget to be used and kept", st)
	}
	waiting := p.s.Stats().Waiting
	left := p.s.Stats().LeftOut
	p.burst(60_000, 1000) // headers: more than the memory holds
	p.run(1, 1000)
	if st := p.s.Stats(); waiting == 0 || st.LeftOut-left < 10_000 || st.LostFull+st.LostError+st.LostSlow != 0 {
		t.Errorf("stats %+v, want what the budget does not allow to be left out", st)
	}

	// A restart on the same day does not give the budget again.
	p.w.Close()
	if err := p.s.Close(); err != nil {
		t.Fatal(err)
	}
	q := newPressed(t, c)
	q.now = p.now
	q.run(2, 1000)
	if st := q.s.Stats(); st.Level != LevelMemory || st.Stored != 0 {
		t.Errorf("after a restart: stats %+v", st)
	}
	q.now -= 30 * 24 * 3600 * second // nor does a clock that is set back
	q.run(2, 1000)
	if st := q.s.Stats(); st.Level != LevelMemory || st.Stored != 0 {
		t.Errorf("after the clock was set back: stats %+v", st)
	}
	q.now = p.now/day*day + day // midnight, UTC
	q.run(2, 1000)
	if st := q.s.Stats(); st.Level != LevelAll || st.Waiting != 0 || st.Stored == 0 {
		t.Errorf("on the next day: stats %+v", st)
	}
	q.w.Close()
	wantLog(t, q.log, "level 3 of 3", "max_bytes_per_day", "back to level 0")
}

func TestEndurance(t *testing.T) {
	for _, c := range []struct {
		perDay int64
		tbw    int
		want   string
	}{
		{0, 0, ""},
		{20e9, 117, "at most 20 GB a day: 16 years on a medium rated for 117 TBW"},
		{108e9, 117, "at most 108 GB a day: 2.97 years on a medium rated for 117 TBW"},
		{5e9, 0, "at most 5 GB a day: 1.83 TB a year; evidence.endurance_tbw, from the medium's data sheet, tells how long it lasts"},
		{0, 117, "no limit a day: 32 years at 10 GB a day, 3.2 at 100 GB, on a medium rated for 117 TBW; evidence.max_bytes_per_day sets one"},
	} {
		got := Config{MaxBytesPerDay: c.perDay, EnduranceTBW: c.tbw}.Endurance()
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
