package decoders

import (
	"net"
	"slices"
	"strconv"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// socksMaxText bounds a user id or host name of SOCKS 4, which end at a NUL; in
// SOCKS 5 their length is one octet.
const socksMaxText = 255

// SOCKS versions, commands and methods as they stand on the wire.
const (
	socks4 = 4
	socks5 = 5

	socksConnect = 1
	socksBind    = 2
	socksUDP     = 3

	methodNone     = 0
	methodGSSAPI   = 1
	methodPassword = 2
	methodRefused  = 0xff
)

// socksProtocol is SOCKS 4, 4a and 5 (RFC 1928, RFC 1929), on any port.
func socksProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "socks",
		Transport: packet.ProtoTCP,
		Match:     matchSOCKS,
		New:       func() sensor.Decoder { return &socksDecoder{r: records.NewSOCKS(records.Meta{})} },
	}
}

// matchSOCKS knows a client's greeting or request. The proxy's answers alone are
// too short to be sure of, except from the port of SOCKS.
func matchSOCKS(f *sensor.Flow, side packet.Side, b []byte) sensor.Match {
	const port = 1080
	switch {
	case b[0] == socks5:
		if m := matchSOCKS5(b); m != sensor.No {
			return m
		}
	case b[0] == socks4:
		if m := matchSOCKS4(b); m != sensor.No {
			return m
		}
	}
	if f.Key.Port(side) == port {
		return matchSOCKSReply(b)
	}
	return sensor.No
}

// matchSOCKS5: methods that exist, each once, and nothing behind them but what a
// client may send without waiting.
func matchSOCKS5(b []byte) sensor.Match {
	if len(b) < 2 {
		return sensor.Maybe
	}
	n := int(b[1])
	methods := b[2:min(len(b), 2+n)]
	for i, m := range methods {
		if m > 9 && m < 0x80 || m == methodRefused || slices.Contains(methods[:i], m) {
			return sensor.No
		}
	}
	rest := b[min(len(b), 2+n):]
	switch {
	case n == 0:
		return sensor.No
	case len(methods) < n:
		return sensor.Maybe
	case len(rest) == 0:
		return sensor.FromClient
	case rest[0] != 1 && rest[0] != socks5, rest[0] == socks5 && len(rest) >= 3 && (rest[1] < socksConnect || rest[1] > socksUDP || rest[2] != 0):
		return sensor.No
	}
	return sensor.FromClient
}

// matchSOCKS4: connect or bind to a port and an address, and two texts that end.
func matchSOCKS4(b []byte) sensor.Match {
	const head = 8
	if len(b) > 1 && b[1] != socksConnect && b[1] != socksBind {
		return sensor.No
	}
	if len(b) < head+1 {
		return sensor.Maybe
	}
	if b[2] == 0 && b[3] == 0 || b[4] == 0 && !socks4a(b[4:]) {
		return sensor.No
	}
	rest := b[head:]
	texts := 1
	if socks4a(b[4:]) {
		texts = 2
	}
	for range texts {
		i := slices.Index(rest, 0)
		text := rest
		if i >= 0 {
			text, rest = rest[:i], rest[i+1:]
		}
		for _, c := range text {
			if c < 0x20 || c == 0x7f {
				return sensor.No
			}
		}
		if i < 0 {
			return sensor.Maybe
		}
	}
	return sensor.FromClient
}

// socks4a tells whether an address stands for a name that follows (SOCKS 4a).
func socks4a(addr []byte) bool { return addr[0]|addr[1]|addr[2] == 0 && addr[3] != 0 }

// matchSOCKSReply: the answers to a greeting and a request, or to one of SOCKS 4.
func matchSOCKSReply(b []byte) sensor.Match {
	switch {
	case b[0] == socks5 && (len(b) < 2 || b[1] <= methodPassword):
		if len(b) < 6 {
			return sensor.Maybe
		}
		answer := b[2:]
		if b[1] == methodPassword {
			answer = b[4:]
		}
		if answer[0] == socks5 && answer[1] <= 8 {
			return sensor.FromServer
		}
	case b[0] == 0 && (len(b) < 2 || b[1] >= 0x5a && b[1] <= 0x5d):
		const reply4 = 8
		if len(b) < reply4 {
			return sensor.Maybe
		}
		return sensor.FromServer
	}
	return sensor.No
}

// socksDecoder follows one connection to a proxy: the handshake of both sides,
// then what goes through.
type socksDecoder struct {
	r     *records.SOCKS
	sides [2]socksSide
	inner sensor.Decoder // reads the tunnel, nil as long as there is none

	begun  bool
	nested bool // this proxy stands within another tunnel, whose content is not looked into
	opaque bool // the tunnel's octets tell nothing more
	told   bool

	asked   int64 // capture time of the client's password
	attempt bool  // the record of the login is written
}

// Data implements sensor.Decoder.
func (d *socksDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	d.begin(f)
	who := role(f, side)
	s := &d.sides[who]
	for len(data) > 0 {
		if s.step == socksThrough {
			s.through += int64(len(data))
			if d.inner != nil && !d.opaque && d.inner.Data(f, side, data, emit) == sensor.Done {
				d.opaque = true
			}
			break
		}
		data = data[s.gather(data):]
		if s.whole() {
			d.read(f, who, s, emit)
		}
	}
	return d.verdict(f)
}

// begin is told the flow's first octets.
func (d *socksDecoder) begin(f *sensor.Flow) {
	if d.begun {
		return
	}
	d.begun, d.nested = true, f.InTunnel()
	d.r.Start = f.Now
	d.sides[client].await(socksVersion, 1)
	d.sides[server].await(socksVersion, 1)
}

// Gap implements sensor.Decoder. What is behind a gap in the handshake belongs
// to the tunnel in all likelihood.
func (d *socksDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	d.begin(f)
	s := &d.sides[role(f, side)]
	if s.step != socksThrough {
		d.r.Gap = true
		d.enter(f, s)
	}
	s.through += int64(n)
	if d.inner != nil && !d.opaque && d.inner.Gap(f, side, n) == sensor.Done {
		d.opaque = true
	}
	return d.verdict(f)
}

// verdict: once the tunnel tells nothing more only its end is waited for.
func (d *socksDecoder) verdict(f *sensor.Flow) sensor.Verdict {
	up, down := &d.sides[client], &d.sides[server]
	if up.step != socksThrough || down.step != socksThrough || d.inner != nil && !d.opaque {
		return sensor.More
	}
	if !d.nested {
		up.left, down.left = f.Delivered(f.Orig), f.Delivered(f.Orig.Other())
	}
	return sensor.Enough
}

// Close implements sensor.Decoder.
func (d *socksDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	r := d.r
	if d.told || r.Command == "" && r.Method == "" && r.Status == "" {
		return
	}
	d.told = true
	if d.inner == nil && !d.nested {
		f.Label("socks", r.RequestName)
	}
	d.authenticated(f, records.AuthUnknown, 0, emit)
	if d.inner != nil {
		d.inner.Close(f, emit)
	}
	up, down := &d.sides[client], &d.sides[server]
	r.TunnelFromOrig, r.TunnelFromResp = up.octets(f.Payload(f.Orig)), down.octets(f.Payload(f.Orig.Other()))
	if !d.nested {
		r.Tunnel, r.TunnelName = f.Tunnel, f.TunnelName
	}
	r.End = max(f.LastFrom(packet.FromA), f.LastFrom(packet.FromB))
	r.Stamp(f.Meta())
	emit(r)
}

// enter: the side's octets are the tunnel's from here on.
func (d *socksDecoder) enter(f *sensor.Flow, s *socksSide) {
	s.step, s.held = socksThrough, nil
	if d.inner == nil && !d.nested {
		f.Label("socks", d.r.RequestName)
		f.Session, f.Authority = true, d.authority()
		d.inner = f.EnterTunnel()
	}
}

// authority is host:port of what the proxy was asked for, "" if that was not seen.
func (d *socksDecoder) authority() string {
	host := d.r.RequestName
	if host == "" && d.r.RequestAddr.IsValid() {
		host = d.r.RequestAddr.String()
	}
	if host == "" {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(int(d.r.RequestPort)))
}

// end: nothing more can be read of either side.
func (d *socksDecoder) end(s *socksSide) {
	d.opaque = true
	s.step, s.held = socksThrough, nil
}
