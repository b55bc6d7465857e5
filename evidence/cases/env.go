package cases

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"kagami/records"
)

// Env is what cases need of the program around them.
type Env struct {
	Dir       string           // of the store: segments, journal, key
	Cases     string           // of the cases; "" = "cases" in Dir
	Now       func() time.Time // wall clock: stamps custody only; nil = time.Now
	Log       *slog.Logger     // nil = none
	Version   string           // of the program
	Host      string           // name of this machine
	Interface string           // on which the packets were captured
	Quota     int64            // octets of all cases together, 0 = no limit; the Keeper takes its own

	// Records writes what all decoders say of capture files, which are one stream in
	// this order, as ECS JSON lines. nil = a case has no records but its alerts.
	Records func(ctx context.Context, packets []string, w io.Writer) error
	// Replay writes a page that tells what led to what in the packets' web traffic;
	// false: there is none, and nothing was written. nil = a case has no such page.
	Replay func(ctx context.Context, packets []string, w io.Writer) (bool, error)
	// Line is a record as one line of ECS JSON, without a newline. nil = alerts are
	// not among the records.
	Line func(r records.Record) []byte

	who  func() Who                  // tests: nil = CurrentWho
	step func(name string) error     // tests: called before each step; an error ends the work there, as a crash would
	link func(from, to string) error // tests: file systems without hard links; nil = os.Link

	closing  time.Duration // tests: how long Close waits; 0 = closeWithin
	partSize int64         // tests: octets of a file of packets; 0 = maxPart
}

func (e Env) complete() Env {
	if e.Cases == "" {
		e.Cases = filepath.Join(e.Dir, "cases")
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.who == nil {
		e.who = CurrentWho
	}
	if e.closing == 0 {
		e.closing = closeWithin
	}
	if e.step == nil {
		e.step = func(string) error { return nil }
	}
	return e
}
