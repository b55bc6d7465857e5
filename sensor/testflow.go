package sensor

import (
	"kagami/packet"
)

// NewTestFlow returns a flow outside any engine, for tests of decoders: client
// 10.0.0.1:40000, server 192.0.2.1:80, side FromA the originator, time 0.
func NewTestFlow(transport uint8, protocols ...Protocol) *Flow {
	n, _ := NewNetworks(DefaultZones(), "Untrust")
	c := DefaultConfig()
	c.compile()
	f := &Flow{Key: packet.Key{APort: 40000, BPort: 80, Proto: transport}}
	f.Key.A = [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}
	f.Key.B = [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 1}
	f.worker = newWorker(&c, new(room), n, protocols, nil)
	f.uid = f.Key.Hash()
	return f
}

// TestSent counts n octets of payload from side at the time now, as the engine
// does before it calls a decoder.
func (f *Flow) TestSent(side packet.Side, n int, now int64) {
	d := &f.dir[side]
	d.packets++
	d.tcp.known = true
	d.tcp.top += uint64(n)
	d.stream.next += uint64(n)
	d.payloadSum += uint64(n)
	d.last, f.last, f.Now, f.clock = now, now, now, now
}

// TestFinish closes both TCP streams by a FIN.
func (f *Flow) TestFinish() { f.dir[0].tcp.finned, f.dir[1].tcp.finned = true, true }
