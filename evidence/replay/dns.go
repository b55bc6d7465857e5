package replay

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"kagami/packet"
	"kagami/sensor"
)

const (
	portDNS, portMDNS = 53, 5353
	// maxLookups bounds what is kept.
	maxLookups = 1 << 17
	// maxAnswers bounds the addresses of one answer.
	maxAnswers = 64
)

// dns are the protocols that bear DNS messages (RFC 1035 section 4.2).
func (r *reader) dns() []sensor.Protocol {
	var ps []sensor.Protocol
	for _, proto := range []uint8{packet.ProtoUDP, packet.ProtoTCP} {
		ps = append(ps, sensor.Protocol{Name: "dns", Transport: proto,
			Match: func(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
				return matchDNS(f, side, first, proto == packet.ProtoTCP)
			},
			New: func() sensor.Decoder { return &resolver{r: r, framed: proto == packet.ProtoTCP} }})
	}
	return ps
}

// matchDNS goes by the port, and by a header that has no impossible counts.
func matchDNS(f *sensor.Flow, side packet.Side, b []byte, framed bool) sensor.Match {
	if !isDNS(f) {
		return sensor.No
	}
	if framed && len(b) >= 2 {
		b = b[2:]
	}
	const header = 12
	switch {
	case len(b) < header && framed:
		return sensor.Maybe
	case len(b) < header, b[2]&0x78 != 0, b[4] != 0 || b[5] > 8, b[3]&0x40 != 0:
		return sensor.No
	case side == f.Orig:
		return sensor.FromClient
	}
	return sensor.FromServer
}

// isDNS tells whether one side's port is that of DNS.
func isDNS(f *sensor.Flow) bool {
	a, b := f.Key.APort, f.Key.BPort
	return a == portDNS || b == portDNS || f.Key.Proto == packet.ProtoUDP && (a == portMDNS || b == portMDNS)
}

// resolver reads DNS messages.
type resolver struct {
	r      *reader
	framed bool
	held   [2][]byte
	broken [2]bool
}

// Data implements sensor.Decoder.
func (d *resolver) Data(f *sensor.Flow, side packet.Side, b []byte, _ sensor.Emit) sensor.Verdict {
	client := netip.AddrFrom16(f.Key.Addr(side.Other())).Unmap()
	if !d.framed {
		d.r.answer(b, client, d.r.src.stamp(f.Now))
		return sensor.More
	}
	if d.broken[side] {
		return sensor.More
	}
	h := append(d.held[side], b...)
	for len(h) >= 2 {
		n := 2 + int(h[0])<<8 + int(h[1])
		if len(h) < n {
			break
		}
		d.r.answer(h[2:n], client, d.r.src.stamp(f.Now))
		h = h[n:]
	}
	d.held[side] = append(d.held[side][:0], h...)
	return sensor.More
}

// Gap implements sensor.Decoder.
func (d *resolver) Gap(_ *sensor.Flow, side packet.Side, _ int) sensor.Verdict {
	d.broken[side], d.held[side] = true, nil
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *resolver) Close(*sensor.Flow, sensor.Emit) {}

// answer keeps what a response says of addresses.
func (r *reader) answer(b []byte, client netip.Addr, st stamp) {
	if r.Client.IsValid() && client != r.Client || st.time < r.From || r.To != 0 && st.time > r.To {
		return
	}
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response {
		return
	}
	qs, err := p.AllQuestions()
	if err != nil || len(qs) == 0 || qs[0].Type != dnsmessage.TypeA && qs[0].Type != dnsmessage.TypeAAAA && qs[0].Type != dnsmessage.TypeALL {
		return
	}
	l := Lookup{Time: st.time, Frame: st.frame, Client: client, Name: strings.TrimSuffix(qs[0].Name.String(), ".")}
	if h.RCode != dnsmessage.RCodeSuccess {
		l.Failed = strings.TrimPrefix(h.RCode.String(), "RCode")
	}
	l.Addrs = addresses(&p)
	if len(r.out.Lookups) == maxLookups {
		if !r.manyLookups {
			r.hole(Hole{Kind: HoleLimit, Time: st.time, Text: fmt.Sprintf("more than %d DNS answers", maxLookups)})
		}
		r.manyLookups = true
		return
	}
	r.out.Lookups = append(r.out.Lookups, l)
}

// addresses are those of a response's answers.
func addresses(p *dnsmessage.Parser) (all []netip.Addr) {
	for len(all) < maxAnswers {
		h, err := p.AnswerHeader()
		if err != nil {
			return all
		}
		switch h.Type {
		case dnsmessage.TypeA:
			a, err := p.AResource()
			if err != nil {
				return all
			}
			all = append(all, netip.AddrFrom4(a.A))
		case dnsmessage.TypeAAAA:
			a, err := p.AAAAResource()
			if err != nil {
				return all
			}
			all = append(all, netip.AddrFrom16(a.AAAA))
		default:
			if p.SkipAnswer() != nil {
				return all
			}
		}
	}
	return all
}
