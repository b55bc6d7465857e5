package decoders

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"kagami/records"
	"kagami/sensor"
)

// socksStep is what one side sends next.
type socksStep uint8

const (
	socksVersion  socksStep = iota // the first octet tells SOCKS 4 from 5
	socksGreeting                  // client: version, count, methods
	socksTurn                      // client: authentication or request
	socksLogin                     // client: version, user, password (RFC 1929)
	socksRequest                   // client: version, command, reserved, address
	socksRequest4                  // client: version, command, port, address, user NUL [name NUL]
	socksMethod                    // proxy: version, method
	socksVerdict                   // proxy: version, status (RFC 1929)
	socksReply                     // proxy: version, code, reserved, address
	socksReply4                    // proxy: 0, code, port, address
	socksThrough                   // octets of the tunnel
)

// socksSide is one direction. Messages are gathered octet by octet: it makes no
// difference how the stream is cut.
type socksSide struct {
	step    socksStep
	held    []byte
	want    int    // octets of held that are needed to go on
	skip    int    // octets to pass over: a password
	through int64  // octets of the tunnel, gaps included
	left    uint64 // octets of the stream when nothing more was looked at
	replies int
}

func (s *socksSide) await(step socksStep, want int) {
	s.step, s.want, s.held = step, want, s.held[:0]
}

// gather takes what is wanted of b and returns how much that was.
func (s *socksSide) gather(b []byte) int {
	if s.skip > 0 {
		n := min(s.skip, len(b))
		s.skip -= n
		return n
	}
	n := min(s.want-len(s.held), len(b))
	s.held = append(s.held, b[:n]...)
	return n
}

func (s *socksSide) whole() bool { return s.skip == 0 && len(s.held) >= s.want }

// octets are those of the tunnel when the side had sent payload in all.
func (s *socksSide) octets(payload uint64) int64 {
	if s.left > 0 && payload > s.left {
		return s.through + int64(payload-s.left)
	}
	return s.through
}

// read goes on with what was wanted.
func (d *socksDecoder) read(f *sensor.Flow, who int, s *socksSide, emit sensor.Emit) {
	b := s.held
	switch s.step {
	case socksVersion:
		d.version(who, s, b[0])
	case socksGreeting:
		d.greeting(s, b)
	case socksTurn:
		switch b[0] {
		case socks5:
			s.step, s.want = socksRequest, 5
		case 1:
			s.step, s.want = socksLogin, 2
		default:
			d.violated(s, "neither authentication nor request")
		}
	case socksLogin:
		d.login(f, s, b)
	case socksRequest:
		d.request(f, s, b)
	case socksRequest4:
		d.request4(f, s, b)
	case socksMethod:
		d.method(s, b[1])
	case socksVerdict:
		d.judged(f, s, b[1] == 0, emit)
	case socksReply:
		d.reply(f, s, b)
	case socksReply4:
		d.reply4(f, s, b)
	}
}

// violated: this side does not speak SOCKS.
func (d *socksDecoder) violated(s *socksSide, what string) {
	if d.r.Odd == "" {
		d.r.Odd = what
	}
	d.end(s)
}

func (d *socksDecoder) version(who int, s *socksSide, v byte) {
	switch {
	case v == socks5:
		d.r.Version = "5"
		s.step, s.want = socksMethod, 2
		if who == client {
			s.step = socksGreeting
		}
	case who == client && v == socks4:
		d.r.Version = "4"
		s.step, s.want = socksRequest4, 9
	case who == server && (v == 0 || v == socks4): // some proxies say 4
		if d.r.Version == "" {
			d.r.Version = "4"
		}
		s.step, s.want = socksReply4, 8
	default:
		d.violated(s, "unknown version")
	}
}

func (d *socksDecoder) greeting(s *socksSide, b []byte) {
	if s.want = 2 + int(b[1]); len(b) < s.want {
		return
	}
	for _, m := range b[2:s.want] {
		d.r.Offered = append(d.r.Offered, socksMethodName(m))
	}
	if bytes.Equal(b[1:s.want], []byte{1, methodGSSAPI}) { // what follows is wrapped (RFC 1961)
		d.end(s)
		return
	}
	s.await(socksTurn, 1)
}

func socksMethodName(m byte) string {
	switch m {
	case methodNone:
		return "none"
	case methodGSSAPI:
		return "gssapi"
	case methodPassword:
		return "password"
	case 3:
		return "chap"
	case 5:
		return "challenge-response"
	case 6:
		return "tls"
	case methodRefused:
		return "refused"
	}
	return "0x" + records.Hex([]byte{m})
}

// login reads RFC 1929's request up to the password, which is passed over.
func (d *socksDecoder) login(f *sensor.Flow, s *socksSide, b []byte) {
	if s.want = 2 + int(b[1]) + 1; len(b) < s.want {
		return
	}
	d.r.User = string(appendVisible(nil, b[2:s.want-1], ""))
	d.asked = f.Now
	s.skip = int(b[s.want-1])
	s.await(socksTurn, 1)
}

// judged is the proxy's answer to a password.
func (d *socksDecoder) judged(f *sensor.Flow, s *socksSide, accepted bool, emit sensor.Emit) {
	result := records.AuthSuccess
	if !accepted {
		d.r.UserRefused, result = true, records.AuthFailure
	}
	d.authenticated(f, result, f.Now, emit)
	if accepted {
		s.await(socksReply, 5)
	} else {
		d.end(s)
	}
}

// authenticated writes the record of a login, once.
func (d *socksDecoder) authenticated(f *sensor.Flow, result records.AuthResult, answered int64, emit sensor.Emit) {
	if d.attempt || d.asked == 0 {
		return
	}
	d.attempt = true
	a := records.NewAuth(f.Meta())
	a.Protocol, a.Mechanism, a.Method = "socks", "USERNAME/PASSWORD", records.AuthPassword
	a.User, a.Result, a.Start, a.End = d.r.User, result, d.asked, answered
	emit(a)
}

func (d *socksDecoder) method(s *socksSide, m byte) {
	d.r.Method = socksMethodName(m)
	switch m {
	case methodNone:
		s.await(socksReply, 5)
	case methodPassword:
		s.await(socksVerdict, 2)
	default:
		d.end(s)
		if m == methodGSSAPI {
			d.end(&d.sides[client])
		}
	}
}

// socksAddress reads the address of a SOCKS 5 message (RFC 1928 section 5): b
// begins with its type. total is how long the message must be, 0 for an unknown type.
func socksAddress(b []byte) (a netip.Addr, name string, port uint16, total int) {
	const head = 3 // of the message
	switch b[0] {
	case 1:
		total = head + 1 + 4 + 2
	case 3:
		total = head + 1 + 1 + int(b[1]) + 2
	case 4:
		total = head + 1 + 16 + 2
	}
	if total == 0 || head+len(b) < total {
		return a, "", 0, total
	}
	addr := b[1 : total-head-2]
	if b[0] == 3 {
		name = string(appendVisible(nil, addr[1:], ""))
	} else {
		a, _ = netip.AddrFromSlice(addr)
		a = a.Unmap()
	}
	return a, name, binary.BigEndian.Uint16(b[total-head-2:]), total
}

func (d *socksDecoder) request(f *sensor.Flow, s *socksSide, b []byte) {
	addr, name, port, total := socksAddress(b[3:])
	if total == 0 {
		d.violated(s, "unknown address type")
		return
	}
	if s.want = total; len(b) < total {
		return
	}
	r := d.r
	r.Command, r.RequestAddr, r.RequestName, r.RequestPort = socksCommand(b[1]), addr, name, port
	d.asks(f, s, b[1])
}

// asks: a request is whole. What the client sends behind it is the tunnel's,
// whether it waits for the answer or not.
func (d *socksDecoder) asks(f *sensor.Flow, s *socksSide, command byte) {
	if command != socksConnect && command != socksBind {
		d.end(s)
		return
	}
	d.enter(f, s)
}

func socksCommand(c byte) string {
	switch c {
	case socksConnect:
		return "connect"
	case socksBind:
		return "bind"
	case socksUDP:
		return "udp_associate"
	}
	return "0x" + records.Hex([]byte{c})
}

func (d *socksDecoder) request4(f *sensor.Flow, s *socksSide, b []byte) {
	const head = 8
	user, rest, whole := bytes.Cut(b[head:], []byte{0})
	var name []byte
	if whole && socks4a(b[4:]) {
		name, _, whole = bytes.Cut(rest, []byte{0})
	}
	if !whole {
		if s.want++; len(user) > socksMaxText || len(name) > socksMaxText {
			d.r.Command, d.r.RequestPort = socksCommand(b[1]), binary.BigEndian.Uint16(b[2:])
			d.violated(s, "text too long")
		}
		return
	}
	r := d.r
	r.Command, r.RequestPort, r.User = socksCommand(b[1]), binary.BigEndian.Uint16(b[2:]), string(appendVisible(nil, user, ""))
	if name != nil {
		r.Version, r.RequestName = "4a", string(appendVisible(nil, name, ""))
	} else {
		r.RequestAddr = netip.AddrFrom4([4]byte(b[4:head]))
	}
	d.asks(f, s, b[1])
}

func (d *socksDecoder) reply(f *sensor.Flow, s *socksSide, b []byte) {
	if b[0] != socks5 {
		d.violated(s, "not a reply")
		return
	}
	addr, name, port, total := socksAddress(b[3:])
	if total == 0 && b[1] == 0 {
		d.violated(s, "unknown address type")
		return
	}
	if s.want = max(total, 5); len(b) < s.want {
		return
	}
	d.answered(f, s, b[1], addr, name, port)
}

func (d *socksDecoder) reply4(f *sensor.Flow, s *socksSide, b []byte) {
	d.answered(f, s, b[1], netip.AddrFrom4([4]byte(b[4:8])), "", binary.BigEndian.Uint16(b[2:]))
}

// answered: a reply is whole. A bind is answered twice: where the proxy listens,
// and who came.
func (d *socksDecoder) answered(f *sensor.Flow, s *socksSide, code byte, addr netip.Addr, name string, port uint16) {
	r := d.r
	if s.replies++; s.replies == 1 {
		r.Answered, r.Code, r.Status = f.Now, code, records.SOCKSStatus(r.Version, code)
		r.BoundAddr, r.BoundName, r.BoundPort = addr, name, port
	} else {
		r.Peer = netip.AddrPortFrom(addr, port)
	}
	switch {
	case records.SOCKSStatus(r.Version, code) != records.SOCKSSucceeded:
		d.end(s)
	case r.Command == "bind" && s.replies == 1:
		s.await(s.step, s.want)
		if s.step == socksReply {
			s.want = 5
		}
	case r.Command == "udp_associate":
		d.end(s)
	default:
		d.enter(f, s)
	}
}
