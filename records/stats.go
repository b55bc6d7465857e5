package records

// Stats says, once a minute of a live run, what the sensor saw and what it could
// not see. All numbers count from the last one.
type Stats struct {
	meta Meta

	Start, End int64  // of the span, nanoseconds since the epoch
	Frames     uint64 // that reached the socket
	Bytes      uint64 // octets on the wire of the frames read
	Dropped    uint64 // frames dropped by the kernel
	Freezes    uint64 // times a ring was full
	NotRead    uint64 // frames neither IP nor ARP, cut inside a header, or contradicting themselves
	Fragments  uint64 // datagrams whose fragments never came together
	Duplicates uint64 // packets that the mirror port delivered before
	Gaps       uint64 // holes in decoded TCP streams
	Shunted    uint64 // flows handed to the kernel
	KeptBack   uint64 // frames of such flows that the kernel counted and dropped; not among Frames
	KeptBytes  uint64 // octets of these on the wire
	Cut        uint64 // packets of encrypted flows of which only the headers were kept on disk
	FlowsNew   uint64
	FlowsOpen  uint64 // now
	Evicted    uint64 // flows given up because the table was full
	Window     Window // flows that ended in the span
}

// NewStats returns a stats record for the span that ends at m.At.
func NewStats(m Meta) *Stats {
	m.Kind, m.UID = KindStats, uint64(m.At)
	return &Stats{meta: m, End: m.At}
}

// Meta implements Record.
func (r *Stats) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *Stats) AppendFields(dst []Field) []Field {
	f := Fields(dst)
	r.meta.event(&f, Event{Kind: "metric", Category: categoryHost, Type: typeInfo, Action: "sensor-stats", Start: r.Start, End: r.End})
	n := func(name string, v uint64) { f.Int(name, int64(v)) }
	n("kagami.stats.duplicates", r.Duplicates)
	n("kagami.stats.evidence_cut_packets", r.Cut)
	n("kagami.stats.flows.ended", r.Window.Flows)
	n("kagami.stats.flows.evicted", r.Evicted)
	n("kagami.stats.flows.new", r.FlowsNew)
	n("kagami.stats.flows.one_sided", r.Window.OneSided)
	n("kagami.stats.flows.open", r.FlowsOpen)
	n("kagami.stats.flows.shunted", r.Shunted)
	n("kagami.stats.frames.bytes", r.Bytes)
	n("kagami.stats.frames.dropped", r.Dropped)
	n("kagami.stats.frames.not_read", r.NotRead)
	n("kagami.stats.frames.received", r.Frames)
	n("kagami.stats.frames.shunted", r.KeptBack)
	n("kagami.stats.frames.shunted_bytes", r.KeptBytes)
	n("kagami.stats.incomplete_datagrams", r.Fragments)
	n("kagami.stats.ring_freezes", r.Freezes)
	n("kagami.stats.tcp.gaps", r.Gaps)
	n("kagami.stats.tcp.missed_bytes", r.Window.Missed)
	return f
}

var (
	categoryHost = []string{"host"}
	typeInfo     = []string{"info"}
)
