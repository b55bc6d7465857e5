package exporters

import (
	"log/slog"
	"time"
)

// refusals tells of lines that a place will never take: the first at once, the
// rest summed up once a minute, so that one bad field does not flood the log.
// How many there were is in the export's counters (Stats.Failed).
type refusals struct {
	logger *slog.Logger
	place  string // without secrets
	logged time.Time
	muted  int // since then
}

func newRefusals(l *slog.Logger, place string) refusals {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return refusals{logger: l, place: place}
}

const maxReason = 500 // octets of a reason in the log

// add counts one line; the reason may quote what came from the wire.
func (r *refusals) add(l *Line, reason string) {
	if !r.logged.IsZero() && time.Since(r.logged) < logEvery {
		r.muted++
		return
	}
	r.logger.Warn("export place refuses a record", "place", r.place, "kind", kindName(l.Kind), "seq", l.Seq,
		"reason", reason[:min(len(reason), maxReason)], "more", r.muted)
	r.logged, r.muted = time.Now(), 0
}
