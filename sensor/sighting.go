package sensor

import (
	"net/netip"

	"kagami/packet"
	"kagami/records"
)

// Sightings: what detectors want to know and no protocol's record tells.

// pulseSeq sets the sequence numbers of pulses apart from those of a flow's
// records, which are written and must not have gaps.
const pulseSeq = 1 << 31

// pulse tells of payload that the client of a flow sends after a pause. What is
// sent again, as by keep-alive probes, is none.
func (w *Worker) pulse(f *Flow) {
	sent, before := f.payload(f.Orig), f.spoke
	if sent <= f.spokeTo {
		return
	}
	n := sent - f.spokeTo
	f.spoke, f.spokeTo = f.Now, sent
	if before == 0 || f.Now-before < records.PulsePause || f.told() {
		return
	}
	m := w.identify(f)
	if !m.ClientInternal || m.ServerInternal && f.Authority == "" {
		return
	}
	m.At, m.Seq = f.clock, pulseSeq|f.pulses
	f.pulses++
	r := records.NewPulse(m)
	r.Start, r.Idle, r.Bytes = f.Now, f.Now-before, int64(n)
	r.Service, r.ServerName, r.Authority = f.Service, f.ServerName, f.Authority
	if f.Authority != "" {
		r.Service, r.ServerName = f.Tunnel, f.TunnelName
	}
	w.emit(r)
}

// told tells that each message of a flow has a record of its own.
func (f *Flow) told() bool { return !f.Session && (f.Service == "http" || f.Service == "dns") }

// arp tells of an ARP message for IPv4 over Ethernet.
func (w *Worker) arp(fr *Frame, p *packet.Packet) {
	const size = 28
	b := p.Data[p.L3:]
	if len(b) < size || b[0] != 0 || b[1] != 1 || b[2] != 8 || b[3] != 0 || b[4] != 6 || b[5] != 4 {
		return
	}
	sender, target := netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	m := records.Meta{At: fr.Clock, Epoch: w.epoch, Key: packet.Key{A: sender.As16(), B: target.As16()}}
	m.UID = mixUID(m.Key.Hash(), fr)
	m.ClientZone, m.ClientInternal = w.networks.Find(m.Key.A)
	m.ServerZone, m.ServerInternal = w.networks.Find(m.Key.B)
	r := records.NewARP(m)
	r.Op, r.Sender, r.Target, r.SenderMAC = uint16(b[6])<<8|uint16(b[7]), sender, target, [6]byte(b[8:14])
	w.emit(r)
}
