package spool

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// account follows what Next tells, and checks that numbers rise.
type account struct {
	lines, lost [NumClasses]uint64
	last        uint64
	first       [NumClasses]uint64 // number of the first line of each class
}

func (a *account) take(t *testing.T) func(Entry) {
	return func(e Entry) {
		t.Helper()
		if e.Seq < a.last || e.Seq == a.last && e.Lost == 0 {
			t.Fatalf("number %d after %d", e.Seq, a.last)
		}
		a.last = e.Seq
		if a.lost[e.Class] += e.Lost; e.Lost == 0 {
			if a.lines[e.Class]++; a.first[e.Class] == 0 {
				a.first[e.Class] = e.Seq
			}
		}
	}
}

func TestFullBudgetDropsTheOldestOfTheLowestClass(t *testing.T) {
	c := small(t)
	c.MaxBytes, c.quietFor = 8<<20, 100*time.Millisecond
	s, log := openSpool(t, c)
	const each = 12_000
	text := []byte(strings.Repeat("x", 600))
	var made [NumClasses]uint64
	for n := range each {
		classes := []uint8{0, 0, 0, 0, 1, 1}
		if n%20 == 0 {
			classes = append(classes, 2, 3)
		}
		for _, class := range classes {
			made[class]++
			if _, err := s.Append(Entry{Class: class, Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		if n%100 == 0 { // the disk keeps up
			wait(t, "the disk", func() bool { return !s.scarce() })
		}
	}
	wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
	st := s.Stats()
	if st.OnDisk > c.MaxBytes {
		t.Errorf("%d octets on disk", st.OnDisk)
	}
	if st.Dropped[0] == 0 || st.Dropped[1] == 0 || st.Dropped[2]+st.Dropped[3] != 0 {
		t.Errorf("dropped %v", st.Dropped)
	}
	if n := strings.Count(log.String(), "has no room: disk_bytes is used up"); n != 1 || strings.Count(log.String(), "has no room") != 1 {
		t.Errorf("said %d times: %s", n, log)
	}
	var a account
	drain(t, s, a.take(t))
	for class := range made {
		if a.lines[class]+st.Dropped[class] != made[class] || a.lost[class] != st.Dropped[class] {
			t.Errorf("class %d: made %d, came %d, told of %d lost, dropped %d", class, made[class], a.lines[class], a.lost[class], st.Dropped[class])
		}
	}
	if a.first[1] < a.first[2] || a.first[2] > 10 || a.first[3] > 10 {
		t.Errorf("first numbers %v, want the oldest of the lower classes gone", a.first)
	}
	wait(t, "the room", func() bool { return strings.Contains(log.String(), "has room again") })
	closeSpool(t, s)
}

func TestFullOfHigherClassesDropsWhatComes(t *testing.T) {
	c := small(t)
	c.MaxBytes = 1 << 20
	s, _ := openSpool(t, c)
	text := []byte(strings.Repeat("x", 1000))
	for range 980 {
		s.Append(Entry{Class: 3, Text: text})
	}
	wait(t, "the disk", func() bool { return s.Stats().OnDisk > 980*1000 })
	for range 500 {
		s.Append(Entry{Class: 1, Text: text})
	}
	wait(t, "the loss", func() bool { return s.Stats().Dropped[1] == 500 })
	var a account
	drain(t, s, a.take(t))
	if a.lines != [4]uint64{0, 0, 0, 980} || a.lost != [4]uint64{0, 500} {
		t.Errorf("came %v, lost %v", a.lines, a.lost)
	}
	closeSpool(t, s)
}

// What was handed out of a segment that is dropped is not lost, if it is
// acknowledged; if it is not, it is counted at the end.
func TestDroppedWhileInFlight(t *testing.T) {
	for _, ack := range []bool{true, false} {
		c := small(t)
		c.MaxBytes = 1 << 20
		s, _ := openSpool(t, c)
		text := []byte(strings.Repeat("x", 1000))
		for range 100 {
			s.Append(Entry{Text: text})
		}
		got, err := s.Next(t.Context(), 60, 1<<20, nil)
		if err != nil || len(got) != 60 {
			t.Fatal(len(got), err)
		}
		for n := range 3000 {
			s.Append(Entry{Text: text})
			if n%100 == 0 {
				wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used <= NumClasses })
			}
		}
		wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
		before := s.Stats()
		if before.Dropped[0] == 0 || before.Lines != 3100-int(before.Dropped[0]) {
			t.Fatalf("%+v", before)
		}
		if ack {
			s.Ack(got[59].Seq)
		}
		closeSpool(t, s)
		want := before.Dropped[0]
		if !ack {
			want += 60
		}
		if st := s.Stats(); st.Dropped[0] != want {
			t.Errorf("acknowledged %v: dropped %d, want %d", ack, st.Dropped[0], want)
		}
		s, _ = openSpool(t, c) // and the loss is told of after the restart
		var a account
		drain(t, s, a.take(t))
		if a.lost[0] != want || a.lines[0] != 3100-60-before.Dropped[0] {
			t.Errorf("acknowledged %v: came %d, lost %d, want %d lost", ack, a.lines[0], a.lost[0], want)
		}
		closeSpool(t, s)
		s, _ = openSpool(t, c) // once
		if lost(s) {
			t.Error("an acknowledged loss is told again")
		}
		closeSpool(t, s)
	}
}

// A disk that stands still costs lines, not time.
func TestHangingDisk(t *testing.T) {
	gate := make(chan struct{})
	c := small(t)
	s, _ := openOn(t, c, &faulty{before: func(op, path string) error {
		if op == "write" && !strings.HasSuffix(path, stateName) {
			<-gate
		}
		return nil
	}})
	text := []byte(strings.Repeat("x", 900))
	const alerts = 100
	for n := range 20_000 { // 18 MB against 4 MiB
		class := uint8(0)
		if n%200 == 0 {
			class = 3
		}
		s.Append(Entry{Class: class, Text: text})
	}
	st := s.Stats()
	if st.Dropped[0] < 15_000 || st.Dropped[3] != 0 || st.Memory > c.MemoryBytes {
		t.Errorf("%+v", st)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "the disk hangs") {
		t.Errorf("close: %v", err)
	}
	close(gate)
	<-s.done
	s, _ = openSpool(t, c)
	var a account
	drain(t, s, a.take(t))
	if a.lines[3] != alerts || a.lines[0]+st.Dropped[0] != 20_000-alerts || a.lost[0] != st.Dropped[0] {
		t.Errorf("came %v, lost %v, dropped %v", a.lines, a.lost, st.Dropped)
	}
	closeSpool(t, s)
}

// TestFirmNumbers: while the disk takes nothing, lines get numbers that it does not
// know of. They say so, because the next process gives them again.
func TestFirmNumbers(t *testing.T) {
	f := &fault{}
	c := small(t)
	c.retryAfter = 20 * time.Millisecond
	s, _ := openOn(t, c, &faulty{before: f.before})
	given, last := uint64(0), uint64(0)
	send := func(lines int) (firm int) {
		for range lines {
			if _, err := s.Append(Entry{Text: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		for s.Stats().Lines > 0 {
			es, err := s.Next(context.Background(), 512, 1<<20, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range es {
				if last = e.Seq; e.Firm {
					given = e.Seq
					firm++
				}
			}
			s.Ack(last)
		}
		return firm
	}
	if n := send(10); n != 10 {
		t.Errorf("%d of 10 firm", n)
	}
	f.set(syscall.EROFS, "create write truncate sync")
	for range 150 {
		send(1000)
	}
	copyTo := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(copyTo, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	z, _ := openSpool(t, Config{Dir: copyTo, MaxBytes: c.MaxBytes})
	defer closeSpool(t, z)
	seq, err := z.Append(line(0))
	if err != nil || seq <= given || given < 10 || given == last {
		t.Errorf("firm up to %d of %d, then %d, %v", given, last, seq, err)
	}
	f.set(nil, "")
	wait(t, "the reservation", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.seq < s.firm })
	if n := send(10); n != 10 {
		t.Errorf("%d of 10 firm when the disk works again", n)
	}
	closeSpool(t, s)
}
