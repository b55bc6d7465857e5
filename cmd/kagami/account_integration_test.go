package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/exporters"
	"kagami/exporters/chain"
	"kagami/lab/integration"
	"kagami/records"
	"kagami/signing"
)

// accountFormats are one of those that bear their stamps themselves, and one of
// those that do not.
var accountFormats = []string{"ecs", "squid"}

// Of a run: so many records of the bundled capture are written, a heartbeat stands
// behind so many, and so many are written at once.
const (
	accountRecords = 100_000
	accountMinute  = 2000
	accountChunk   = 250
	accountPause   = 25 * time.Millisecond // between chunks: 10,000 records a second
)

// TestIntegrationAccount: a sensor with queues on disk sends records to a real
// server, which goes away while the sensor is started anew, and comes back. What
// the server has in the end is whole; a record that is taken out of it and an octet
// that is changed in it are named.
func TestIntegrationAccount(t *testing.T) {
	for _, p := range accountPlaces {
		t.Run(p.name, func(t *testing.T) {
			integration.Need(t)
			far := p.start(t, accountFormats)
			s := newAccountSensor(t, far)
			all := recordsOfCapture(t)
			began := time.Now()

			s.open()
			s.write(all, accountRecords/2)
			if p.quiet { // it says nothing of what it took: what it had not read would be lost
				s.settle()
			}
			far.Kill()
			s.write(all, accountRecords/8)
			s.close() // with lines that wait
			s.open()
			s.write(all, accountRecords/8)
			far.Run()
			s.write(all, accountRecords/4)
			s.settle()
			s.close()
			took := time.Since(began)

			var told []string
			for _, format := range accountFormats {
				path := filepath.Join(t.TempDir(), format)
				far.dump(t, format, path)
				r := s.verify(path, p.anyOrder)
				if !r.Good() || r.Records != s.made[format] || r.Vouched != r.Records-2 || r.Missing+r.Altered != 0 || len(r.Streams) != 2 {
					t.Errorf("%s: %d of %d records, %d vouched for, %d missing, %d altered: %v", format, r.Records, s.made[format], r.Vouched, r.Missing, r.Altered, r.Findings)
				}
				told = append(told, fmt.Sprintf("%s %d of %d whole, %d twice", format, r.Records, s.made[format], r.Repeated))
				wantNamed(t, s, path, p.anyOrder)
			}
			t.Logf("%s; %v with a server and a sensor restarted", strings.Join(told, "; "), took.Round(time.Second))
		})
	}
}

// TestIntegrationAccountLoss: a syslog daemon hangs under load and is killed. What lay
// in its socket is lost, for plain syslog has no acknowledgement, and verify names exactly
// the records that are not there.
func TestIntegrationAccountLoss(t *testing.T) {
	for _, p := range accountPlaces {
		if !p.quiet {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			integration.Need(t)
			far := p.start(t, accountFormats)
			s := newAccountSensor(t, far)
			all := recordsOfCapture(t)
			s.open()
			s.write(all, accountRecords/8)
			far.Hang()
			s.write(all, accountRecords/16)
			far.Kill()
			s.write(all, accountRecords/16)
			far.Run()
			s.write(all, accountRecords/8)
			s.drain()
			s.close()
			time.Sleep(2 * time.Second) // the daemon writes what it has read
			path := filepath.Join(t.TempDir(), "ecs")
			far.dump(t, "ecs", path)
			there := map[string]bool{}
			for _, line := range readLines(t, path) {
				there[stampNumber(line)] = true
			}
			delete(there, "")
			r := s.verify(path, false)
			if lost := s.made["ecs"] - uint64(len(there)); r.Missing != lost || r.Records != uint64(len(there)) || r.Altered != 0 {
				t.Errorf("%d records are not there, verify says %d missing, %d altered: %v", lost, r.Missing, r.Altered, r.Findings)
			}
			if r.Missing == 0 {
				t.Error("nothing was lost: this test shows nothing")
			}
			t.Logf("of %d records %d are missing, and named", s.made["ecs"], r.Missing)
		})
	}
}

// wantNamed takes a record out of what a server has, and changes an octet of it.
func wantNamed(t *testing.T, s *accountSensor, path string, anyOrder bool) {
	t.Helper()
	lines := readLines(t, path)
	i := len(lines) / 2
	for bytes.Contains(lines[i], []byte("kagami-heartbeat-1")) || stampNumber(lines[i]) == "" {
		i++
	}
	number, err := strconv.ParseUint(stampNumber(lines[i]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	changed := path + ".changed"
	write := func(parts ...[][]byte) {
		var b bytes.Buffer
		for _, p := range parts {
			for _, l := range p {
				b.Write(append(bytes.Clone(l), '\n'))
			}
		}
		writeFile(t, changed, b.String())
	}
	var without [][]byte
	for _, l := range lines { // with what arrived twice
		if !bytes.Equal(l, lines[i]) {
			without = append(without, l)
		}
	}
	write(without)
	if r := s.verify(changed, anyOrder); len(r.Findings) == 0 || r.Findings[0].Kind != chain.Missing || r.Findings[0].First != number || r.Missing != 1 {
		t.Errorf("record %d taken out: %v", number, r.Findings)
	}
	flipped := bytes.Clone(lines[i])
	at := bytes.Index(flipped, []byte(" TCP_")) // the first: in OpenSearch message is a copy of event.original, which is what counts
	if at = max(at, bytes.Index(flipped, []byte(`"ecs":`))) + 2; at < 2 {
		t.Fatalf("not as expected: %s", flipped)
	}
	flipped[at] ^= 1
	write(without, [][]byte{flipped})
	r := s.verify(changed, true)
	if len(r.Findings) == 0 || r.Findings[0].Kind != chain.Altered || r.Findings[0].First != number || r.Findings[0].Line != uint64(len(without)+1) || r.Altered != 1 {
		t.Errorf("octet of record %d changed: %v", number, r.Findings)
	}
}

func readLines(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

var stampSeq = regexp.MustCompile(`"kagami\.export":\{"sensor":"[^"]*","boot":"([^"]*)","name":"[^"]*","seq":(\d+),|` +
	`boot=\\?"([^"\\]*)\\?" name=\\?"[^"\\]*\\?" seq=\\?"(\d+)\\?" tag=`)

// stampNumber is the number in a line's stamp, "" if it has none. It knows nothing of
// how verify finds it.
func stampNumber(line []byte) string {
	m := stampSeq.FindSubmatch(line)
	if m == nil {
		return ""
	}
	return string(m[2]) + string(m[4])
}

// accountSensor is what of a sensor comes behind its detectors: exports with queues
// on disk, their account and its heartbeats.
type accountSensor struct {
	t       *testing.T
	dir     string
	far     *farServer
	account *exporters.Account
	exports []*exporters.Durable
	outputs []exporters.Output
	now     int64
	written int
	made    map[string]uint64 // by format
}

func newAccountSensor(t *testing.T, far *farServer) *accountSensor {
	return &accountSensor{t: t, dir: t.TempDir(), far: far, now: time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC).UnixNano(), made: map[string]uint64{}}
}

// open starts it.
func (s *accountSensor) open() {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(s.t.Output(), nil))
	var err error
	if s.account, err = exporters.OpenAccount(exporters.AccountConfig{Dir: s.dir, Sensor: "sensor1"}, log); err != nil {
		s.t.Fatal(err)
	}
	s.exports, s.outputs = nil, nil
	for _, format := range accountFormats {
		x, err := exporters.OpenDurable(exporters.Config{Name: format, Format: format, To: s.far.to(format), Queue: exporters.QueueDisk},
			exporters.Env{HostName: "sensor1", SensorID: s.account.Sensor(), BootID: s.account.Boot(), Account: s.account, Logger: log}, s.dir)
		if err != nil {
			s.t.Fatal(err)
		}
		s.exports, s.outputs = append(s.exports, x), append(s.outputs, x)
	}
}

// write writes n records, with their heartbeats.
func (s *accountSensor) write(all []records.Record, n int) {
	s.t.Helper()
	for end := s.written + n; s.written < end; {
		from := s.written % len(all)
		some := all[from:min(from+min(accountChunk, end-s.written), len(all))]
		for _, x := range s.exports {
			if err := x.Write(some); err != nil {
				s.t.Fatal(err)
			}
		}
		before := s.written
		s.written += len(some)
		if s.written/accountMinute > before/accountMinute {
			s.beat(false)
		}
		time.Sleep(accountPause)
	}
}

func (s *accountSensor) beat(end bool) {
	s.t.Helper()
	s.now += int64(time.Minute)
	h := records.NewHeartbeat(records.Meta{At: s.now})
	h.End = end
	if err := s.account.Beat(s.outputs, h); err != nil {
		s.t.Fatal(err)
	}
}

// drain waits until everything is sent.
func (s *accountSensor) drain() {
	s.t.Helper()
	for _, x := range s.exports {
		last, moved := 0, time.Now()
		for n := x.Stats().QueuedLines; n > 0; n = x.Stats().QueuedLines {
			if n != last {
				last, moved = n, time.Now()
			} else if time.Since(moved) > 2*time.Minute {
				s.t.Fatalf("%s: %d lines wait, and none goes: %+v", x.Name(), n, x.Stats())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// settle waits until everything is sent, and the server had time to read it.
func (s *accountSensor) settle() {
	s.t.Helper()
	s.drain()
	time.Sleep(3 * time.Second)
}

// close stops it in good order; what waits stays on disk.
func (s *accountSensor) close() {
	s.t.Helper()
	s.beat(true)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	for i, x := range s.exports {
		errs = append(errs, x.Close(ctx))
		st := x.Stats()
		if st.Dropped+st.Failed > 0 {
			s.t.Errorf("%s: %+v", x.Name(), st)
		}
		s.made[accountFormats[i]] += st.Made
	}
	if err := errors.Join(append(errs, s.account.Close())...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *accountSensor) verify(path string, anyOrder bool) *chain.Report {
	s.t.Helper()
	key, err := signing.ReadPublic(filepath.Join(s.dir, "signing.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := chain.Verify(chain.Options{Inputs: []string{path}, Keys: []chain.Key{{Public: key}}, AnyOrder: anyOrder})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}
