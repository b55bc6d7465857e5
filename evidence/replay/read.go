package replay

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"kagami/evidence/replay/tlskeys"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// reader gathers what a Reading is made of.
type reader struct {
	Options
	memory
	limits Limits
	src    *numbered
	noKeys *tlskeys.Log

	manyLookups bool
	out         Reading
	err         error
}

// Read reads a source to its end. When the source ends with an error, it is returned
// with a Reading of all that came before.
func Read(ctx context.Context, src sensor.Source, o Options) (*Reading, error) {
	r := &reader{Options: o, limits: o.Limits.withDefaults(), src: newNumbered(src), noKeys: tlskeys.NewLog()}
	r.memory = memory{limit: r.limits.Kept, limits: &r.limits}
	networks, errs := sensor.NewNetworks(nil, "")
	if len(errs) > 0 {
		return nil, fmt.Errorf("read web traffic: %w", errs[0])
	}
	e := sensor.New(sensor.Options{Config: engineConfig(), Networks: networks, Protocols: r.protocols(), Output: func([]records.Record) {}})
	if err := e.Read(ctx, r.src); err != nil {
		r.err = fmt.Errorf("read web traffic: %w", err)
	}
	stats := e.Stats()
	r.unread(&stats.Outcomes)
	r.finish(src)
	return &r.out, r.err
}

// unread says which frames could not be read.
func (r *reader) unread(outcomes *[packet.NumOutcomes]uint64) {
	for o, text := range map[packet.Outcome]string{
		packet.Truncated: "captured without all of the headers: %s",
		packet.BadHeader: "with headers that contradict themselves: %s",
		packet.BadLink:   "of a link type that is not read: %s",
	} {
		if n := outcomes[o]; n > 0 {
			r.hole(Hole{Kind: HoleLost, Time: r.src.first, Length: 0, Text: fmt.Sprintf(text, plural(n, "frame"))})
		}
	}
}

// ackedWait is how long segments may come late that the receiver has acknowledged
// already, as in files that were merged of two captures whose clocks differ.
const ackedWait = 10 * time.Second

// engineConfig gives streams more room than a live sensor does: nothing is lost by
// waiting.
func engineConfig() sensor.Config {
	c := sensor.DefaultConfig()
	c.Workers, c.MaxFlows = 1, 1<<16
	c.MaxHeld, c.MaxHeldFlow = 32<<20, 8<<20
	c.AckedWait = ackedWait
	c.Timeouts.Established, c.Timeouts.HalfClosed = 24*time.Hour, time.Hour
	return c
}

// protocols are what the engine looks for: every TCP stream, and DNS.
func (r *reader) protocols() []sensor.Protocol {
	return append(r.dns(), r.quic(), sensor.Protocol{
		Name:      "web",
		Transport: packet.ProtoTCP,
		Match: func(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
			switch {
			case matchDNS(f, side, first, true) == sensor.Maybe:
				return sensor.Maybe
			case side == f.Orig:
				return sensor.FromClient
			}
			return sensor.FromServer
		},
		New: func() sensor.Decoder { return &recorder{r: r} },
	})
}

// recorder is the engine's decoder: it hands a flow's octets to its channel.
type recorder struct {
	r  *reader
	ch *channel
}

// begin makes the flow with its first n octets; false when it is not wanted.
func (d *recorder) begin(f *sensor.Flow, side packet.Side, n int, st stamp) bool {
	first := d.r.src.open(&f.Key, st)
	if d.r.To != 0 && st.time > d.r.To {
		return false
	}
	a, b := addrPort(&f.Key, f.Orig), addrPort(&f.Key, f.Orig.Other())
	if d.r.Client.IsValid() && d.r.Client != a.Addr() && d.r.Client != b.Addr() {
		return false
	}
	flow := &Flow{Client: a, Server: b, First: first.time, Frame: first.frame, CommunityID: f.Key.CommunityID(f.Orig)}
	flow.Midstream = f.Meta().Visibility.Midstream
	d.ch = &channel{r: d.r, flow: flow, client: f.Orig, orig: f.Orig}
	d.ch.broken = flow.Midstream
	for s := range d.ch.tapes { // the engine tells nobody of gaps before the first octets
		missing := f.Delivered(packet.Side(s))
		if packet.Side(s) == side {
			missing -= min(uint64(n), missing)
		}
		if missing > 0 && !isDNS(f) {
			d.lose(packet.Side(s), int64(missing))
		}
	}
	return true
}

func (d *recorder) lose(side packet.Side, n int64) {
	d.ch.missing[side] += n
	d.ch.gap(side, gap{n: n, why: HoleGap})
}

func addrPort(k *packet.Key, s packet.Side) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(k.Addr(s)).Unmap(), k.Port(s))
}

// Data implements sensor.Decoder.
func (d *recorder) Data(f *sensor.Flow, side packet.Side, b []byte, _ sensor.Emit) sensor.Verdict {
	st := d.r.src.stamp(f.Now)
	if d.ch == nil && !d.begin(f, side, len(b), st) {
		return sensor.Done
	}
	d.ch.data(side, b, st)
	return d.verdict()
}

// Gap implements sensor.Decoder.
func (d *recorder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	if d.ch == nil {
		return sensor.More
	}
	d.lose(side, int64(n))
	return d.verdict()
}

func (d *recorder) verdict() sensor.Verdict {
	if d.ch.over {
		return sensor.Enough
	}
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *recorder) Close(f *sensor.Flow, _ sensor.Emit) {
	if d.ch == nil {
		return
	}
	for side := range d.ch.tapes {
		d.ch.end(packet.Side(side), f.Finished(packet.Side(side)))
	}
	d.ch.flow.Last = d.r.src.stamp(max(f.LastFrom(packet.FromA), f.LastFrom(packet.FromB))).time
	d.ch.close()
}

// addFlow and add take what a channel held, if it is in the time that is asked for.
func (r *reader) addFlow(f *Flow) bool {
	if f.Last < r.From || r.To != 0 && f.First > r.To || r.Client.IsValid() && f.Client.Addr() != r.Client {
		return false
	}
	r.out.Flows = append(r.out.Flows, f)
	return true
}

func (r *reader) add(ts []*Transaction) (added int) {
	for _, t := range ts {
		if r.wanted(t) {
			r.out.Transactions = append(r.out.Transactions, t)
			added++
		}
	}
	return added
}

// wanted tells whether a transaction is in what is asked for.
func (r *reader) wanted(t *Transaction) bool {
	at := t.begin()
	return at >= r.From && (r.To == 0 || at <= r.To) && (!r.Client.IsValid() || t.Flow.Client.Addr() == r.Client)
}

func (r *reader) hole(h Hole) { r.out.Holes = append(r.out.Holes, h) }

// finish puts everything in order and numbers it.
func (r *reader) finish(src sensor.Source) {
	o := &r.out
	o.First, o.Last, o.Frames = r.src.first, r.src.last, r.src.frames
	if n := src.Stats().Dropped; n > 0 {
		r.hole(Hole{Kind: HoleLost, Time: o.First, Length: 0, Text: fmt.Sprintf("%s %s dropped at the sensor", plural(n, "packet"), were(n))})
	}
	if d, ok := src.(interface{ Damage() (uint64, string) }); ok {
		if n, first := d.Damage(); n > 0 {
			r.hole(Hole{Kind: HoleLost, Time: o.First, Text: fmt.Sprintf("the capture is damaged in %s: %s", plural(n, "place"), first)})
		}
	}
	if r.err != nil {
		r.hole(Hole{Kind: HoleLost, Time: o.Last, Text: r.err.Error()})
	}
	if r.memory.full {
		r.hole(Hole{Kind: HoleLimit, Time: o.First, Text: fmt.Sprintf("more than %d octets were to be kept: some were not", r.limits.Kept)})
	}
	slices.SortStableFunc(o.Transactions, func(a, b *Transaction) int {
		return compare(a.begin(), a.beginFrame(), b.begin(), b.beginFrame())
	})
	slices.SortStableFunc(o.Flows, func(a, b *Flow) int { return compare(a.First, a.Frame, b.First, b.Frame) })
	for i, t := range o.Transactions {
		t.Number = i
	}
	for i, f := range o.Flows {
		f.Number = i
	}
	r.join()
	r.dropHoles()
	slices.SortStableFunc(o.Holes, func(a, b Hole) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.order(), b.order()), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Text, b.Text))
	})
}

// dropHoles forgets the holes of what was not asked for.
func (r *reader) dropHoles() {
	flows, transactions := map[*Flow]bool{nil: true}, map[*Transaction]bool{nil: true}
	for _, f := range r.out.Flows {
		flows[f] = true
	}
	for _, t := range r.out.Transactions {
		transactions[t] = true
	}
	r.out.Holes = slices.DeleteFunc(r.out.Holes, func(h Hole) bool { return !flows[h.Flow] || !transactions[h.Transaction] })
}

// order is that of holes of one moment: those of the whole capture first.
func (h *Hole) order() int {
	switch {
	case h.Transaction != nil:
		return h.Transaction.Number + 1
	case h.Flow != nil:
		return 0
	}
	return -1
}

func compare(at int64, frame int, at2 int64, frame2 int) int {
	switch {
	case at < at2 || at == at2 && frame < frame2:
		return -1
	case at > at2 || frame > frame2:
		return 1
	}
	return 0
}

// begin is when the first octet of either side came.
func (t *Transaction) begin() int64 {
	if t.Request.Time != 0 || t.Response == nil {
		return t.Request.Time
	}
	return t.Response.Time
}

func (t *Transaction) beginFrame() int {
	if t.Request.Frame != 0 || t.Response == nil {
		return t.Request.Frame
	}
	return t.Response.Frame
}

// url is the absolute URL of a request: by its target, its Host, or the address that
// it was sent to.
func (r *reader) url(f *Flow, q *Request) *url.URL {
	if q.Method == "CONNECT" || q.Target == "" {
		return nil
	}
	if t := q.Target; strings.Contains(t[:min(len(t), 10)], "://") {
		u, err := url.Parse(t)
		if err == nil && u.Host != "" {
			return u
		}
		return nil
	}
	u := &url.URL{Scheme: "http", Host: q.Get("Host")}
	if f.TLS != nil {
		u.Scheme = "https"
	}
	if u.Host == "" && f.Via != nil {
		u.Host = f.Via.Request.Target
	}
	if u.Host == "" {
		u.Host = f.Server.String()
	}
	if q.Target == "*" {
		return u
	}
	if p, err := url.ParseRequestURI(q.Target); err == nil && p.Host == "" {
		u.Path, u.RawPath, u.RawQuery, u.ForceQuery = p.Path, p.RawPath, p.RawQuery, p.ForceQuery
		return u
	}
	path, query, ok := strings.Cut(q.Target, "?")
	u.Path, u.RawQuery, u.ForceQuery = path, query, ok && query == ""
	return u
}
