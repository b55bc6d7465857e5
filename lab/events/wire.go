package events

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"

	"kagami/lab"
)

// Scaled is the site with the number of each kind of machine divided, rounded up.
func (s Site) Scaled(by int) Site {
	for _, n := range []*int{&s.Workstations, &s.Servers, &s.Printers, &s.Phones, &s.Cameras, &s.Sensors, &s.Gateways, &s.TVs, &s.Admins} {
		*n = (*n + by - 1) / by
	}
	return s
}

// WritePcap plays the world as the frames of a mirror port, so that the sensor
// itself makes the records. All frames are kept until the end, and no message is
// longer than 4 KiB: it is for small worlds of a few days. Loss and the sensor's
// words about itself are left out.
func (w *World) WritePcap(out io.Writer) error {
	f := &frames{wire: lab.NewWire(lab.NewRand(w.opt.Seed, "wire"), lab.Faults{}), filler: bytes.Repeat([]byte{0xa5}, mostSent)}
	r := newRun(w, f)
	f.r = r
	f.certificate, f.err = certificate()
	r.begin()
	for t, more := r.sources.first(); more && t.at < r.end; t, more = r.sources.first() {
		r.step()
	}
	if f.err != nil {
		return fmt.Errorf("play world: %w", f.err)
	}
	c, err := f.wire.Capture(w.opt.Start)
	if err != nil {
		return fmt.Errorf("play world: %w", err)
	}
	c.Frames = append(c.Frames, f.extra...)
	slices.SortStableFunc(c.Frames, func(a, b lab.Frame) int { return cmp.Compare(a.Time, b.Time) })
	if err := c.WritePcap(out); err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	return nil
}

// mostSent is the longest message on the wire.
const mostSent = 4 << 10

// frames is the sink that shows what happens as frames.
type frames struct {
	r           *run
	wire        *lab.Wire
	extra       []lab.Frame // that the wire has no builder for
	filler      []byte
	certificate []byte
	err         error
}

func (f *frames) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *frames) since(t int64) time.Duration {
	return time.Duration(t - f.r.start).Truncate(time.Microsecond)
}

// inside is the endpoint of a machine at an address of its own.
func (f *frames) inside(h *host, addr netip.Addr) *lab.Endpoint {
	e := &lab.Endpoint{Name: h.name, Addr: addr, MAC: h.mac, TTL: h.ttl, RTT: 250 * time.Microsecond}
	if h.ttl == 128 {
		e.Stack = lab.Windows
	}
	return e
}

// peer is the endpoint of whom packets go to.
func (f *frames) peer(addr netip.Addr, d *dest) *lab.Endpoint {
	if addr.IsMulticast() {
		return lab.Group(addr)
	}
	for _, h := range f.r.hosts {
		if h.addr == addr {
			return f.inside(h, addr)
		}
	}
	e := &lab.Endpoint{Name: addr.String(), Addr: addr, MAC: f.r.router.mac, TTL: 55, RTT: 8 * time.Millisecond}
	if d != nil {
		e.RTT = time.Duration(d.rtt) - 250*time.Microsecond
	}
	return e
}

// open implements sink.
func (f *frames) open(s *session) {
	d := s.dest
	if s.carrier == tunnel || s.carrier == absolute {
		d = nil
	}
	c := f.wire.Dial(f.since(s.opened), f.inside(s.client, s.from), s.sport, f.peer(s.server, d), s.port)
	s.conn = c
	if s.carrier == tunnel {
		f.send(c, lab.Client, s.opened, fmt.Appendf(nil, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\nUser-Agent: %[2]s\r\n\r\n", s.dest.authority, s.agent))
		f.send(c, lab.Server, s.opened+s.dest.rtt, []byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	}
	if s.carrier == direct || s.carrier == tunnel {
		f.shake(s, c)
	}
}

// send puts octets on the wire, not before t.
func (f *frames) send(c *lab.Conn, from lab.Side, t int64, b []byte) { c.Send(from, f.since(t), b) }

// request implements sink.
func (f *frames) request(s *session, t int64, q request) {
	c := s.conn.(*lab.Conn)
	path := q.path
	if path == "" {
		path = "/"
	}
	if s.carrier == absolute {
		path = s.dest.url + path[1:]
	}
	host := s.dest.name
	if host == "" {
		host = s.dest.addr.String()
	}
	if s.dest.port != 80 {
		host = s.dest.authority
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", q.method, path, host, s.agent)
	if q.referrer != "" {
		fmt.Fprintf(&b, "Referer: %s\r\n", q.referrer)
	}
	up := min(q.up, mostSent)
	if q.method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", up, f.filler[:up])
	} else {
		fmt.Fprintf(&b, "Cookie: id=%s\r\n\r\n", bytes.Repeat([]byte("x"), int(up)))
	}
	f.send(c, lab.Client, t, b.Bytes())
	down := min(q.down, mostSent)
	f.send(c, lab.Server, t+q.took, fmt.Appendf(nil, "HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", q.status, q.kind, down, f.filler[:down]))
}

// data implements sink.
func (f *frames) data(s *session, t, _, up, down int64) {
	c := s.conn.(*lab.Conn)
	wrap := func(n int64) []byte {
		b := f.filler[:max(0, min(n, mostSent))]
		if s.carrier == direct || s.carrier == tunnel {
			return record(23, b)
		}
		return b
	}
	f.send(c, lab.Client, t, wrap(up))
	f.send(c, lab.Server, t+10*millisecond, wrap(down))
}

// shut implements sink.
func (f *frames) shut(s *session, t int64) { s.conn.(*lab.Conn).Close(lab.Client, f.since(t)) }

// lapse implements sink: the sensor forgets by itself.
func (f *frames) lapse(*session, int64) {}

// attempt implements sink.
func (f *frames) attempt(s *session, t int64, o outcome) {
	client, server := f.inside(s.client, s.from), f.peer(s.server, nil)
	if o == refused {
		f.wire.Refuse(f.since(t), client, server, s.port)
		return
	}
	f.wire.Ignore(f.since(t), client, server, s.port, time.Second, 2*time.Second)
}

// datagrams implements sink.
func (f *frames) datagrams(s *session, t, up, down int64) {
	client, server := f.inside(s.client, s.from), f.peer(s.server, s.dest)
	ask, tell := f.filler[:min(max(up, 1), 1400)], f.filler[:min(max(down, 0), 1400)]
	switch s.carrier {
	case ntp:
		ask, tell = f.clock(t)
	case multicast:
		ask = f.announce(s.port)
	case echo:
		f.ping(s, t, false, ask)
		if down >= 0 {
			f.ping(s, t+2*millisecond, true, ask)
		}
		return
	}
	const often = 1900 * millisecond // no pause that would be a pulse
	for at := t; at <= t+s.took; at += often {
		f.wire.UDP(f.since(at), client, s.sport, server, s.port, ask)
		if down >= 0 {
			f.wire.UDP(f.since(min(at+often, t+max(s.took, 20*millisecond))), server, s.port, client, s.sport, tell)
		}
	}
}

// clock is a time request and its answer (RFC 5905 section 7.3).
func (f *frames) clock(t int64) (ask, tell []byte) {
	now := uint64(t/second+2208988800)<<32 | uint64(t%second)<<32/uint64(second)
	ask, tell = make([]byte, 48), make([]byte, 48)
	ask[0], tell[0] = 4<<3|3, 4<<3|4
	binary.BigEndian.PutUint64(ask[40:], now)
	tell[1], tell[2], tell[3] = 2, 6, 0xe9 // stratum, poll, precision
	copy(tell[12:], []byte{198, 18, 0, 1})
	binary.BigEndian.PutUint64(tell[16:], now-9<<32)
	for i := 24; i < 48; i += 8 {
		binary.BigEndian.PutUint64(tell[i:], now)
	}
	return ask, tell
}

// announce is a question to all machines of the network.
func (f *frames) announce(port uint16) []byte {
	if port == 1900 {
		return []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n")
	}
	q := new(dns.Msg).SetQuestion("_services._dns-sd._udp.local.", dns.TypePTR)
	q.Id, q.RecursionDesired = 0, false
	b, err := q.Pack()
	if err != nil {
		f.fail(fmt.Errorf("build mdns message: %w", err))
	}
	return b
}

// ping is one ICMP echo message.
func (f *frames) ping(s *session, t int64, reply bool, payload []byte) {
	src, dst, kind := s.from, s.server, uint8(layers.ICMPv4TypeEchoRequest)
	from, to := s.client.mac, f.peer(s.server, nil).MAC
	if reply {
		src, dst, kind = dst, src, layers.ICMPv4TypeEchoReply
		from, to = to, from
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, Flags: layers.IPv4DontFragment, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: s.sport, Seq: 1}
	f.put(t, from, to, layers.EthernetTypeIPv4, ip, icmp, gopacket.Payload(payload))
}

// arp implements sink.
func (f *frames) arp(sender, target netip.Addr, mac [6]byte, op uint16, t int64, _ *Label) {
	to := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if op == 2 {
		to = f.peer(target, nil).MAC
	}
	f.put(t, mac, to, layers.EthernetTypeARP, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: mac[:], SourceProtAddress: sender.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: target.AsSlice(),
	})
}

// put makes a frame.
func (f *frames) put(t int64, from, to [6]byte, kind layers.EthernetType, rest ...gopacket.SerializableLayer) {
	buf := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: from[:], DstMAC: to[:], EthernetType: kind}
	stack := append([]gopacket.SerializableLayer{eth}, rest...)
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		f.fail(fmt.Errorf("build frame: %w", err))
		return
	}
	f.extra = append(f.extra, lab.Frame{Time: f.since(t), Data: slices.Clone(buf.Bytes())})
}

// stats implements sink: a capture has no word of the sensor.
func (f *frames) stats(int64) {}

// lookup implements sink.
func (f *frames) lookup(c, server *host, t int64, q lookup) {
	to := outside(siteNets-1, 52)
	if server != nil {
		to = server.addr
	}
	name := q.name
	if name == "" {
		name = q.dest.name
	}
	kind := dns.TypeA
	if q.kind == "TXT" {
		kind = dns.TypeTXT
	}
	ask := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	ask.Id = uint16(f.r.id())
	tell := new(dns.Msg).SetReply(ask)
	tell.RecursionAvailable = true
	header := dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: 1}
	switch {
	case q.missing:
		tell.Rcode = dns.RcodeNameError
	case q.kind == "TXT":
		tell.Answer = []dns.RR{&dns.TXT{Hdr: header, Txt: []string{q.text}}}
	case q.dest != nil:
		header.Ttl = q.dest.ttl
		tell.Answer = []dns.RR{&dns.A{Hdr: header, A: q.dest.addr.AsSlice()}}
	}
	port := c.nextPort()
	client, resolver := f.inside(c, c.addr), f.peer(to, nil)
	for i, m := range []*dns.Msg{ask, tell} {
		b, err := m.Pack()
		if err != nil {
			f.fail(fmt.Errorf("build dns message: %w", err))
			return
		}
		if i == 0 {
			f.wire.UDP(f.since(t), client, port, resolver, 53, b)
		} else {
			f.wire.UDP(f.since(t+q.rtt), resolver, 53, client, port, b)
		}
	}
}
