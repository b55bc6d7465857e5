package exporters

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/exporters/chain"
	"kagami/records"
)

// count fills in what an export's counters say since the last heartbeat.
func (s *stamps) count(h *records.Heartbeat) {
	last := &s.last
	h.Sent, h.Refused = last.Sent.To(h.Sent.Total), last.Refused.To(h.Refused.Total)
	for i := range h.Lost {
		h.Lost[i] = last.Lost[i].To(h.Lost[i].Total)
		h.Made[i] = last.Made[i].To(s.made[i].Total)
	}
	*last = *h
}

// complete makes an export's own heartbeat of the sensor's; nil if no line of the
// export is to say it, because it stands in an account beside the log, or nowhere.
func (s *stamps) complete(h *records.Heartbeat) *records.Heartbeat {
	if s == nil {
		return nil
	}
	if s.many {
		for _, log := range slices.Sorted(maps.Keys(s.logs)) {
			s.logs[log].complete(h)
		}
		return nil
	}
	own := *h
	s.count(&own)
	c := s.claim(&own)
	a := s.account
	text := c.AppendSigned(nil, a.key)
	a.mu.Lock()
	s.mark = chain.Mark{Boot: c.Boot, N: c.N, Hash: chain.HashClaim(text)}
	a.state.Exports[s.name] = s.mark
	a.mu.Unlock()
	own.Sensor, own.Export, own.Boot, own.Start, own.Number, own.First, own.Last = c.Sensor, c.Name, c.Boot, c.Start, c.N, c.First, c.Last
	own.Text = string(text)
	if s.file == nil {
		return &own
	}
	err := s.file.Claim(text)
	if err != nil && !s.failed {
		a.log.Error("an account beside a log cannot be written", "export", s.name, "err", err)
	}
	s.failed = err != nil
	return nil
}

func (s *stamps) claim(h *records.Heartbeat) *chain.Claim {
	a := s.account
	s.n++
	c := &chain.Claim{Stream: s.chain.Stream(), Start: a.state.Starts, N: s.n, At: h.Meta().At, Every: a.every, End: h.End, Facts: facts(h)}
	c.First, c.Last, c.Digest = s.chain.Cut()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.Previous = s.mark
	for _, other := range a.stamps {
		if m := other.mark; other != s && m.N > 0 { // before its first heartbeat, the last one of the start before
			m.Name = other.name
			c.Also = append(c.Also, m)
		}
	}
	c.Also = turn(c.Also, s.n)
	return c
}

// turn is as many marks as a claim takes, other ones each time.
func turn(all []chain.Mark, n uint64) []chain.Mark {
	if len(all) <= chain.MaxAlso {
		return all
	}
	first := int(n * chain.MaxAlso % uint64(len(all)))
	return append(all[first:], all[:first]...)[:chain.MaxAlso]
}

// facts are what a heartbeat says besides which records there were.
func facts(h *records.Heartbeat) (out []chain.Fact) {
	add := func(name, value string) {
		if value != "" {
			out = append(out, chain.Fact{Name: name, Value: value})
		}
	}
	number := func(name string, v uint64) { add(name, strconv.FormatUint(v, 10)) }
	tally := func(name string, t records.Tally) {
		number(name, t.Total)
		number(name+"_since", t.Since)
	}
	tally("packets", h.Packets)
	tally("dropped", h.Dropped)
	add("made", perClass(&h.Made, false))
	add("made_since", perClass(&h.Made, true))
	tally("sent", h.Sent)
	tally("refused", h.Refused)
	add("lost", perClass(&h.Lost, false))
	add("lost_since", perClass(&h.Lost, true))
	number("queued", h.Queued)
	add("detectors", h.Detectors)
	number("tables_full", h.TablesFull)
	number("blind", h.Blind)
	add("version", h.Version)
	add("config", h.Config)
	add("kernel_boot", h.KernelBoot)
	add("uptime", time.Duration(h.Uptime).String())
	switch {
	case !h.Clock.Known:
		add("clock", "unknown")
	case h.Clock.Synchronised:
		add("clock", "synchronised")
	default:
		add("clock", "free")
	}
	if h.Clock.Known {
		add("clock_offset", time.Duration(h.Clock.Offset).String())
		add("clock_max_error", time.Duration(h.Clock.MaxError).String())
	}
	return out
}

// perClass is "flows,protocols,identities,alerts".
func perClass(c *records.Classes, since bool) string {
	var b strings.Builder
	for i, t := range c {
		if i > 0 {
			b.WriteByte(',')
		}
		v := t.Total
		if since {
			v = t.Since
		}
		b.WriteString(strconv.FormatUint(v, 10))
	}
	return b.String()
}
