package zeeklog

import (
	"bytes"
	"errors"
	"hash/fnv"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"kagami/packet"
	"kagami/records"
)

var (
	errNoTime = errors.New("read line: no time")
	errNoEnds = errors.New("read line: no addresses")
)

// record adds the records of one line.
func (l *loader) record(kind string, r *row) error {
	switch kind {
	case "conn", "http", "dns", "ssl":
	default:
		l.logs.Skipped++
		return nil
	}
	m, err := l.meta(r)
	if err != nil {
		return err
	}
	switch kind {
	case "conn":
		l.conn(r, m)
	case "http":
		l.http(r, m)
	case "dns":
		l.dns(r, m)
	case "ssl":
		l.tls(r, m)
	}
	return nil
}

func (l *loader) add(r records.Record) { l.logs.Records = append(l.logs.Records, r) }

// meta is what all logs have.
func (l *loader) meta(r *row) (records.Meta, error) {
	m := records.Meta{At: r.time("ts")}
	client, server := r.addr("id.orig_h"), r.addr("id.resp_h")
	if m.At == 0 {
		return m, errNoTime
	}
	if !client.IsValid() || !server.IsValid() {
		return m, errNoEnds
	}
	proto := protocol(r.str("proto"))
	from, to := r.port("id.orig_p"), r.port("id.resp_p")
	if proto == packet.ProtoICMP || proto == packet.ProtoICMPv6 {
		from, to = 0, 0 // Zeek: type and code
	}
	m.Key, m.Orig = key(netip.AddrPortFrom(client, from), netip.AddrPortFrom(server, to), proto)
	m.CommunityID = m.Key.CommunityID(m.Orig)
	h := fnv.New64a()
	h.Write([]byte(r.str("uid")))
	m.UID = h.Sum64()
	l.seq++
	m.Seq = l.seq
	return m, nil
}

func protocol(name string) uint8 {
	switch name {
	case "udp":
		return packet.ProtoUDP
	case "icmp":
		return packet.ProtoICMP
	}
	return packet.ProtoTCP // http and ssl do not say it
}

// key puts two endpoints into the canonical order.
func key(client, server netip.AddrPort, proto uint8) (packet.Key, packet.Side) {
	k := packet.Key{A: client.Addr().As16(), B: server.Addr().As16(), APort: client.Port(), BPort: server.Port(), Proto: proto}
	if c := bytes.Compare(k.A[:], k.B[:]); c > 0 || c == 0 && k.APort > k.BPort {
		k.A, k.B, k.APort, k.BPort = k.B, k.A, k.BPort, k.APort
		return k, packet.FromB
	}
	return k, packet.FromA
}

// about is what is known of the connection of a record.
func (l *loader) about(uid uint64) *conn {
	c := l.conns[uid]
	if c == nil {
		c = &conn{}
		l.conns[uid] = c
	}
	return c
}

// conn is a line of conn.log: a flow, told when it was over.
func (l *loader) conn(r *row, m records.Meta) {
	start := m.At
	m.At += r.span("duration")
	if r.str("local_orig") == "T" {
		l.local[m.Client().Addr()] = struct{}{}
	}
	if r.str("local_resp") == "T" {
		l.local[m.Server().Addr()] = struct{}{}
	}
	f := records.NewFlow(m)
	f.Start, f.End = start, m.At
	f.Orig = records.Counts{Packets: r.uint("orig_pkts"), IPBytes: r.uint("orig_ip_bytes"), Payload: r.uint("orig_bytes")}
	f.Resp = records.Counts{Packets: r.uint("resp_pkts"), IPBytes: r.uint("resp_ip_bytes"), Payload: r.uint("resp_bytes")}
	f.ConnState, f.History = r.str("conn_state"), r.str("history")
	f.Service = service(r.str("service"))
	f.ICMPType = uint8(min(r.uint("id.orig_p"), 255))
	f.Meta().Visibility.Missed = r.uint("missed_bytes")
	if m.Key.Proto != packet.ProtoICMP {
		f.ICMPType = 0
	}
	l.add(f)
}

// service is Kagami's name of the first protocol that Zeek recognised.
func service(zeek string) string {
	for s := range strings.SplitSeq(zeek, ",") {
		switch s {
		case "ssl":
			return "tls"
		case "":
		default:
			return s
		}
	}
	return ""
}

func (l *loader) http(r *row, m records.Meta) {
	x := records.NewHTTP(m)
	x.Start, x.RequestEnd = m.At, m.At
	x.Depth = int(min(r.uint("trans_depth"), 1<<31))
	x.Method, x.Target, x.Host = r.str("method"), r.str("uri"), r.str("host")
	x.RequestSeen = x.Method != "" || x.Target != ""
	x.Version, x.Referrer, x.UserAgent, x.User = r.str("version"), r.str("referrer"), r.str("user_agent"), r.str("username")
	x.RequestBody, x.ResponseBody = int64(r.uint("request_body_len")&(1<<62-1)), int64(r.uint("response_body_len")&(1<<62-1))
	x.Status, x.Reason = int(min(r.uint("status_code"), 999)), r.str("status_msg")
	x.ResponseSeen = x.Status != 0
	x.RequestType, x.ContentType = first(r.list("orig_mime_types")), first(r.list("resp_mime_types"))
	c := l.about(m.UID)
	c.http = true
	switch authority, absolute := absoluteForm(x.Target); {
	case x.Method == "CONNECT":
		x.Proxied, x.Host, x.URL = true, x.Target, x.Target
		c.connect = true
	case absolute:
		x.Proxied, x.Host, x.URL = true, authority, x.Target
	default:
		x.URL = "http://" + x.Host + x.Target
	}
	if c.name == "" {
		c.name = x.HostName()
	}
	l.add(x)
}

// absoluteForm tells the authority of a request target that is a whole URL
// (RFC 9112 section 3.2.2).
func absoluteForm(target string) (authority string, ok bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || strings.ContainsAny(scheme, "/?#") || scheme == "" {
		return "", false
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest, true
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (l *loader) tls(r *row, m records.Meta) {
	x := records.NewTLS(m)
	x.Start, x.End = m.At, m.At
	x.ServerName, x.JA3, x.JA3S = r.str("server_name"), r.str("ja3"), r.str("ja3s")
	x.Version, x.Cipher, x.Curve, x.ALPN = r.str("version"), r.str("cipher"), r.str("curve"), r.str("next_protocol")
	x.ClientHello, x.ServerHello = true, x.Cipher != ""
	x.Established = r.str("established") == "T"
	x.Resumed = r.str("resumed") == "T"
	x.LastAlert, x.History = r.str("last_alert"), r.str("ssl_history")
	c := l.about(m.UID)
	c.tls = true
	if c.name == "" {
		c.name = x.ServerName
	}
	l.add(x)
}

// dns is a line of dns.log: a query and, where there is one, its answer.
func (l *loader) dns(r *row, m records.Meta) {
	x := dnsMessage(r, m)
	l.add(x)
	code := r.str("rcode_name")
	if code == "" {
		return
	}
	m.At += r.span("rtt")
	l.seq++
	m.Seq = l.seq
	a := dnsMessage(r, m)
	a.Response, a.RCode, a.RCodeNo, a.RTT = true, code, uint16(r.uint("rcode")), -1
	if r.str("rtt") != "" {
		a.RTT = r.span("rtt")
	}
	ttls := r.list("TTLs")
	for i, data := range r.list("answers") {
		answer := records.Answer{Name: a.Name, Type: "CNAME", Class: "IN", Data: data}
		if addr, err := netip.ParseAddr(data); err == nil {
			answer.Type = map[bool]string{true: "A", false: "AAAA"}[addr.Is4()]
			a.Resolved = append(a.Resolved, addr.Unmap())
		}
		if i < len(ttls) {
			answer.TTL = uint32(min(seconds(ttls[i])/1e9, 1<<32-1))
		}
		a.Answers = append(a.Answers, answer)
	}
	l.add(a)
}

func dnsMessage(r *row, m records.Meta) *records.DNS {
	x := records.NewDNS(m)
	x.Protocol, x.Time, x.RTT, x.ID = "dns", m.At, -1, uint16(r.uint("trans_id"))
	switch m.Server().Port() {
	case 5353:
		x.Protocol = "mdns"
	case 5355:
		x.Protocol = "llmnr"
	case 137:
		x.Protocol = "nbns"
	}
	x.TCP, x.Opcode, x.Questions = m.Key.Proto == packet.ProtoTCP, "QUERY", 1
	x.Name, x.Type, x.TypeNo, x.Class = r.str("query"), r.str("qtype_name"), uint16(r.uint("qtype")), "IN"
	x.RegisteredDomain = registered(x.Name)
	return x
}

// registered is the name's registered domain, "" when it is none.
func registered(name string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(strings.TrimSuffix(name, ".")))
	if err != nil {
		return ""
	}
	return domain
}
