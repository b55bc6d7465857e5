package exporters

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kagami/records"
)

// Steps of the clock. Waits, backoff, timeouts, pauses between two reports, syncs
// and settling are measured by Go's monotonic clock, which does not step: every
// such time comes from time.Now and is compared by Sub, Since or Until. What goes
// by the clock on the wall is here: when files end, what they are called, and the
// records' own times.

func TestFileGoesOnWhenTheClockIsSetBack(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := newFileSink("", fileOptions{rotateEvery: 24 * time.Hour}, nil)
	s.regular, s.size, s.began = true, 1, s.period(noon)
	for _, c := range []struct {
		name string
		now  time.Time
		due  bool
	}{
		{"later that day", noon.Add(11 * time.Hour), false},
		{"set back by a day", noon.Add(-13 * time.Hour), false},
		{"and on from there", noon.Add(-12*time.Hour - time.Second), false},
		{"midnight by that clock", noon.Add(-12 * time.Hour), true},
		{"set forward by a day", noon.Add(36 * time.Hour), true},
	} {
		if got := s.due(c.now); got != c.due {
			t.Errorf("%s: due %v", c.name, got)
		}
		if c.due {
			s.began = s.period(c.now)
		}
	}
	s.size = 0
	if s.due(noon.Add(96 * time.Hour)) {
		t.Error("an empty file ends")
	}
	if s.size = 1; s.due(noon.Add(96 * time.Hour)) {
		t.Error("a file ends with its first line")
	}
}

// The newest files are kept, whatever the clock did when they ended.
func TestArchiveOrderWhenTheClockSteps(t *testing.T) {
	dir := t.TempDir()
	a := newArchive(dir, fileOptions{keep: 3, plain: true}, slog.New(slog.DiscardHandler))
	defer a.close()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i, now := range []time.Time{noon, noon.Add(time.Hour), noon.Add(-24 * time.Hour), noon.Add(-23 * time.Hour), noon.Add(25 * time.Hour), noon.Add(2 * time.Hour)} {
		if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte{byte('0' + i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		if !a.take("a.log", now) {
			t.Fatal("not taken")
		}
		settle(t, a)
	}
	a.resume("a.log")
	settle(t, a)
	text, files := wholeOf(t, dir, "a.log")
	want := []string{"a.log.20261122T130000.002Z", "a.log.20261123T130000.000Z", "a.log.20261123T130000.001Z"}
	if text != "345" || !slices.Equal(files, want) {
		t.Errorf("%q in %v", text, files)
	}
	// A name from a clock that was far off does not carry all others with it.
	os.WriteFile(filepath.Join(dir, "a.log.20990101T000000.000Z"), nil, 0o600)
	if got := a.stamp("a.log", noon.Add(48*time.Hour)); !got.Equal(noon.Add(48 * time.Hour)) {
		t.Errorf("%v", got)
	}
}

// Records whose times jump by a day keep their order, and none is lost by it.
func TestQueueWhenTheClockSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &farPlace{write: down}
		d := durableTo(t, filepath.Join(t.TempDir(), "queue"), p)
		begin := dnsRecord(t, nil).Meta().At
		day := int64(24 * time.Hour)
		for i := range int64(300) {
			d.Write([]records.Record{dnsRecord(t, func(r *records.DNS) { r.Meta().At = begin + i + []int64{0, day, -day}[i%3] })})
		}
		time.Sleep(time.Minute)
		if s := d.Stats(); s.Oldest != begin || s.QueuedLines != 300 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		p.mu.Lock()
		p.write = nil
		p.mu.Unlock()
		time.Sleep(time.Minute)
		closeWithin(time.Minute, d)
		numbered(t, p.seqs(), 1, 300)
		for i, l := range p.lines {
			if l.At != begin+int64(i)+[]int64{0, day, -day}[i%3] {
				t.Fatalf("line %d is of %d", i, l.At)
			}
		}
	})
}

// The syslog header bears the record's own time, not that of sending.
func TestSyslogTimeIsTheRecords(t *testing.T) {
	for _, c := range []struct{ options, want string }{{"", " 2026-11-21T12:00:00"}, {"?rfc=3164&time=utc", "Nov 21 12:00:00 "}} {
		s := openSink(t, "syslog+udp://127.0.0.1:9"+c.options, syslogEnv).(*syslogSink)
		at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		if got := string(s.fit(&Line{Text: []byte("x"), At: at.UnixNano(), Severity: SeverityInfo})); !strings.Contains(got, c.want) {
			t.Errorf("%q", got)
		}
		s.Close()
	}
}
