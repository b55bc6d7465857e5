package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"kagami/records"
)

const (
	maxAlertLine = 4 << 20   // octets of a line; longer ones are skipped and counted
	logWindow    = 128 << 20 // octets that a zstd frame may ask for
)

// alertLine is an alert as the ecs format writes it.
type alertLine struct {
	Timestamp time.Time `json:"@timestamp"`
	Event     struct {
		ID, Dataset, Reason string
		Start, End          time.Time
	}
	Source struct {
		IP     netip.Addr
		Domain string
		User   struct{ Name string }
	}
	Destination struct {
		Address string
		IP      netip.Addr
		Port    uint16
	}
	Rule   struct{ Name string }
	Threat struct{ Technique struct{ ID []string } }
	Kagami struct {
		Alert struct {
			Advice      string
			AdviceJA    string `json:"advice_ja"`
			Benign      string
			BenignJA    string `json:"benign_ja"`
			Chain       []string
			Communities []string `json:"community_ids"`
			Evidence    []string
			EvidenceJA  []string `json:"evidence_ja"`
			Fetch       string
			Flows       []string `json:"flow_ids"`
			Histogram   []records.Bin
			Incident    string
			Level       string
			Score       float64
			Severity    string
			TitleJA     string `json:"title_ja"`
			Update      int
			Window      struct {
				ClockSteps uint64 `json:"clock_steps"`
				Dropped    uint64
				Duplicates uint64
				Flows      uint64
				Missed     uint64 `json:"missed_bytes"`
				OneSided   uint64 `json:"one_sided"`
			}
		}
	}
}

// alert is the record that the line was made of, as far as it tells.
func (l *alertLine) alert() *records.Alert {
	m := records.Meta{At: nanoseconds(l.Timestamp), Kind: records.KindAlert}
	if l.Source.IP.IsValid() {
		m.Key.A = l.Source.IP.As16()
	}
	if l.Source.Domain != "" || l.Source.User.Name != "" {
		m.ClientHost = &records.Host{Name: records.Fact{Value: l.Source.Domain}, User: records.Fact{Value: l.Source.User.Name}}
	}
	x := &l.Kagami.Alert
	r := records.NewAlert(m)
	r.Rule, r.Title, r.Score, r.Severity = l.Rule.Name, l.Event.Reason, x.Score, severityNamed(x.Severity)
	r.Source, r.Destination, r.DestAddr, r.DestPort = l.Source.IP.Unmap(), l.Destination.Address, l.Destination.IP.Unmap(), l.Destination.Port
	r.Since, r.Until = nanoseconds(l.Event.Start), nanoseconds(l.Event.End)
	r.Evidence, r.Benign, r.Technique, r.Flows, r.Communities = x.Evidence, x.Benign, l.Threat.Technique.ID, x.Flows, x.Communities
	w := &x.Window
	r.Window = records.Window{Flows: w.Flows, OneSided: w.OneSided, Missed: w.Missed, Dropped: w.Dropped, Duplicates: w.Duplicates, ClockSteps: w.ClockSteps}
	r.Fetch, r.Incident, r.Update, r.Level, r.Histogram, r.Chain = x.Fetch, x.Incident, x.Update, x.Level, x.Histogram, x.Chain
	r.Advice, r.TitleJA, r.BenignJA, r.AdviceJA, r.EvidenceJA = x.Advice, x.TitleJA, x.BenignJA, x.AdviceJA, x.EvidenceJA
	return r
}

// nanoseconds is a time as records have it, 0 for none and for those out of range.
func nanoseconds(t time.Time) int64 {
	if y := t.Year(); y < 1970 || y > 2200 {
		return 0
	}
	return t.UnixNano()
}

func severityNamed(s string) records.Severity {
	for _, x := range []records.Severity{records.Low, records.Medium, records.High} {
		if s == x.String() {
			return x
		}
	}
	return 0
}

// isAlert is how a line of an alert is told from those of other records before it
// is decoded. Within a text, quotation marks would be escaped.
var isAlert = []byte(`"kagami.alert"`)

// readAlerts reads JSON lines and hands on the alerts. It returns how many lines
// were neither an alert nor another record.
func readAlerts(r io.Reader, each func(a *records.Alert, id string)) (skipped uint64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		line, long, err := longLine(in)
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var l alertLine
			switch {
			case long || text[0] != '{':
				skipped++
			case !bytes.Contains(text, isAlert):
			case json.Unmarshal(text, &l) != nil:
				skipped++
			case l.Event.Dataset == "kagami.alert":
				each(l.alert(), l.Event.ID)
			}
		}
		if err == io.EOF {
			return skipped, nil
		}
		if err != nil {
			return skipped, err
		}
	}
}

// longLine reads a line. Of one that is too long, it reads all and keeps little.
func longLine(in *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxAlertLine {
			long, line = true, line[:min(len(line), 1)]
		}
		if !long {
			line = append(line, part...)
		} else if len(line) == 0 {
			line = append(line, '.')
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// openLog opens a file, "-" being stdin, and unpacks gzip (RFC 1952) and zstd (RFC
// 8878).
func openLog(path string) (io.ReadCloser, error) {
	var f io.ReadCloser = os.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open alerts: %w", err)
		}
		f = file
	}
	in := bufio.NewReader(f)
	magic, err := in.Peek(4)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	unpacked := unpackedLog{Reader: in, file: f}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		unpacked.Reader, err = gzip.NewReader(in)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderMaxWindow(logWindow), zstd.WithDecoderConcurrency(1)); err == nil {
			unpacked.Reader, unpacked.done = z, z.Close
		}
	default:
		err = nil
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("unpack alerts of %q: %w", path, err)
	}
	return unpacked, nil
}

type unpackedLog struct {
	io.Reader
	file io.Closer
	done func() // of the unpacker, nil = none
}

func (u unpackedLog) Close() error {
	if u.done != nil {
		u.done()
	}
	return u.file.Close()
}
