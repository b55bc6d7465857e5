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
	counted Shunted   // added to the flow so far
	passed  uint64    // packets that came up all the same
	top     [2]uint64 // TCP: one past each side's highest octet when it was handed over
	own     [2]uint64 // TCP: octets of payload that came up since
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
	f.shunt = &shunted{top: [2]uint64{f.dir[0].tcp.top, f.dir[1].tcp.top}}
	w.stats.Shunted++
}

// passed looks at a packet of a shunted flow that came up, before its sequence
// number is believed. What the kernel has counted by now may lie behind it, too:
// only at the end of a connection must the counts be in, else the number itself
// tells how far the stream got.
func (w *Worker) passed(f *Flow, p *packet.Packet) {
	if f.Key.Proto == packet.ProtoTCP {
		if p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0 {
			w.catchUp(f)
		} else {
			f.skip(p)
		}
	}
	if f.shunt.passed++; f.shunt.passed%againEvery == 0 {
		w.shunter.Shunt(f.Key)
	}
}

// skip moves the end of a side's stream up to where a packet begins: the kernel
// counted what lies between. Behind a FIN there is only the FIN's own number.
func (f *Flow) skip(p *packet.Packet) {
	t := &f.dir[p.Side].tcp
	if pos := t.rel(p.Seq, t.top); t.known && !t.finned && pos > int64(t.top) && pos <= int64(t.top)+maxJump {
		t.top = uint64(pos)
		t.acked = max(t.acked, t.top)
	}
	f.shunt.own[p.Side] += uint64(p.PayloadLen())
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
		d.payloadSum += now.Payload[side] - was.Payload[side]
		if f.Key.Proto == packet.ProtoTCP { // so that the FIN's number fits
			d.tcp.top = max(d.tcp.top, f.shunt.top[side]+f.shunt.own[side]+now.Payload[side])
			d.tcp.acked = max(d.tcp.acked, d.tcp.top)
		}
		d.last = max(d.last, now.Last[side])
		f.last = max(f.last, now.Last[side])
	}
	*was = *now
	return any
}
