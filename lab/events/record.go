package events

import (
	"bytes"
	"net/netip"

	"kagami/packet"
	"kagami/records"
)

// recorder is the sink that shows what happens as the records that the sensor
// would write of it, at the times when it would write them.
type recorder struct {
	r         *run
	reuse     bool
	community bool
	loss      uint32 // of packets, in 2^-32
	luck      draw
	queue     heap[pending]
	pool      pool
	frames    uint64 // since the last stats
	dropped   uint64
	own       *Label   // of the sensor's words about itself
	flags     []string // of DNS messages, shared
	untrusted *records.Certificate
}

// pending is a record that is not due yet.
type pending struct {
	at    int64
	uid   uint64
	seq   uint32
	event Event
}

// Less orders records for output.
func (a pending) Less(b pending) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.uid != b.uid:
		return a.uid < b.uid
	}
	return a.seq < b.seq
}

const never = int64(1<<63 - 1)

func newRecorder(o Options) *recorder {
	return &recorder{
		reuse: o.Reuse, community: o.Community,
		loss: uint32(min(max(o.Loss, 0), 0.99) * (1 << 32)), luck: stream(o.Seed, "loss", 0),
		own: benign("sensor"), flags: []string{"RD", "RA"}, untrusted: &records.Certificate{SelfSigned: true},
	}
}

// due is when the next record is.
func (w *recorder) due() int64 {
	if len(w.queue.items) == 0 {
		return never
	}
	return w.queue.items[0].at
}

func (w *recorder) take() (Event, bool) {
	if len(w.queue.items) == 0 {
		return Event{}, false
	}
	return w.queue.pop().event, true
}

func (w *recorder) release(r records.Record) {
	if w.reuse {
		w.pool.put(r)
	}
}

func (w *recorder) put(rec records.Record, l *Label) {
	m := rec.Meta()
	w.queue.push(pending{m.At, m.UID, m.Seq, Event{rec, l}})
}

// lost tells whether the sensor misses all of n packets.
func (w *recorder) lost(n int) bool {
	w.frames += uint64(n)
	if w.loss == 0 {
		return false
	}
	for range n {
		if w.luck.Uint32() >= w.loss {
			return false
		}
	}
	w.dropped += uint64(n)
	return true
}

// meta makes the header of a session's next record.
func (w *recorder) meta(s *session, at int64) records.Meta {
	m := records.Meta{
		At: at, UID: s.uid, Seq: s.seq, ClientMAC: s.client.mac, ServerMAC: w.r.router.mac,
		ClientZone: "Trust", ServerZone: "Untrust", ClientInternal: true, ClientHost: s.client.info,
	}
	s.seq++
	m.Key, m.Orig = keyOf(s.from, s.server, s.sport, s.port, s.proto)
	if s.dest == nil || s.carrier == tunnel || s.carrier == absolute {
		m.ServerInternal = s.server.IsPrivate()
		if m.ServerInternal {
			m.ServerZone = "Trust"
		}
	} else if s.dest.name != "" && s.carrier != plain {
		m.Resolved, m.NameSource = s.dest.looked, "dns"
	}
	if w.community {
		m.CommunityID = m.Key.CommunityID(m.Orig)
	}
	if s.blind {
		m.Visibility = records.Visibility{Midstream: true, Missed: 1}
	}
	return m
}

// keyOf is the flow's key in canonical order, and the client's side.
func keyOf(client, server netip.Addr, sport, dport uint16, proto uint8) (packet.Key, packet.Side) {
	k := packet.Key{A: client.As16(), B: server.As16(), APort: sport, BPort: dport, Proto: proto}
	if c := bytes.Compare(k.A[:], k.B[:]); c > 0 || c == 0 && sport > dport {
		k.A, k.B, k.APort, k.BPort = k.B, k.A, k.BPort, k.APort
		return k, packet.FromB
	}
	return k, packet.FromA
}

// open implements sink.
func (w *recorder) open(s *session) {
	s.blind = w.lost(1)
	if s.carrier != direct && s.carrier != tunnel {
		return
	}
	at := s.hello()
	if w.lost(1) { // the ClientHello
		return
	}
	t := w.pool.tls()
	*t = *records.NewTLS(w.meta(s, at+s.dest.rtt))
	t.Start, t.End, t.ClientHello, t.ServerHello, t.Established = at, at+s.dest.rtt, true, true, true
	t.ServerName, t.JA4, t.ALPN = s.dest.name, s.ja4, "h2"
	t.Version, t.ClientVersion, t.Cipher, t.Curve, t.History = "1.3", "1.3", "TLS_AES_128_GCM_SHA256", "x25519", "CsiI"
	if s.carrier == tunnel {
		t.Via = "CONNECT"
	}
	if s.dest.name != "" {
		t.Meta().NameSource = "sni"
		t.Meta().Resolved = nil
	}
	if s.selfSigned {
		t.Version, t.ClientVersion, t.ALPN = "1.2", "1.2", ""
		t.Certificate, t.Chain = w.untrusted, 1
	}
	w.put(t, s.label)
}

// request implements sink.
func (w *recorder) request(s *session, t int64, q request) {
	if w.lost(1) {
		return
	}
	end := t + q.took
	h := w.pool.http()
	h.Stamp(w.meta(s, end))
	h.Start, h.RequestEnd, h.ResponseFrom, h.End = t, t, end, end
	h.Depth, h.RequestSeen, h.RequestComplete = s.requests, true, true
	h.Method, h.Host, h.URL, h.Target = q.method, s.dest.name, s.dest.url, q.path
	if h.Host == "" {
		h.Host = s.dest.addr.String()
	}
	if s.dest.port != 80 {
		h.Host = s.dest.authority
	}
	if q.path != "" {
		h.URL = s.dest.url + q.path[1:]
	}
	h.Version, h.UserAgent, h.Referrer = "1.1", s.agent, q.referrer
	h.RequestHeaders, h.RequestBody = 300, q.up
	if q.method == "GET" {
		h.RequestHeaders, h.RequestBody = 300+q.up, 0
	}
	h.ResponseSeen, h.ResponseComplete, h.Status, h.ResponseVersion = true, true, q.status, "1.1"
	h.ContentType, h.ResponseHeaders, h.ResponseBody = q.kind, 200, q.down
	h.Proxied = s.carrier == absolute
	h.Meta().NameSource = "host"
	w.put(h, s.label)
}

// data implements sink: after a pause it is a pulse, unless the flow is inside,
// or HTTP, or begins with it as far as the sensor knows.
func (w *recorder) data(s *session, t, idle, up, _ int64) {
	if idle < records.PulsePause || s.dest == nil || s.carrier == plain || s.carrier == absolute || idle > s.patience() || s.lapsed && s.carrier == tunnel || w.lost(1) {
		return
	}
	m := w.meta(s, t)
	s.seq-- // pulses are numbered apart
	m.Seq = 1<<31 | s.pulses
	s.pulses++
	p := w.pool.pulse()
	*p = *records.NewPulse(m)
	p.Start, p.Idle, p.Bytes = t, idle, min(up, 1460)
	if !s.lapsed && (s.carrier == tunnel || s.carrier == direct) {
		p.Service, p.ServerName = "tls", s.dest.name
		p.Meta().NameSource = "sni"
	}
	if s.carrier == tunnel {
		p.Authority = s.dest.authority
		p.Meta().NameSource = "connect"
	}
	w.put(p, s.label)
}

// arp implements sink.
func (w *recorder) arp(sender, target netip.Addr, mac [6]byte, op uint16, t int64, l *Label) {
	if w.lost(1) {
		return
	}
	m := records.Meta{At: t, UID: w.r.id(), ClientZone: "Trust", ServerZone: "Trust", ClientInternal: sender.IsPrivate(), ServerInternal: target.IsPrivate()}
	m.Key = packet.Key{A: sender.As16(), B: target.As16()}
	a := w.pool.arp()
	*a = *records.NewARP(m)
	a.Op, a.Sender, a.Target, a.SenderMAC = op, sender, target, mac
	w.put(a, l)
}

// stats implements sink.
func (w *recorder) stats(t int64) {
	s := w.pool.stats()
	*s = *records.NewStats(records.Meta{At: t})
	s.Start, s.Frames, s.Dropped = t-minute, w.frames, w.dropped
	w.frames, w.dropped = 0, 0
	w.put(s, w.own)
}
