package records

// Heartbeat says, once a minute of a live run, that an export lives and what it
// has delivered. Each export has its own: the sensor's part is the same in all.
// Text is the claim that is signed; the other fields say the same for dashboards.
type Heartbeat struct {
	meta Meta

	// Of the sensor. Whoever makes the record fills these in.
	Packets    Tally  // frames that reached the socket
	Dropped    Tally  // frames dropped by the kernel
	Detectors  string // "off", "learning" or "learned"
	TablesFull uint64 // of the detectors: what they had no room for, since the start
	Blind      uint64 // minutes of which the detectors say that they saw too little, since the start
	Version    string // of the program
	Config     string // hash of the configuration
	KernelBoot string // the kernel's boot id, "" = unknown
	Uptime     int64  // nanoseconds since the start, by the monotonic clock
	Clock      Clock
	End        bool // the program stops in good order: no heartbeat follows

	// Of the export, which fills these in.
	Sensor, Export, Boot string
	Start                uint64 // of the program, from 1
	Number               uint64 // of the heartbeat since then, from 1
	First, Last          uint64 // record numbers that it vouches for; Last = First-1: none
	Made                 Classes
	Sent                 Tally
	Refused              Tally // that the sink can never carry, or did not take in time
	Lost                 Classes
	Queued               uint64 // lines that wait now
	Text                 string // what is signed, and the signature
}

// Tally is a number since the start and since the last heartbeat.
type Tally struct{ Total, Since uint64 }

// To is the tally when the total is v.
func (t Tally) To(v uint64) Tally { return Tally{v, v - min(v, t.Total)} }

// Classes are tallies by how much a record matters: flows and other sightings,
// protocol records, identities and statistics, alerts.
type Classes [4]Tally

// Clock is what the kernel knows of the wall clock (adjtimex(2)).
type Clock struct {
	Known        bool
	Synchronised bool
	Offset       int64 // nanoseconds still to be corrected
	MaxError     int64 // nanoseconds
}

// NewHeartbeat returns a heartbeat at m.At, which is wall-clock time.
func NewHeartbeat(m Meta) *Heartbeat {
	m.Kind, m.UID = KindHeartbeat, uint64(m.At)
	return &Heartbeat{meta: m}
}

// Meta implements Record.
func (r *Heartbeat) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *Heartbeat) AppendFields(dst []Field) []Field {
	f := Fields(dst)
	r.meta.event(&f, Event{Kind: "metric", Category: categoryHost, Type: typeInfo, Action: "sensor-heartbeat"})
	n := func(name string, v uint64) { f.Int(name, int64(v)) }
	f.Str("kagami.heartbeat.boot", r.Boot)
	if r.Clock.Known {
		f.Int("kagami.heartbeat.clock.max_error", r.Clock.MaxError)
		f.Int("kagami.heartbeat.clock.offset", r.Clock.Offset)
		f.Bool("kagami.heartbeat.clock.synchronised", r.Clock.Synchronised)
	}
	f.Str("kagami.heartbeat.config", r.Config)
	f.Str("kagami.heartbeat.detectors.state", r.Detectors)
	n("kagami.heartbeat.detectors.blind", r.Blind)
	n("kagami.heartbeat.detectors.tables_full", r.TablesFull)
	f.Flag("kagami.heartbeat.end", r.End)
	f.Str("kagami.heartbeat.export", r.Export)
	n("kagami.heartbeat.first", r.First)
	n("kagami.heartbeat.last", r.Last)
	n("kagami.heartbeat.number", r.Number)
	n("kagami.heartbeat.packets.dropped", r.Dropped.Since)
	n("kagami.heartbeat.packets.dropped_total", r.Dropped.Total)
	n("kagami.heartbeat.packets.received", r.Packets.Since)
	n("kagami.heartbeat.packets.received_total", r.Packets.Total)
	classes(&f, &lostNames, &r.Lost)
	classes(&f, &madeNames, &r.Made)
	n("kagami.heartbeat.records.queued", r.Queued)
	n("kagami.heartbeat.records.refused", r.Refused.Since)
	n("kagami.heartbeat.records.refused_total", r.Refused.Total)
	n("kagami.heartbeat.records.sent", r.Sent.Since)
	n("kagami.heartbeat.records.sent_total", r.Sent.Total)
	f.Str("kagami.heartbeat.sensor", r.Sensor)
	n("kagami.heartbeat.start", r.Start)
	f.Str("kagami.heartbeat.text", r.Text)
	f.Int("kagami.heartbeat.uptime", r.Uptime)
	f.Str("kagami.heartbeat.version", r.Version)
	return f
}

// ClassNames are the names of the classes, as heartbeats write them.
var ClassNames = [4]string{"flows", "protocols", "identities", "alerts"}

type classNames [4][2]string // since the last, and in total

func classes(f *Fields, names *classNames, c *Classes) {
	for i, n := range names {
		f.Int(n[0], int64(c[i].Since))
		f.Int(n[1], int64(c[i].Total))
	}
}

var (
	lostNames = namesOf("lost")
	madeNames = namesOf("made")
)

func namesOf(what string) (n classNames) {
	for i, c := range ClassNames {
		name := "kagami.heartbeat.records." + what + "." + c
		n[i] = [2]string{name, name + "_total"}
	}
	return n
}
