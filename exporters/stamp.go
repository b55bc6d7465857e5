package exporters

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"kagami/exporters/chain"
	"kagami/records"
	"kagami/signing"
)

// Account lets whoever receives records tell whether they are all there and as
// they were written: it stamps every export's lines, and turns a heartbeat into
// each export's own, signed. All exports of a pipeline share one; a pipeline that
// is started anew, because the configuration changed, has a new one.
type Account struct {
	key    ed25519.PrivateKey
	sensor string
	boot   string
	every  time.Duration
	path   string // of the state
	lock   *os.File
	log    *slog.Logger

	mu     sync.Mutex
	state  chain.State
	stamps []*stamps

	save   func(chain.State, string) error
	saving chan error // what is under way; of the goroutine that writes records, then of Close
}

// How long a heartbeat waits for the disk to have the state, and the last one: records
// wait meanwhile, and a worn card may take many seconds.
const (
	saveWait    = 250 * time.Millisecond
	saveEndWait = 5 * time.Second
)

var errSlowState = errors.New("write account state: the disk takes too long")

// OpenAccount begins the account of a start of the program.
func OpenAccount(c AccountConfig, log *slog.Logger) (*Account, error) {
	if c.Key == "" {
		c.Key = filepath.Join(c.Dir, "signing.key")
	}
	if c.Every <= 0 {
		c.Every = DefaultAccount().Every
	}
	lock, err := chain.Lock(c.Dir)
	if err != nil {
		return nil, err
	}
	a, err := begin(c, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open account: %w", err), lock.Close())
	}
	a.lock = lock
	return a, nil
}

func begin(c AccountConfig, log *slog.Logger) (*Account, error) {
	key, err := signing.Open(c.Key, 0o644)
	if err != nil {
		return nil, err
	}
	a := &Account{key: key, sensor: chain.Name(c.Sensor), boot: chain.NewBoot(), every: c.Every, path: filepath.Join(c.Dir, "account.json"), log: log, save: chain.State.Save}
	if a.state, err = chain.LoadState(a.path); err != nil {
		// Going on is better than no records at all: verify says that the start
		// does not join the one before it.
		log.Error("the account begins anew", "err", err)
	}
	a.state.Starts++
	switch err := a.state.Save(a.path); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT): // no reason to send nothing
		log.Error("the account of this start cannot be noted until there is room", "err", err)
	case err != nil:
		return nil, err
	}
	return a, nil
}

// Boot is the id of this start.
func (a *Account) Boot() string { return a.boot }

// Sensor is the sensor's id as it stands in stamps.
func (a *Account) Sensor() string { return a.sensor }

// Fingerprint names the key that heartbeats are signed with.
func (a *Account) Fingerprint() string {
	return signing.Fingerprint(signing.Public(a.key))
}

// Beat writes a heartbeat to every output, and notes it on disk. It belongs to the
// goroutine that writes records to them.
func (a *Account) Beat(to []Output, h *records.Heartbeat) error {
	var errs []error
	for _, x := range to {
		own := *h // the record is borrowed by whoever formats it
		take(&own, x.Stats())
		errs = append(errs, x.Write([]records.Record{&own}))
	}
	wait := saveWait
	if h.End {
		wait = saveEndWait
	}
	return errors.Join(append(errs, a.note(wait))...)
}

// note notes the state on disk; what was under way comes first.
func (a *Account) note(wait time.Duration) error {
	if err := a.noted(wait); errors.Is(err, errSlowState) {
		return err
	}
	a.mu.Lock()
	state := chain.State{Starts: a.state.Starts, Exports: maps.Clone(a.state.Exports)}
	a.mu.Unlock()
	done := make(chan error, 1)
	a.saving = done
	go func() { done <- a.save(state, a.path) }()
	return a.noted(wait)
}

// noted waits for what is under way.
func (a *Account) noted(wait time.Duration) error {
	if a.saving == nil {
		return nil
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case err := <-a.saving:
		a.saving = nil
		return err
	case <-late.C:
		return errSlowState
	}
}

// Close writes what stands in accounts beside logs.
func (a *Account) Close() error {
	errs := []error{a.noted(saveEndWait)} // or else it could come behind the next start's
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.stamps {
		if s.file != nil {
			errs = append(errs, s.file.Close())
		}
	}
	errs = append(errs, a.lock.Close())
	return errors.Join(errs...)
}

// stampForm is where a format's lines have room for a stamp.
type stampForm struct {
	json bool
	eve  bool // JSON, but only what Suricata's schema knows
	sep  byte // of key=value pairs; 0 = no pairs
}

// stampForms are the formats with room; the others' stamps stand in a syslog
// header, or in an account beside the log.
var stampForms = map[string]stampForm{
	"ecs": {json: true}, "eve": {json: true, eve: true}, "zeek-json": {json: true},
	"cef": {sep: ' '}, "leef": {sep: '^'}, "leef1": {sep: '\t'},
}

// stamps stamps one export's lines. It is for the goroutine that formats them.
type stamps struct {
	account *Account
	name    string
	form    stampForm
	beside  string // path of the log, or of the directory of logs, that an account stands beside
	many    bool   // a directory
	chain   *chain.Chain
	stamper *chain.Stamper
	file    *chain.AccountFile
	logs    map[string]*stamps // of a directory
	n       uint64             // heartbeats
	made    records.Classes
	last    records.Heartbeat // the tallies of the last one
	mark    chain.Mark        // of the last one, or of the last start's last
	failed  bool              // to write the account, and said so
}

// stampsInFront tells whether a place takes a line with its stamp in front, as
// structured data, and keeps the two apart: in a syslog header (RFC 3164 has no
// room for it), in a header of the message (kagami-stamp), in event.original, in the
// column stamp.
func stampsInFront(to *url.URL) bool {
	product, _, _ := strings.Cut(to.Scheme, "+")
	switch product {
	case "syslog":
		return to.Query().Get("rfc") != "3164"
	case "kafka", "nats", "opensearch", "elasticsearch", "clickhouse":
		return true
	}
	return false
}

// splitStamp separates such a stamp, with the blank behind it, from the line; "" if
// there is none.
func splitStamp(text []byte) (stamp, line []byte) {
	line = chain.WithoutStructured(text)
	return text[:len(text)-len(line)], line
}

// open makes the stamps of an export; nil where its lines have no room and there
// is no place beside them.
func (a *Account) open(name, format string, to *url.URL) (*stamps, error) {
	s := &stamps{account: a, form: stampForms[format]}
	switch _, room := stampForms[format]; {
	case room || stampsInFront(to):
	case to.Scheme == "file" && !isDevice(to.Path):
		s.beside, s.many = filepath.Clean(to.Path), isDirectory(to)
	default:
		a.log.Warn("this export's records bear no numbers: its format has no room for them, and the place no headers", "format", format, "to", Redact(to.String()))
		return nil, nil
	}
	if s.many {
		s.name, s.logs = name, map[string]*stamps{}
		return s, nil
	}
	return s, s.begin(name, s.beside)
}

// isDevice tells whether a path leads to what keeps no lines: a device, a pipe.
func isDevice(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

// begin starts the chain of one stream of lines.
func (s *stamps) begin(name, beside string) error {
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	s.name = a.unused(chain.Name(name))
	s.chain = chain.New(chain.Stream{Sensor: a.sensor, Boot: a.boot, Name: s.name}, beside == "")
	s.stamper = chain.NewStamper(s.chain, max(s.form.sep, ' '))
	s.mark = a.state.Exports[s.name]
	if beside != "" {
		var err error
		if s.file, err = chain.OpenAccount(beside, s.chain.Stream()); err != nil {
			return err
		}
	}
	a.stamps = append(a.stamps, s)
	return nil
}

// unused is name, with a number if another export has it.
func (a *Account) unused(name string) string {
	taken := func(n string) bool {
		for _, s := range a.stamps {
			if s.name == n {
				return true
			}
		}
		return false
	}
	base := name
	for i := 2; taken(name); i++ {
		suffix := "-" + strconv.Itoa(i)
		name = base[:min(len(base), 63-len(suffix))] + suffix
	}
	return name
}

// exportName is what an export is called in stamps when its configuration gives
// no name: format and file or host, as in "ecs-records.jsonl".
func exportName(format string, to *url.URL) string {
	place := to.Hostname()
	if place == "" {
		place = filepath.Base(to.Path)
	}
	if place == "" || place == "." || place == "/" {
		place = to.Scheme
	}
	return chain.Name(format + "-" + place)
}

// stamp gives a line its number; nil stamps nothing.
func (s *stamps) stamp(text []byte, class uint8, log string) []byte {
	if s == nil {
		return text
	}
	if s.many {
		if s = s.of(log); s == nil {
			return text
		}
	}
	s.made[class].Total++
	switch {
	case s.form.eve:
		return s.stamper.EVE(text, 0)
	case s.form.json:
		return s.stamper.JSON(text, 0)
	case s.form.sep != 0:
		return s.stamper.Pairs(text, 0)
	case s.file != nil:
		_, tag := s.chain.Add(text)
		s.file.Add(tag)
		return text
	}
	return s.stamper.Structured(text, 0)
}

// of are the stamps of one log of a directory; nil when its account cannot be opened.
func (s *stamps) of(log string) *stamps {
	one, ok := s.logs[log]
	if ok {
		return one
	}
	one = &stamps{account: s.account}
	if err := one.begin(s.name+"."+log, filepath.Join(s.beside, log+".log")); err != nil {
		s.account.log.Error("no account of a log", "err", err)
		one = nil
	}
	s.logs[log] = one
	return one
}
