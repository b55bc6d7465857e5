package sensor_test

import (
	"strings"
	"testing"
	"time"

	"kagami/packet"
	"kagami/sensor"
)

func TestStreams(t *testing.T) {
	const ms = int64(1e6)
	tests := []struct {
		name  string
		build func(*conn)
		want  string
	}{
		{"in order, across the wrap of sequence numbers", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "get").seg('s', ".", 0, 3, "0123456789abcdef").seg('s', ".", 16, 3, "more").seg('c', ".", 3, 20, "")
		}, "c(get) s(0123456789abcdef) s(more) close"},
		{"out of order", func(c *conn) {
			c.open().seg('c', ".", 3, 0, "def").seg('c', ".", 6, 0, "ghi").seg('c', ".", 0, 0, "abc").seg('s', ".", 0, 9, "ok")
		}, "c(abc) c(def) c(ghi) s(ok) close"},
		{"retransmission", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 0, 0, "abc").seg('c', ".", 3, 0, "def")
		}, "c(abc) c(def) close"},
		{"overlap: the first copy wins", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 1, 0, "XXdef")
		}, "c(abc) c(def) close"},
		{"overlap among held segments", func(c *conn) {
			c.open().seg('c', ".", 4, 0, "ef").seg('c', ".", 2, 0, "cdXXg").seg('c', ".", 0, 0, "ab")
		}, "c(ab) c(cdXXg) close"},
		{"loss that the receiver acknowledged becomes a gap", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 6, 0, "ghi").seg('s', ".", 0, 9, "")
			c.pause(300*ms).seg('c', ".", 9, 0, "jkl")
		}, "c(abc) c[gap 3] c(ghi) c(jkl) close"},
		{"loss at the end becomes a gap", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('s', ".", 0, 10, "").pause(300*ms).seg('s', ".", 0, 10, "late")
		}, "c(abc) c[gap 7] s(late) close"},
		{"the answer is seen before the question", func(c *conn) {
			c.open().seg('s', ".", 0, 3, "answer").seg('c', ".", 0, 0, "ask").seg('c', ".", 3, 6, "")
		}, "c(ask) s(answer) close"},
		{"a retransmission fills the hole in time", func(c *conn) {
			c.open().seg('c', ".", 3, 0, "def").pause(3*second).seg('c', ".", 0, 0, "abc")
		}, "c(abc) c(def) close"},
		{"one direction only", func(c *conn) {
			c.seg('s', "S.", 0, 0, "").seg('s', ".", 0, 5, "one").seg('s', ".", 3, 9, "two")
		}, "s(one) c[gap 4] s(two) close"},
		{"handshake not seen", func(c *conn) {
			c.seg('c', ".", 0, 0, "abc").seg('s', ".", 0, 3, "def")
		}, "c(abc) s(def) close"},
		{"data with the SYN", func(c *conn) {
			c.seg('c', "S", 0, 0, "fast").seg('s', "S.", 0, 4, "").seg('c', ".", 4, 0, "er")
		}, "c(fast) c(er) close"},
		{"a lost FIN is no gap", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('s', ".", 0, 4, "").pause(second).seg('s', ".", 0, 4, "bye")
		}, "c(abc) s(bye) close"},
		{"what is held when the flow ends is delivered", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 5, 0, "later")
		}, "c(abc) c[gap 2] c(later) close"},
		{"a decoder that is done gets no more", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "quit").seg('c', ".", 4, 0, "ignored")
		}, "c(quit) close"},
		{"a segment far outside any window is ignored", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 1<<31-5000, 0, "wild").seg('c', ".", 3, 0, "def")
		}, "c(abc) c(def) close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			c := newTraffic(t).conn()
			tt.build(c)
			run(t, c.frames, script(&log, packet.ProtoTCP))
			if log.String() != tt.want {
				t.Errorf("\n got %s\nwant %s", log.String(), tt.want)
			}
		})
	}
}

// TestAckedWait: what comes later than a mirror port would deliver it is taken by
// those who can wait, and a hole that nothing fills ends then, too.
func TestAckedWait(t *testing.T) {
	const ms = int64(1e6)
	for _, tt := range []struct {
		wait time.Duration
		want string
	}{
		{200 * time.Millisecond, "c(abc) c[gap 3] c(ghi) c(jkl) close"},
		{5 * time.Second, "c(abc) c(def) c(ghi) c(jkl) close"},
		{250 * time.Millisecond, "c(abc) c[gap 3] c(ghi) c(jkl) close"},
	} {
		var log strings.Builder
		c := newTraffic(t).conn()
		c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 6, 0, "ghi").seg('s', ".", 0, 9, "")
		c.pause(300*ms).seg('c', ".", 9, 0, "jkl").pause(700*ms).seg('c', ".", 3, 0, "def")
		cfg := sensor.DefaultConfig()
		cfg.AckedWait = tt.wait
		read(t, engineWith(cfg, nil, script(&log, packet.ProtoTCP)), c.frames)
		if log.String() != tt.want {
			t.Errorf("%v:\n got %s\nwant %s", tt.wait, log.String(), tt.want)
		}
	}
}

func TestSnapLengthIsAGap(t *testing.T) {
	var log strings.Builder
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "abcdef")
	f := c.last()
	f.Data = f.Data[:len(f.Data)-2]
	c.seg('c', ".", 6, 0, "ghi")
	flows := run(t, c.frames, script(&log, packet.ProtoTCP))
	if got, want := log.String(), "c(abcd) c[gap 2] c(ghi) close"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !flows[0].Meta().Visibility.Truncated || flows[0].Orig.Payload != 9 {
		t.Errorf("flow %+v", flows[0])
	}
}

func TestHeldLimitGivesUpTheHole(t *testing.T) {
	var log strings.Builder
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "a")
	big := strings.Repeat("x", 1000)
	for i := range 20 {
		c.seg('c', ".", 10+1000*i, 0, big)
	}
	cfg := sensor.DefaultConfig()
	cfg.MaxHeldFlow = 8 << 10
	e := engineWith(cfg, nil, script(&log, packet.ProtoTCP))
	read(t, e, c.frames)
	if n := e.Stats().HeldOverflow; n != 1 {
		t.Errorf("%d holes given up, want 1", n)
	}
	if got := log.String(); !strings.HasPrefix(got, "c(a) c[gap 9] c(x") || strings.Count(got, "(x") != 20 {
		t.Errorf("got %.60s... with %d segments", got, strings.Count(got, "(x"))
	}
}

// A segment of one octet counts with the memory that it takes.
func TestHeldOctetsCountAsMemory(t *testing.T) {
	var log strings.Builder
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "a")
	for i := range 20 {
		c.seg('c', ".", 10+i, 0, "x")
	}
	cfg := sensor.DefaultConfig()
	cfg.MaxHeldFlow = 8 << 10
	e := engineWith(cfg, nil, script(&log, packet.ProtoTCP))
	read(t, e, c.frames)
	if n := e.Stats().HeldOverflow; n != 1 || !strings.HasPrefix(log.String(), "c(a) c[gap 9] c(x)") {
		t.Errorf("%d holes given up, want 1: %.60s", n, log.String())
	}
}

// Segments that come in reverse are put in order.
func TestHeldInReverse(t *testing.T) {
	var log strings.Builder
	c := newTraffic(t).conn()
	c.open()
	for i := range 9 {
		c.seg('c', ".", 9-i, 0, string(rune('a'+9-i)))
	}
	c.seg('c', ".", 10, 0, "k").seg('c', ".", 0, 0, "a")
	read(t, engineWith(sensor.DefaultConfig(), nil, script(&log, packet.ProtoTCP)), c.frames)
	if got := strings.NewReplacer("c(", "", ") ", "").Replace(log.String()); got != "abcdefghijkclose" {
		t.Errorf("got %s", got)
	}
}
