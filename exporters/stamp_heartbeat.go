package exporters

import (
	"kagami/records"
)

// The heartbeat in each format that has room for it. The signed text stands in
// one piece in all of them, so that whoever verifies it need not know the format.

// Names of the signed text.
const (
	cefHeartbeat  = "kagamiHeartbeat"
	leefHeartbeat = "heartbeat"
	maxHeartbeat  = 16 << 10 // octets
)

func sumOf(c *records.Classes) (sum records.Tally) {
	for _, t := range c {
		sum.Total += t.Total
		sum.Since += t.Since
	}
	return sum
}

func (f *cef) heartbeat(r *records.Heartbeat) {
	f.number(1, "Frames received", int64(r.Packets.Since))
	f.number(2, "Frames dropped", int64(r.Dropped.Since))
	f.number(3, "Records lost", int64(sumOf(&r.Lost).Since))
	f.str(cefHeartbeat, r.Text, maxHeartbeat)
}

func (f *leef) heartbeat(r *records.Heartbeat) {
	f.int("frames", int64(r.Packets.Since))
	f.int("dropped", int64(r.Dropped.Since))
	f.int("records", int64(sumOf(&r.Made).Since))
	f.int("lost", int64(sumOf(&r.Lost).Since))
	f.int("queued", int64(r.Queued))
	f.str(leefHeartbeat, r.Text, maxHeartbeat)
}

// heartbeat is what Suricata's engine would log: its schema has no event for it.
// The numbers stand in the text.
func (f *eve) heartbeat(r *records.Heartbeat) {
	f.time("timestamp", r.Meta().At)
	f.word("log_level", "Info")
	f.word("event_type", "engine")
	n := f.begin("engine")
	f.str("module", "kagami")
	f.str("message", r.Text)
	f.end(n)
}

func writeHeartbeat(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Heartbeat)
	z.time(r.Meta().At)
	z.str(r.Sensor)
	z.str(r.Export)
	z.str(r.Boot)
	z.count(r.Number)
	z.count(r.Packets.Since)
	z.count(r.Dropped.Since)
	z.count(sumOf(&r.Made).Since)
	z.count(sumOf(&r.Lost).Since)
	z.str(r.Text)
}
