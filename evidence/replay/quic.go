package replay

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// quic notes QUIC connections, which are not decrypted (RFC 9000 section 17.2).
func (r *reader) quic() sensor.Protocol {
	return sensor.Protocol{Name: "quic", Transport: packet.ProtoUDP, Match: matchQUIC,
		New: func() sensor.Decoder { return &quicNoter{r: r} }}
}

// matchQUIC looks for an Initial packet of a version in use: those datagrams are
// padded to 1200 octets.
func matchQUIC(_ *sensor.Flow, _ packet.Side, b []byte) sensor.Match {
	const version1, version2 = 1, 0x6b3343cf
	if len(b) < 1200 && len(b) < sensor.MatchLimit || b[0]&0xc0 != 0xc0 || b[5] > 20 {
		return sensor.No
	}
	switch v := binary.BigEndian.Uint32(b[1:]); {
	case v == version1 && b[0]&0x30 == 0x00, v == version2 && b[0]&0x30 == 0x10, v>>8 == 0xff0000 && b[0]&0x30 == 0x00:
		return sensor.FromClient
	}
	return sensor.No
}

// quicNoter is the decoder of a QUIC connection.
type quicNoter struct {
	r    *reader
	flow *Flow
}

// Data implements sensor.Decoder.
func (d *quicNoter) Data(f *sensor.Flow, side packet.Side, _ []byte, _ sensor.Emit) sensor.Verdict {
	st := d.r.src.stamp(f.Now)
	d.flow = &Flow{Client: addrPort(&f.Key, side), Server: addrPort(&f.Key, side.Other()), First: st.time, Frame: st.frame,
		Protocol: "quic", TLS: &TLS{Dark: "QUIC is not decrypted"}, CommunityID: f.Key.CommunityID(f.Orig)}
	return sensor.Enough
}

// Gap implements sensor.Decoder.
func (d *quicNoter) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.Enough }

// Close implements sensor.Decoder.
func (d *quicNoter) Close(f *sensor.Flow, _ sensor.Emit) {
	if d.flow == nil {
		return
	}
	d.flow.Last = d.r.src.stamp(max(f.LastFrom(packet.FromA), f.LastFrom(packet.FromB))).time
	if d.r.addFlow(d.flow) {
		d.r.dark(d.flow)
	}
}
