package chain

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logger plays a log that has no room for stamps, with its account beside it.
type logger struct {
	t        *testing.T
	path     string
	start    uint64
	at       int64
	n        uint64
	i        int
	previous Mark
	chain    *Chain
	account  *AccountFile
	lines    []string
	failing  bool // claims cannot be written
}

func newLogger(t *testing.T) *logger {
	l := &logger{t: t, path: filepath.Join(t.TempDir(), "access.log"), at: t0}
	l.boot()
	return l
}

func (l *logger) boot() {
	l.start, l.n = l.start+1, 0
	s := Stream{"fw1", fmt.Sprintf("%016x", l.start), "access"}
	l.chain = New(s, false)
	var err error
	if l.account, err = OpenAccount(l.path, s); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logger) minutes(n int, end bool) *logger {
	for k := range n {
		for range 10 {
			l.i++
			line := fmt.Sprintf("1794791527.%06d 286 10.0.0.23 GET http://a.example/", l.i)
			_, tag := l.chain.Add([]byte(line))
			l.account.Add(tag)
			l.lines = append(l.lines, line)
		}
		l.n++
		l.at += minute
		c := Claim{Stream: l.chain.Stream(), Start: l.start, N: l.n, At: l.at, Every: time.Minute, Previous: l.previous, End: end && k == n-1}
		c.First, c.Last, c.Digest = l.chain.Cut()
		text := c.AppendSigned(nil, testKey(1))
		l.previous = Mark{Boot: c.Boot, N: c.N, Hash: HashClaim(text)}
		if err := l.account.Claim(text); (err != nil) != l.failing {
			l.t.Fatal(err)
		}
	}
	return l
}

func (l *logger) verify(lines []string) *Report {
	l.t.Helper()
	write(l.t, filepath.Dir(l.path), "access.log", lines)
	return verify(l.t, Options{Inputs: []string{l.path}})
}

func TestAccount(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func([]string) []string
		want string
	}{
		{"nothing", func(l []string) []string { return l }, ""},
		{"one octet", func(l []string) []string { l[100] += "x"; return l }, "altered 101"},
		{"two lines", func(l []string) []string { l[100], l[101] = "x", "y"; return l }, "altered 101-102"},
		{"the first", func(l []string) []string { l[0] = "x"; return l }, "altered 1"},
		{"the last", func(l []string) []string { l[1999] = "x"; return l }, "altered 2000"},
		{"one removed", func(l []string) []string { return slices.Delete(l, 100, 101) }, "missing 101"},
		{"an hour removed", func(l []string) []string { return slices.Delete(l, 300, 900) }, "missing 301-900"},
		{"two swapped", func(l []string) []string { l[30], l[31] = l[31], l[30]; return l }, "reordered 32"},
		{"one put in", func(l []string) []string { return slices.Insert(l, 50, "x") }, "inserted"},
		{"its end cut off", func(l []string) []string { return l[:1500] }, "missing 1501-2000"},
		{"other lines than these", func(l []string) []string {
			for i := range l {
				l[i] = "x"
			}
			return l
		}, "altered 1-2000"},
		{"delivered twice", func(l []string) []string { return slices.Insert(l, 200, l[100:200]...) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLogger(t).minutes(200, true)
			r := l.verify(tt.do(slices.Clone(l.lines)))
			wantSaid(t, r, tt.want)
			if tt.want == "" && (r.Vouched != 2000 || r.Beats != 200) {
				t.Errorf("%d vouched for, %d heartbeats", r.Vouched, r.Beats)
			}
		})
	}
}

// TestAccountRotated: the log was rotated, the program started anew, and one of
// the files is another's.
func TestAccountRotated(t *testing.T) {
	l := newLogger(t).minutes(50, true)
	l.boot()
	l.minutes(50, true)
	dir := filepath.Dir(l.path)
	old := write(t, dir, "access.log.2", l.lines[:333])
	mid := write(t, dir, "access.log.1", l.lines[333:666])
	top := write(t, dir, "access.log", l.lines[666:])
	for _, in := range [][]string{{old, mid, top}, {top, mid, old}} {
		r := verify(t, Options{Inputs: in})
		if wantSaid(t, r, ""); r.Vouched != 1000 || kinds(r.Notes) != "restart" {
			t.Errorf("%d vouched for; %s", r.Vouched, kinds(r.Notes))
		}
	}
	wantSaid(t, verify(t, Options{Inputs: []string{old, top}}), "missing 334-500, missing 1-166")
	stranger := newLogger(t)
	stranger.i = 70000
	write(t, dir, "access.log.1", stranger.minutes(33, true).lines)
	r := verify(t, Options{Inputs: []string{old, mid, top}})
	if got := kinds(r.Findings); !strings.Contains(got, "altered") || r.Altered != 330 {
		t.Errorf("a swapped file: %s, %d altered", said(r.Findings), r.Altered)
	}
}

// TestAccountTorn: a power cut within a line of the account.
func TestAccountTorn(t *testing.T) {
	l := newLogger(t).minutes(3, false)
	b, err := os.ReadFile(l.path + accountSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path+accountSuffix, b[:len(b)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	l.boot()
	l.minutes(3, true)
	r := l.verify(l.lines)
	if got := kinds(r.Findings); got != "damaged-stamp, unvouched, end-of-start-missing" {
		t.Errorf("%s", said(r.Findings))
	}
}

// TestAccountDiskFull: what a full disk did not take is written when there is room
// again, unless it is too much.
func TestAccountDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	l := newLogger(t).minutes(3, false)
	disk := l.account.f
	l.account.f = full
	l.failing = true
	l.minutes(500, false)
	l.account.f, l.failing = disk, false
	l.minutes(3, true)
	if r := l.verify(l.lines); !r.Good() || r.Vouched != 5060 {
		t.Errorf("%d vouched for; %s", r.Vouched, said(r.Findings))
	}

	l = newLogger(t).minutes(3, false)
	disk = l.account.f
	if _, err := disk.WriteString("tags sensor:fw1 bo"); err != nil { // all that there was room for
		t.Fatal(err)
	}
	l.account.wait = []byte("ot:")
	l.account.f, l.failing = full, true
	l.minutes(5000, false)
	if n := len(l.account.wait); n > accountWaits {
		t.Errorf("%d octets are kept", n)
	}
	l.account.f, l.failing = disk, false
	r := l.minutes(3, true).verify(l.lines)
	if got := kinds(r.Findings); !strings.Contains(got, "silent") || !strings.Contains(got, "damaged-stamp") || r.Streams[0].Last != uint64(len(l.lines)) {
		t.Errorf("lost for good: %s, up to %d", said(r.Findings), r.Streams[0].Last)
	}
}

func TestAccountRolls(t *testing.T) {
	l := newLogger(t)
	for range accountFiles + 1 {
		l.account.size = accountBytes
		l.minutes(1, false)
	}
	files, _ := filepath.Glob(l.path + accountSuffix + "*")
	if len(files) != accountFiles {
		t.Errorf("files %q, want %d", files, accountFiles)
	}
	wantSaid(t, l.verify(l.lines[20:]), "")
}

func TestAccountOf(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "access.log"+accountSuffix, nil)
	for name, want := range map[string]bool{"access.log": true, "access.log.1": true, "access.log.2.zst": true, "access.log-20261115.gz": true, "access.log-20261115T235959Z.zst": true,
		"access.txt": false, "other.log": false, "access.log.account": false} {
		if got := accountOf(filepath.Join(dir, name)) != ""; got != want {
			t.Errorf("%s has an account: %v, want %v", name, got, want)
		}
	}
}

// TestAccountOnAHangingDisk: whoever adds lines does not wait for it, memory is
// bounded, and what fits into it is written when the disk is back.
func TestAccountOnAHangingDisk(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access.log")
	if err := syscall.Mkfifo(log+accountSuffix, 0o600); err != nil { // takes 64 KiB
		t.Fatal(err)
	}
	a, err := OpenAccount(log, Stream{Sensor: "s", Boot: "b", Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 100 * tagsALine {
		a.Add(Tag{byte(i)})
	}
	if err := a.Claim([]byte("claim")); !errors.Is(err, errHangs) || time.Since(began) > 20*writeWait {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if n := len(a.wait) + len(a.out); n > 2*accountWaits {
		t.Errorf("%d octets wait", n)
	}
	r, err := os.Open(log + accountSuffix)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	if err := a.wrote(closeWait); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Claim([]byte("again")), a.Close()); err != nil {
		t.Fatal(err)
	}
	whole := <-text
	for n, line := range strings.Split(strings.TrimSuffix(whole, "\n"), "\n") {
		if line != "claim" && line != "again" && !strings.HasPrefix(line, tagsOpen) {
			t.Errorf("line %d: %.80q", n, line)
		}
	}
	if !strings.HasSuffix(whole, "\nclaim\nagain\n") {
		t.Errorf("ends in %q", whole[max(0, len(whole)-80):])
	}
}
