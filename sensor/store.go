package sensor

import (
	"kagami/packet"
	"kagami/records"
)

// Store keeps the packets of one worker on disk; its goroutine alone calls it. A
// nil Store keeps none.
type Store interface {
	// Add takes a frame, which is borrowed. head is how many of its octets are
	// headers through layer 4, 0 when that is not known: such a frame is never
	// shortened.
	Add(f *Frame, c Class, head int)
	// Note takes a record of the worker, right after the packet that made it.
	Note(r records.Record)
	// Tick tells the logical time when there may be no frames, and how many frames
	// of its source the kernel has dropped so far.
	Tick(now int64, dropped uint64)
	// Whole tells that everything between the flow's hosts is wanted now: it is
	// not cut off.
	Whole(k *packet.Key) bool
}

// Class tells how much a frame is worth when there is not room for all.
type Class uint8

const (
	Plain  Class = iota // clear, not known, or part of a handshake
	Sealed              // payload of an encrypted flow behind its handshake
)

const (
	// cutoffPackets is how many packets a flow must have sent besides
	// Config.Cutoff octets before it is cut: what set it up is kept whole.
	cutoffPackets = 20
	// headerOctets is what the kernel is asked for of a cut flow's packets:
	// Ethernet with two tags, the longest IPv4 header, and the octets from layer 4
	// on by which copies are told (packet.Digest).
	headerOctets = 14 + 2*4 + 60 + 64
	// wantedEvery is after how many packets of a flow past the cutoff the store is
	// asked again whether it wants them whole: an alert may have come. A power of 2.
	wantedEvery = 64
)

// keep gives a packet to the store: whole, or the headers through layer 4 once its
// flow is past the cutoff. Fragments are always whole.
func (w *Worker) keep(fr *Frame, f *Flow, p *packet.Packet) {
	n := p.PayloadLen()
	switch {
	case p != &w.pkt:
		w.store.Add(fr, Plain, 0)
	case n == 0 || !f.sealed || f.decoder != nil:
		w.store.Add(fr, Plain, p.Payload)
	case w.pastCutoff(f):
		w.cut(fr, f, p, n)
	default:
		w.store.Add(fr, Sealed, p.Payload)
	}
}

// pastCutoff tells that a flow's payload is not worth its room on disk any more:
// it is encrypted, nothing of it is decoded, its beginning is kept, and no alert is
// about its hosts.
func (w *Worker) pastCutoff(f *Flow) bool {
	if w.config.Cutoff == 0 {
		return false
	}
	a, b := &f.dir[0], &f.dir[1]
	packets := a.packets + b.packets
	if f.past {
		if packets&(wantedEvery-1) == 0 && w.store.Whole(&f.Key) {
			f.past = false
			if f.headers {
				w.unhead(f)
			}
		}
		return f.past
	}
	f.past = max(a.payloadSum, b.payloadSum) >= uint64(w.config.Cutoff) && packets >= cutoffPackets && !w.store.Whole(&f.Key)
	return f.past
}

// cut keeps the headers of a packet with n octets of payload, and asks the kernel
// for no more of the flow's next ones.
func (w *Worker) cut(fr *Frame, f *Flow, p *packet.Packet, n int) {
	w.stats.CutPackets++
	if f.headers && p.Missing > 0 {
		w.stats.CutByKernel++
	}
	w.stats.CutBytes += uint64(n)
	data := fr.Data
	fr.Data = data[:p.Payload]
	w.store.Add(fr, Sealed, p.Payload)
	fr.Data = data
	if w.shunter != nil && len(data) > headerOctets && f.first.tunnel == nil && (f.class == tcpOpen || f.class == tcpTunnel || f.class == udp) {
		w.askHeaders(f)
	}
}

// askHeaders asks the kernel to copy no more than headers. Packets that come whole
// all the same were in the ring already, or the kernel has forgotten the flow.
func (w *Worker) askHeaders(f *Flow) {
	if f.whole%againEvery == 0 && w.shunter.Headers(f.Key, headerOctets) {
		f.headers = true
	}
	f.whole++
}

// unhead lets the kernel hand over whole packets again.
func (w *Worker) unhead(f *Flow) {
	w.shunter.Release(f.Key)
	f.headers = false
}
