package sensor

import "kagami/packet"

const (
	// recentCopies is how many packets of a direction are remembered: a copy
	// comes within that many, or is not recognised.
	recentCopies = 8
	// copyWindow is how long after a packet its copy may come. A sender that
	// numbers its datagrams (IPv4 identification) gives a retransmission another
	// number, so that the window may be long.
	copyWindow = 100_000 // microseconds
	// copyWindowBare is the same for datagrams without a number: IPv6, and IPv4
	// whose identification is 0 or never changes. Time alone tells them from a
	// retransmission, which comes a round trip later at least.
	copyWindowBare = 500 // microseconds
)

// recent are the last packets of one direction, by digest.
type recent struct {
	at [recentCopies]struct {
		digest uint32 // 0 = free
		time   uint32 // microseconds, wraps after 71 minutes
	}
	next uint8
	id   uint16 // of the last packet
	bare bool   // two different packets bore the same identification
}

// duplicate tells whether the mirror port delivered this packet before, and
// remembers it if not. Packets without a number and without payload (pure ACKs,
// RSTs) count as copies only when their TTL or VLAN shows another path: a host
// may well send two that are alike.
func (f *Flow) duplicate(p *packet.Packet, time int64) bool {
	d := &f.dir[p.Side]
	digest, now := uint32(p.Digest()>>32)|1, uint32(time/1000)
	bare := p.ID == 0 || d.recent.bare
	window := uint32(copyWindow)
	if bare {
		window = copyWindowBare
	}
	for i := range d.recent.at {
		r := &d.recent.at[i]
		if r.digest != digest || now-r.time > window && r.time-now > window {
			continue
		}
		other := p.TTL != d.ttl || p.VLANs > 0 && p.VLAN[0] != d.vlan || p.VLANs == 0 && d.vlan != 0
		if bare && p.PayloadLen() == 0 && !other {
			return false
		}
		d.duplicates++
		if other && d.copyTTL == 0 {
			d.copyTTL = p.TTL
			if p.VLANs > 0 {
				d.copyVLAN = p.VLAN[0]
			}
		}
		return true
	}
	d.recent.bare = d.recent.bare || d.packets > 0 && p.ID == d.recent.id
	d.recent.id = p.ID
	d.recent.at[d.recent.next].digest, d.recent.at[d.recent.next].time = digest, now
	d.recent.next = (d.recent.next + 1) % recentCopies
	return false
}
