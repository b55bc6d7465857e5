package lab

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"time"
)

// TimeSync is a group of hosts that ask a time server.
type TimeSync struct {
	ID     string        `toml:"id"`
	Hosts  []string      `toml:"hosts"`
	Server string        `toml:"server"` // a host or a site
	Period time.Duration `toml:"period"` // a power of two of seconds
}

func planNTP(d *day, r *Rand) {
	for _, n := range d.s.NTP {
		series := d.benign(BenignSeries{ID: n.ID, Destination: n.Server + ":123", Period: n.Period, Jitter: 1, Via: "direct", Note: "NTP poll, a power of two of seconds"})
		for _, h := range d.s.hosts(n.Hosts) {
			if h.Name == n.Server {
				continue
			}
			series.Hosts = append(series.Hosts, h.Name)
			from, to := d.s.present(h)
			me, server := d.end(h.Name), d.end(n.Server)
			first := from + 30*time.Second + r.Span(0, n.Period/4)
			d.every(first, to, steady(r, n.Period, 1), func(t time.Duration) {
				series.Events++
				if d.s.site(n.Server) != nil {
					t = d.lookup(t, me, n.Server)
				}
				d.ntp(t, me, server, n.Period)
			})
		}
	}
}

// ntp puts a client request and the server's answer on the wire (RFC 5905).
func (d *day) ntp(t time.Duration, me, server *Endpoint, period time.Duration) {
	poll := byte(bits.Len64(uint64(period/time.Second)) - 1)
	q := make([]byte, 48)
	q[0], q[2], q[3] = 4<<3|3, poll, 0xe9 // version 4, client, precision
	sent := d.ntpTime(t)
	binary.BigEndian.PutUint64(q[40:], sent)
	d.wire.UDP(t, me, 123, server, 123, q)

	a := make([]byte, 48)
	a[0], a[1], a[2], a[3] = 4<<3|4, 2, poll, 0xe9
	binary.BigEndian.PutUint32(a[4:], 0x0400)
	binary.BigEndian.PutUint32(a[8:], 0x0300)
	ref := netip.AddrFrom4([4]byte{192, 0, 2, 123}).As4()
	copy(a[12:], ref[:])
	t += server.RTT
	binary.BigEndian.PutUint64(a[16:], d.ntpTime(t-40*time.Second))
	binary.BigEndian.PutUint64(a[24:], sent)
	binary.BigEndian.PutUint64(a[32:], d.ntpTime(t-server.RTT/2))
	binary.BigEndian.PutUint64(a[40:], d.ntpTime(t-server.RTT/2+20*time.Microsecond))
	d.wire.UDP(t, server, 123, me, 123, a)
}

// ntpTime is seconds since 1900 and a binary fraction.
func (d *day) ntpTime(t time.Duration) uint64 {
	at := d.s.Start.Add(t)
	return uint64(at.Unix()+2208988800)<<32 | uint64(at.Nanosecond())<<32/1_000_000_000
}

// Monitor is a server that watches others.
type Monitor struct {
	Host   string        `toml:"host"`
	Ping   []string      `toml:"ping"` // hosts
	Web    string        `toml:"web"`  // host asked over HTTP
	Period time.Duration `toml:"period"`
}

func planMonitor(d *day, r *Rand) {
	m := d.s.Monitor
	if m.Host == "" {
		return
	}
	me := d.end(m.Host)
	pings := d.benign(BenignSeries{ID: "monitor-ping", Hosts: []string{m.Host}, Destination: "icmp echo to its list", Period: m.Period, Via: "direct", Note: "a monitoring server pings the servers"})
	checks := d.benign(BenignSeries{ID: "monitor-http", Hosts: []string{m.Host}, Destination: m.Web + ":80", Period: m.Period, Via: "direct", Note: "and asks the intranet page"})
	seq := uint16(0)
	d.every(r.Span(0, m.Period), d.s.length(), steady(r, m.Period, 0), func(t time.Duration) {
		seq++
		for i, name := range m.Ping {
			pings.Events++
			d.wire.Ping(t+time.Duration(i)*100*time.Millisecond, me, d.end(name), 0x1d0f, seq, []byte("check "+strconv.Itoa(int(seq))+" abcdefghijklmnopqrstuvwxyz"))
		}
		checks.Events++
		name := m.Web + "." + d.s.Network.Domain
		t = d.lookup(t+time.Second, me, name)
		d.direct(t, me, d.end(m.Web), request{method: "GET", site: name, path: "/health", agent: "check_http/v2.3"},
			response{kind: "text/plain", body: []byte("OK\n"), headers: []header{{"Server", "nginx"}}})
	})
}
