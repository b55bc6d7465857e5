package events

import (
	"strings"

	"kagami/packet"
	"kagami/records"
)

// Time-outs of the sensor's defaults: how long after its last packet a flow's
// record is written.
const (
	afterClose   = second
	afterAttempt = 10 * second
	afterUDP     = minute
	established  = 10 * minute // of TCP under way
	tunnelled    = 6 * hour    // of TCP that carries a tunnel through a proxy
)

// shut implements sink: the record of a tunnel, and the flow's.
func (w *recorder) shut(s *session, t int64) {
	at := t + afterClose
	blind := s.seq == 0 && (s.carrier == direct || s.carrier == tunnel) // its hello was lost
	if s.carrier == tunnel && !s.lapsed && !w.lost(1) {
		w.put(w.connect(s, at, t), s.label)
	}
	f := w.flow(s, at, "SF", "ShADadFf")
	f.End, f.EndReason = t, "fin"
	switch {
	case s.lapsed:
		f.History = "DadFf"
	case s.blind:
		f.History = "hADadFf"
	}
	w.name(f, s, blind)
	w.traffic(f, s.up, s.down)
	w.put(f, s.label)
}

// lapse implements sink: a flow that stood still for longer than the sensor
// remembers is written, and what comes of it later belongs to a flow without a
// beginning. It is written when that comes, a little late.
func (w *recorder) lapse(s *session, t int64) {
	at := max(t, w.r.now)
	if s.carrier == tunnel && !s.lapsed && !w.lost(1) {
		w.put(w.connect(s, at, s.spoke), s.label)
	}
	f := w.flow(s, at, "S1", "ShADad")
	f.End, f.EndReason = s.spoke, "timeout"
	if s.lapsed {
		f.ConnState, f.History = "OTH", "Dad"
	}
	w.name(f, s, false)
	w.traffic(f, s.up, s.down)
	w.put(f, s.label)
	s.uid, s.seq, s.pulses, s.opened, s.up, s.down, s.lapsed, s.blind = w.r.id(), 0, 0, t, 0, 0, true, true
}

// connect is the record of a tunnel.
func (w *recorder) connect(s *session, at, end int64) *records.HTTP {
	h := w.pool.http()
	h.Stamp(w.meta(s, at))
	start := s.opened + s.dest.rtt/8
	h.Start, h.RequestEnd, h.ResponseFrom, h.End = start, start, start+s.dest.rtt, end
	h.Depth, h.RequestSeen, h.RequestComplete, h.Proxied = 1, true, true, true
	h.Method, h.Target, h.Host, h.URL, h.Version, h.UserAgent = "CONNECT", s.dest.authority, s.dest.authority, s.dest.authority, "1.1", s.agent
	h.RequestHeaders, h.ResponseHeaders = int64(110+len(s.dest.authority)), 39
	h.ResponseSeen, h.ResponseComplete, h.Status, h.ResponseVersion, h.Reason = true, true, 200, "1.1", "Connection established"
	h.Tunnel, h.TunnelName, h.TunnelFromOrig, h.TunnelFromResp = "tls", s.dest.name, s.up, s.down
	h.Meta().NameSource = "connect"
	return h
}

// name fills in what a flow's content told; blind: the handshake was not seen.
func (w *recorder) name(f *records.Flow, s *session, blind bool) {
	if s.lapsed {
		return
	}
	switch s.carrier {
	case direct:
		if !blind {
			f.Service, f.ServerName = "tls", s.dest.name
		}
	case tunnel:
		f.Service, f.ServerName = "http", s.dest.name
		if !blind {
			f.Tunnel = "tls"
		}
	case plain, absolute:
		f.Service, f.ServerName = "http", s.dest.name
	}
}

// flow makes a flow record; what it sent and got is filled in by traffic.
func (w *recorder) flow(s *session, at int64, state, history string) *records.Flow {
	f := w.pool.flow()
	*f = *records.NewFlow(w.meta(s, at))
	f.Start, f.End, f.ConnState, f.History = s.opened, s.opened, state, history
	f.Action, f.Reason = "Permit", "answered"
	f.Orig.TTL, f.Resp.TTL = s.client.ttl, 57
	return f
}

func (w *recorder) traffic(f *records.Flow, up, down int64) {
	fill := func(c *records.Counts, n int64) {
		c.Payload = uint64(max(n, 0))
		c.Packets = 4 + c.Payload/1400
		c.IPBytes = c.Payload + 52*c.Packets
		c.Bytes = c.IPBytes + 14*c.Packets
		w.frames += c.Packets
	}
	fill(&f.Orig, up)
	fill(&f.Resp, down)
}

// attempt implements sink.
func (w *recorder) attempt(s *session, t int64, o outcome) {
	count := func(c *records.Counts, n uint64) {
		*c = records.Counts{Packets: n, IPBytes: 52 * n, Bytes: 66 * n, TTL: c.TTL}
	}
	if o == unanswered {
		if w.lost(3) {
			return
		}
		last := t + 3*second // repeats after 1 s and 2 s
		f := w.flow(s, last+afterAttempt, "S0", "S")
		f.End, f.EndReason, f.Action, f.Reason = last, "timeout", "Deny", "unanswered"
		count(&f.Orig, 3)
		f.Resp = records.Counts{}
		f.Meta().Visibility.OneSided = true
		w.put(f, s.label)
		return
	}
	asked, told := !w.lost(1), !w.lost(1)
	switch {
	case asked && told:
		f := w.flow(s, t+millisecond+afterClose, "REJ", "Sr")
		f.End, f.EndReason, f.Action, f.Reason = t+millisecond, "rst", "Deny", "refused"
		count(&f.Orig, 1)
		count(&f.Resp, 1)
		w.put(f, s.label)
	case asked:
		f := w.flow(s, t+afterAttempt, "S0", "S")
		f.EndReason, f.Action, f.Reason = "timeout", "Deny", "unanswered"
		count(&f.Orig, 1)
		f.Resp = records.Counts{}
		f.Meta().Visibility.OneSided = true
		w.put(f, s.label)
	}
}

// datagrams implements sink.
func (w *recorder) datagrams(s *session, t, up, down int64) {
	asked, answered := !w.lost(1), down >= 0 && !w.lost(1)
	if !asked {
		return // what is left would look like a flow of the other side
	}
	f := w.flow(s, t+afterUDP, "S0", "D")
	f.EndReason = "timeout"
	f.Orig.Packets = 1 + uint64(up)/1400
	f.Orig.Payload, f.Orig.IPBytes = uint64(up), uint64(up)+28*f.Orig.Packets
	f.Orig.Bytes = f.Orig.IPBytes + 14*f.Orig.Packets
	f.Resp.TTL = 0
	switch {
	case answered:
		f.ConnState, f.History = "SF", "Dd"
		f.End = t + max(s.took, 20*millisecond)
		f.Meta().At = f.End + afterUDP
		f.Resp.Packets = 1 + uint64(down)/1400
		f.Resp.Payload, f.Resp.IPBytes = uint64(down), uint64(down)+28*f.Resp.Packets
		f.Resp.Bytes, f.Resp.TTL = f.Resp.IPBytes+14*f.Resp.Packets, 57
	case s.server.IsMulticast():
		f.Reason = "no answer expected"
	default:
		f.Action, f.Reason = "Deny", "unanswered"
	}
	f.Meta().Visibility.OneSided = !answered
	f.Service = [...]string{ntp: "ntp", quic: "quic", multicast: "mdns"}[s.carrier]
	switch {
	case s.carrier == quic && !answered:
		f.Service = ""
	case s.carrier == multicast && s.port == 1900:
		f.Service = "ssdp"
	}
	if s.carrier == echo {
		f.ConnState, f.History, f.ICMPType = "OTH", "", 8
		if s.proto == packet.ProtoICMP && !answered {
			f.Action, f.Reason = "Deny", "unanswered"
		}
	}
	w.put(f, s.label)
}

// lookup implements sink. Without a server inside it is the resolver's own
// question to the provider's.
func (w *recorder) lookup(c, server *host, t int64, q lookup) {
	s := w.r.session()
	s.client, s.from, s.server, s.port, s.sport, s.proto, s.label = c, c.addr, outside(siteNets-1, 52), 53, c.nextPort(), packet.ProtoUDP, q.label
	s.uid, s.opened, s.carrier = w.r.id(), t, datagram
	if server != nil {
		s.server = server.addr
	}
	asked, told := !w.lost(1), !w.lost(1)
	if asked {
		w.put(w.question(s, t, q), q.label)
	}
	if told {
		d := w.question(s, t+q.rtt, q)
		d.Response, d.RTT, d.RCode, d.Header, d.Flags = true, q.rtt, "NOERROR", 0x8180, w.flags
		if !asked {
			d.RTT = -1
		}
		w.answer(d, q)
		w.put(d, q.label)
	}
	if asked {
		f := w.flow(s, t+q.rtt+afterUDP, "SF", "Dd")
		f.End, f.EndReason, f.Service = t+q.rtt, "timeout", "dns"
		f.Orig.Packets, f.Orig.Payload, f.Orig.IPBytes, f.Orig.Bytes = 1, 45, 73, 87
		f.Resp.Packets, f.Resp.Payload, f.Resp.IPBytes, f.Resp.Bytes = 1, 61, 89, 103
		if !told {
			f.ConnState, f.History, f.Action, f.Reason, f.Resp = "S0", "D", "Deny", "unanswered", records.Counts{}
			f.Meta().At = t + afterUDP
			f.End = t
		}
		w.put(f, q.label)
	}
	w.r.spare = append(w.r.spare, s)
}

func (w *recorder) question(s *session, at int64, q lookup) *records.DNS {
	d := w.pool.dns()
	*d = *records.NewDNS(w.meta(s, at))
	d.Protocol, d.Time, d.RTT, d.Opcode, d.Flags, d.Header = "dns", at, 0, "QUERY", w.flags[:1], 0x0100
	d.ID = uint16(s.uid)
	d.Name, d.Type, d.Class, d.TypeNo, d.ClassNo, d.Questions = q.name, "A", "IN", 1, 1, 1
	if q.kind == "TXT" {
		d.Type, d.TypeNo = "TXT", 16
	}
	d.TopLevelDomain = "example"
	if q.dest == nil {
		d.RegisteredDomain = q.name
		return d
	}
	if d.RegisteredDomain, d.Subdomain = q.dest.domain, q.dest.sub; q.name == "" {
		d.Name = q.dest.name
	} else {
		d.Subdomain = strings.TrimSuffix(strings.TrimSuffix(q.name, q.dest.domain), ".")
	}
	return d
}

func (w *recorder) answer(d *records.DNS, q lookup) {
	switch {
	case q.missing:
		d.RCode, d.RCodeNo = "NXDOMAIN", 3
	case q.kind == "TXT":
		d.Answers = []records.Answer{{Name: d.Name, Type: "TXT", Class: "IN", TTL: 1, Data: q.text}}
	case q.name != "":
		d.Answers = []records.Answer{{Name: d.Name, Type: "A", Class: "IN", TTL: q.dest.ttl, Data: q.dest.answers[0].Data}}
		d.Resolved = q.dest.resolved
	default:
		d.Answers, d.Resolved = q.dest.answers, q.dest.resolved
	}
}
