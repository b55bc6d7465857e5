package sensor

import "kagami/packet"

const (
	// cutoffPackets is how many packets a flow must have sent besides
	// Config.Cutoff octets before it is cut: what set it up is kept whole.
	cutoffPackets = 20
	// headerOctets is what the kernel is asked for of a cut flow's packets:
	// Ethernet with two tags, the longest IPv4 header, and the octets from layer 4
	// on by which copies are told (packet.Digest).
	headerOctets = 14 + 2*4 + 60 + 64
)

// pastCutoff tells that a flow's payload is not worth its room on disk any more:
// it is encrypted, nothing of it is decoded, and its beginning is kept.
func (w *Worker) pastCutoff(f *Flow) bool {
	if f.past || !f.sealed || f.decoder != nil || w.config.Cutoff == 0 {
		return f.past
	}
	a, b := &f.dir[0], &f.dir[1]
	f.past = max(a.payloadSum, b.payloadSum) >= uint64(w.config.Cutoff) && a.packets+b.packets >= cutoffPackets
	return f.past
}

// keep gives a packet to the store: whole, or the headers through layer 4 once its
// flow is past the cutoff. Fragments are always whole.
func (w *Worker) keep(fr *Frame, f *Flow, p *packet.Packet) {
	n := p.PayloadLen()
	if n == 0 || p != &w.pkt || !w.pastCutoff(f) {
		w.store.Add(fr)
		return
	}
	w.stats.CutPackets++
	if f.headers && p.Missing > 0 {
		w.stats.CutByKernel++
	}
	w.stats.CutBytes += uint64(n)
	data := fr.Data
	fr.Data = data[:p.Payload]
	w.store.Add(fr)
	fr.Data = data
	if w.shunter != nil && len(data) > headerOctets && f.first.tunnel == nil && (f.class == tcpOpen || f.class == udp) {
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
