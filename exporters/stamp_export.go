package exporters

import (
	"errors"
	"net/url"

	"kagami/records"
)

// openStamps lets the account number the export's lines; a nil account does not.
func (e *Export) openStamps(c Config, to *url.URL, a *Account) error {
	e.kinds[records.KindHeartbeat] = false // without an account there is nothing to say
	if a == nil || alertsOnly(to) {        // a person reads these
		return nil
	}
	name := c.Name
	if name == "" {
		name = exportName(c.Format, to)
	}
	var err error
	if e.stamps, err = a.open(name, c.Format, to); err != nil {
		return errors.Join(e.wrap("open", err), e.sink.Close())
	}
	e.kinds[records.KindHeartbeat] = e.stamps != nil
	return nil
}

// heartbeat makes the export's own heartbeat. The last one follows what the joiner
// still holds, since no record may follow it.
func (e *Export) heartbeat(h *records.Heartbeat) (Line, bool) {
	e.last = h
	if e.joiner == nil {
		return e.farewell()
	}
	if h.End {
		e.joiner.rest()
	}
	return e.more()
}

// farewell writes the heartbeat that was to wait.
func (e *Export) farewell() (Line, bool) {
	h := e.stamps.complete(e.last)
	e.last = nil
	if h == nil {
		return Line{}, false
	}
	text := append(e.text[:0], h.Text...)
	switch form := e.stamps.form; {
	case form.json && e.joiner != nil:
		e.joiner.add(h)
		return e.more()
	case form.json || form.sep != 0: // the others know no such record: only its text goes
		text, _ = e.format.Append(e.text[:0], h)
	}
	m := h.Meta()
	text = e.stamps.stamp(text, classOf(m.Kind), "")
	e.text = text[:0]
	e.made.Add(1)
	return Line{Text: text, At: m.At, Kind: m.Kind, Severity: SeverityInfo, Class: classOf(m.Kind)}, true
}

// take fills in what an output's counters say in total.
func take(h *records.Heartbeat, s Stats) {
	h.Sent.Total, h.Refused.Total, h.Queued = s.Sent, s.Failed+s.Unreadable, uint64(max(0, s.QueuedLines))
	rest := s.Dropped
	for i, n := range s.DroppedBy {
		h.Lost[i].Total = n
		rest -= min(rest, n)
	}
	h.Lost[ClassFlow].Total += rest // a queue in memory drops what comes, most of which is that
}
