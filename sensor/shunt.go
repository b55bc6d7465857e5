package sensor

import "kagami/packet"

// shuntAfter is how many packets a flow must have sent before it is worth an
// entry in the kernel's table: most flows end before.
const shuntAfter = 32

// againEvery is after how many packets of a shunted flow that still come up the
// kernel is asked again: it may have put the flow out of its table. Those that
// were in the ring already are no reason to hurry.
const againEvery = 256

// shunted is what the engine knows of a flow whose packets the kernel counts.
type shunted struct {
	counted Shunted // added to the flow so far
	passed  uint64  // packets that came up all the same
}

// shuntable tells that no more octets of the flow are needed: its decoder is
// done and no packets are kept on disk.
func (w *Worker) shuntable(f *Flow) bool {
	return w.shunter != nil && f.decoder == nil && f.shunt == nil && !f.unshuntable && w.store == nil && f.first.tunnel == nil &&
		(f.class == tcpOpen || f.class == tcpTunnel || f.class == udp) && f.dir[0].packets+f.dir[1].packets >= shuntAfter
}

// shuntFlow hands the flow to the kernel.
func (w *Worker) shuntFlow(f *Flow) {
	if !w.shunter.Shunt(f.Key) {
		f.unshuntable = true
		return
	}
	f.shunt = new(shunted)
	w.stats.Shunted++
}

// passed looks at a packet of a shunted flow that came up: before its sequence
// number is believed, what the kernel counted must be in.
func (w *Worker) passed(f *Flow, p *packet.Packet) {
	jump := false
	if f.Key.Proto == packet.ProtoTCP {
		t := &f.dir[p.Side].tcp
		jump = p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0 || t.known && t.rel(p.Seq, t.top) > int64(t.top)
	}
	if jump {
		w.catchUp(f)
	}
	if f.shunt.passed++; f.shunt.passed%againEvery == 0 {
		w.shunter.Shunt(f.Key)
	}
}

// catchUp adds what the kernel counted since the last time, and tells whether
// there was anything.
func (w *Worker) catchUp(f *Flow) bool {
	now, ok := w.shunter.Shunted(f.Key)
	return ok && f.addShunted(&now)
}

// unshunt ends the shunting and adds the rest.
func (w *Worker) unshunt(f *Flow) {
	if now, ok := w.shunter.Release(f.Key); ok {
		f.addShunted(&now)
	}
}

func (f *Flow) addShunted(now *Shunted) (any bool) {
	was := &f.shunt.counted
	for side := range f.dir {
		d := &f.dir[side]
		n := now.Packets[side] - was.Packets[side]
		if n == 0 {
			continue
		}
		any = true
		d.packets += n
		d.bytes += now.Bytes[side] - was.Bytes[side]
		d.ipBytes += now.IPBytes[side] - was.IPBytes[side]
		payload := now.Payload[side] - was.Payload[side]
		d.payloadSum += payload
		if f.Key.Proto == packet.ProtoTCP {
			d.tcp.top += payload // so that the FIN's number fits
			d.tcp.acked = max(d.tcp.acked, d.tcp.top)
		}
		d.last = max(d.last, now.Last[side])
		f.last = max(f.last, now.Last[side])
	}
	*was = *now
	return any
}
