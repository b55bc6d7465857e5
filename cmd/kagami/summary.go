package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	maxTalkers = 65536 // addresses counted for the top list; what comes after is one line
	maxAlerts  = 1000  // incidents shown
	topRows    = 8
)

// summary is what a person wants to know after a run.
type summary struct {
	kinds       [records.NumKinds]uint64
	first, last int64
	talkers     map[netip.Addr]*talker
	uncounted   uint64 // octets of talkers beyond maxTalkers
	services    map[string]*talker
	alerts      *incidents
	oneSided    uint64
	midstream   uint64
	missed      uint64
	losses      losses
	ends        map[string]uint64
	err         error // of the first export that failed
	zone        *time.Location
	inside      bool       // a machine of the network's own was seen
	stranger    netip.Addr // the first client that is none
}

type talker struct {
	flows, bytes uint64
	internal     bool
}

func newSummary() *summary {
	return &summary{talkers: map[netip.Addr]*talker{}, services: map[string]*talker{}, ends: map[string]uint64{}, alerts: newIncidents(maxAlerts)}
}

func (s *summary) failed(name string, err error) {
	if s.err == nil {
		s.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (s *summary) observe(r records.Record) {
	m := r.Meta()
	s.kinds[m.Kind]++
	s.place(m)
	switch r := r.(type) {
	case *records.Flow:
		s.flow(r, m)
	case *records.Stats:
		s.losses.stats(r)
	case *records.Alert:
		s.alerts.add(r, m.ID())
	}
}

// place notes whether anybody is inside. Link-local addresses are everywhere.
func (s *summary) place(m *records.Meta) {
	client, server := m.Client().Addr(), m.Server().Addr()
	switch {
	case m.ClientInternal && !client.IsLinkLocalUnicast(), m.ServerInternal && !server.IsLinkLocalUnicast():
		s.inside = true
	case !m.ClientInternal && !s.stranger.IsValid() && client.IsGlobalUnicast():
		s.stranger = client
	}
}

func (s *summary) flow(r *records.Flow, m *records.Meta) {
	if s.first == 0 || r.Start < s.first {
		s.first = r.Start
	}
	s.last = max(s.last, r.End)
	bytes := r.Orig.Bytes + r.Resp.Bytes
	s.talk(m.Client().Addr(), bytes, m.ClientInternal)
	s.talk(m.Server().Addr(), bytes, m.ServerInternal)
	s.losses.flow(r)
	name := r.Service
	if name == "" {
		name = cmp.Or(records.Transport(m.Key.Proto), "other IP")
		if m.HasPorts() {
			name += ", not recognised"
		}
	}
	count(s.services, name, bytes)
	s.ends[r.EndReason]++
	v := &m.Visibility
	if v.OneSided {
		s.oneSided++
	}
	if v.Midstream {
		s.midstream++
	}
	s.missed += v.Missed
}

func (s *summary) talk(a netip.Addr, bytes uint64, internal bool) {
	t := s.talkers[a]
	if t == nil {
		if len(s.talkers) >= maxTalkers {
			s.uncounted += bytes
			return
		}
		t = &talker{internal: internal}
		s.talkers[a] = t
	}
	t.flows++
	t.bytes += bytes
}

func count(m map[string]*talker, name string, bytes uint64) {
	t := m[name]
	if t == nil {
		t = new(talker)
		m[name] = t
	}
	t.flows++
	t.bytes += bytes
}

// row is a line of a top list.
type row[K any] struct {
	key K
	*talker
}

// top is the list of the largest, by octets, then by name.
func top[K comparable](m map[K]*talker, n int, less func(a, b K) int) []row[K] {
	rows := make([]row[K], 0, len(m))
	for k, t := range m {
		rows = append(rows, row[K]{k, t})
	}
	slices.SortFunc(rows, func(a, b row[K]) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), less(a.key, b.key))
	})
	return rows[:min(n, len(rows))]
}

// print writes the summary. Names come from the wire and are escaped.
func (s *summary) print(w io.Writer, st sensor.WorkerStats, src sensor.SourceStats) {
	fmt.Fprintf(w, "\n%s frames, %s", thousands(sum(st.Outcomes[:])), octets(st.Bytes))
	if s.last > s.first {
		fmt.Fprintf(w, ", %s to %s (%s)", stamp(s.first, s.zone), stamp(s.last, s.zone),
			time.Duration(s.last-s.first).Round(time.Second))
	}
	fmt.Fprintln(w)
	var parts []string
	for k, n := range s.kinds {
		if n == 0 && records.Kind(k) != records.KindFlow && records.Kind(k) != records.KindAlert {
			continue // a file has none
		}
		parts = append(parts, fmt.Sprintf("%s %s", thousands(n), records.Kind(k)))
	}
	fmt.Fprintf(w, "Records: %s\n", strings.Join(parts, ", "))
	s.printAlerts(w)
	s.printTop(w)
	s.printBlind(w, st, src)
	s.losses.print(w, cmp.Or(s.zone, time.Local))
}

func (s *summary) printAlerts(w io.Writer) {
	x := s.alerts
	if x.alerts == 0 {
		fmt.Fprintln(w, "\nNo alerts.")
	}
	if !s.inside && s.stranger.IsValid() {
		bits := 24
		if s.stranger.Is6() {
			bits = 64
		}
		fmt.Fprintf(w, "No address of this capture is inside (network.zones), and detectors judge machines inside only: name its own networks, such as --inside %s\n",
			netip.PrefixFrom(s.stranger, bits).Masked())
	}
	if x.alerts == 0 {
		return
	}
	fmt.Fprintf(w, "\nAlerts: %d", len(x.list))
	if told := x.alerts - x.beyond; told > uint64(len(x.list)) {
		fmt.Fprintf(w, ", with their updates %d", told)
	}
	fmt.Fprintln(w)
	page := alertPage{w: w, zone: s.zone, lang: "en"}
	for _, t := range x.list {
		page.block(t)
	}
	if x.beyond > 0 {
		fmt.Fprintf(w, "\n  and %d more in alerts.jsonl\n", x.beyond)
	}
}

func (s *summary) printTop(w io.Writer) {
	fmt.Fprintln(w, "\nTop talkers                               flows      octets")
	for _, r := range top(s.talkers, topRows, netip.Addr.Compare) {
		where := ""
		if r.internal {
			where = "internal"
		}
		fmt.Fprintf(w, "  %-28s %-8s %8s %11s\n", r.key, where, thousands(r.flows), octets(r.bytes))
	}
	fmt.Fprintln(w, "Protocols")
	for _, r := range top(s.services, topRows, strings.Compare) {
		fmt.Fprintf(w, "  %-37s %8s %11s\n", printable(r.key), thousands(r.flows), octets(r.bytes))
	}
}

// printBlind says what could not be seen or read; silence means nothing.
func (s *summary) printBlind(w io.Writer, st sensor.WorkerStats, src sensor.SourceStats) {
	var rows []string
	add := func(n uint64, format string, args ...any) {
		if n > 0 {
			rows = append(rows, fmt.Sprintf("%10s  ", thousands(n))+fmt.Sprintf(format, args...))
		}
	}
	o := &st.Outcomes
	add(src.Dropped, "frames dropped by the kernel: the sensor was too slow or its ring too small")
	add(src.Filtered, "frames refused by the filter")
	add(o[packet.NotIP], "frames neither IP nor ARP")
	add(o[packet.Truncated], "frames cut inside a header by the capture's snap length")
	add(o[packet.BadHeader], "frames with a header that contradicts itself")
	add(o[packet.BadLink], "frames of a link type that is not read")
	add(st.Duplicates, "packets that the mirror port delivered twice, left out")
	f := &st.Fragments
	add(f.TimedOut+f.Evicted, "fragmented datagrams never completed (%d timed out, %d for want of room)", f.TimedOut, f.Evicted)
	add(f.Refused, "fragments refused: cut or impossible")
	add(s.oneSided, "TCP flows of which one direction was not seen")
	add(s.midstream, "TCP flows that began before the capture or whose handshake was not seen")
	if s.missed > 0 {
		rows = append(rows, fmt.Sprintf("%10s  of TCP payload never seen", octets(s.missed)))
	}
	add(st.HeldOverflow, "times reordering ran out of room")
	add(s.ends[sensor.EndEviction.String()], "flows given up because the flow table was full")
	add(st.Shunted, "flows of which the kernel counted the rest (encrypted or not recognised)")
	add(st.CutPackets, "packets of encrypted flows of which only the headers are on disk: evidence.cutoff_kib")
	if len(rows) == 0 {
		fmt.Fprintln(w, "Not seen or not read: nothing")
		return
	}
	fmt.Fprintln(w, "Not seen or not read")
	for _, r := range rows {
		fmt.Fprintln(w, r)
	}
}

func sum(ns []uint64) (t uint64) {
	for _, n := range ns {
		t += n
	}
	return t
}

func stamp(ns int64, z *time.Location) string {
	if z == nil {
		z = time.Local
	}
	return time.Unix(0, ns).In(z).Format("2006-01-02 15:04:05")
}

func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func octets(n uint64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/unit/unit)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/unit/unit/unit)
}

// printable keeps names from the wire from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\u00b7'
		}
		return r
	}, s)
}
