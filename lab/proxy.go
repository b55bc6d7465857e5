package lab

import (
	"fmt"
	"net/http"
	"time"
)

const (
	relayPiece   = 16 << 10 // the proxy passes bodies on in pieces of its read buffer
	clientConns  = 4        // connections a browser keeps to its proxy
	originConns  = 6        // connections the proxy keeps to one origin
	clientIdle   = 75 * time.Second
	originIdle   = 20 * time.Second
	established  = "HTTP/1.1 200 Connection established\r\n\r\n" // 39 bytes, as Squid sends it
	proxyVersion = "squid/6.6"
)

// fetched says how an exchange went.
type fetched struct {
	begin, done time.Duration
	flows       []Flow // client leg, then origin leg if there was one
}

// keptConn is a connection with the time from which it is free.
type keptConn struct {
	conn   *Conn
	key    string
	used   time.Duration
	idle   time.Duration
	closer Side
}

// pool holds persistent connections in the order in which they were opened.
type pool struct{ conns []*keptConn }

// take returns a connection of that key which is free at t, or makes one with
// dial, or if there are limit already the one that is free first.
func (p *pool) take(t time.Duration, key string, limit int, dial func() *keptConn) *keptConn {
	open := p.conns[:0]
	var free, soonest *keptConn
	n := 0
	for _, k := range p.conns {
		if k.used+k.idle <= t {
			k.conn.Close(k.closer, k.used+k.idle)
			continue
		}
		open = append(open, k)
		if k.key != key {
			continue
		}
		n++
		if k.used <= t && free == nil {
			free = k
		}
		if soonest == nil || k.used < soonest.used {
			soonest = k
		}
	}
	p.conns = open
	switch {
	case free != nil:
		return free
	case n >= limit:
		return soonest
	}
	k := dial()
	k.key = key
	p.conns = append(p.conns, k)
	return k
}

// closeAll ends what is still open, at end at the latest.
func (p *pool) closeAll(end time.Duration) {
	for _, k := range p.conns {
		k.conn.Close(k.closer, min(k.used+k.idle, end))
	}
	p.conns = nil
}

// toProxy returns a connection of a program on the host to the proxy, whose
// name the host looks up now and then.
func (d *day) toProxy(t time.Duration, h *Host, program string) *keptConn {
	return d.pool.take(t, h.Name+">"+program, clientConns, func() *keptConn {
		t := d.lookup(t, d.end(h.Name), d.proxyName())
		c := d.wire.Dial(t, d.end(h.Name), 0, d.proxy(), d.s.Network.ProxyPort)
		return &keptConn{conn: c, used: t, idle: clientIdle, closer: Client}
	})
}

func (d *day) proxyName() string { return d.s.Network.Proxy + "." + d.s.Network.Domain }

// origin is the endpoint the proxy uses for a site and the proxy's own end:
// IPv6 where both have it.
func (d *day) origin(site string) (proxy, server *Endpoint) {
	p6, s6 := d.ends[d.s.Network.Proxy+"/6"], d.ends[site+"/6"]
	if p6 != nil && s6 != nil {
		return p6, s6
	}
	return d.proxy(), d.end(site)
}

// fetch makes one HTTP exchange through the proxy: both legs, with the name
// looked up, persistent connections, credentials and the proxy's cache.
func (d *day) fetch(t time.Duration, q request, a response) fetched {
	k := d.toProxy(t, q.from, q.program)
	t = d.challenge(max(t, k.used), k.conn, q, q.url())
	hop := []header{{"Proxy-Connection", "keep-alive"}}
	if q.from.ProxyUser != "" {
		hop = append(hop, header{"Proxy-Authorization", credentials(q.from.ProxyUser)})
	}
	begin := k.conn.Send(Client, t, q.bytes(q.url(), hop...))
	d.truth.Counts.HTTP.ClientToProxy++
	d.truth.Counts.HTTP.Responses++
	out := fetched{begin: begin, flows: []Flow{k.conn.Flow()}}
	t = k.conn.Ready(Server)

	hit := t < d.cached[q.url()] && q.verb() == http.MethodGet && a.status == 0
	if a.local { // the proxy answers for a name it cannot find
		t = d.lookup(t, d.proxy(), q.site)
	}
	if a.local || hit {
		head, body := d.head(t, q, a, d.via(hit, a)...)
		k.conn.Send(Server, t+d.rng.Span(200*time.Microsecond, 2*time.Millisecond), append(head, body...))
	} else {
		out.flows = append(out.flows, d.forward(t, k.conn, q, a))
	}
	if a.maxAge > 0 && !hit {
		d.cached[q.url()] = t + a.maxAge
	}
	k.used = k.conn.Ready(Client)
	out.done = k.used
	return out
}

// via is what the proxy adds to an answer.
func (d *day) via(hit bool, a response) []header {
	name := d.proxyName()
	verdict := "MISS"
	if hit {
		verdict = "HIT"
	}
	hs := []header{{"X-Cache", verdict + " from " + name}, {"Via", "1.1 " + name + " (" + proxyVersion + ")"}}
	if a.local {
		hs = append([]header{{"Server", proxyVersion}, {"X-Squid-Error", "ERR_DNS_FAIL 0"}}, hs...)
	}
	return append(hs, header{"Connection", "keep-alive"})
}

// challenge has the proxy ask a host for credentials the first time it comes,
// and returns when the client can try again.
func (d *day) challenge(t time.Duration, c *Conn, q request, target string) time.Duration {
	if q.from.ProxyUser == "" || d.cached["challenged "+q.from.Name] != 0 {
		return t
	}
	d.cached["challenged "+q.from.Name] = 1
	c.Send(Client, t, q.bytes(target, header{"Proxy-Connection", "keep-alive"}))
	refusal := response{
		status: http.StatusProxyAuthRequired, kind: "text/html;charset=utf-8", local: true,
		headers: []header{{"Proxy-Authenticate", `Basic realm="Office web proxy"`}},
		body:    errorPage("Cache Access Denied"),
	}
	if q.verb() == http.MethodConnect {
		d.truth.Counts.HTTP.Connects++
	}
	d.truth.Counts.HTTP.ClientToProxy++
	d.truth.Counts.HTTP.Responses++
	head, body := d.head(c.Ready(Server), q, refusal, d.via(false, response{})...)
	c.Send(Server, c.Ready(Server)+time.Millisecond, append(head, body...))
	return c.Ready(Client) + 3*time.Millisecond
}

// forward makes the origin leg of an exchange and passes the answer back to
// the client as it comes.
func (d *day) forward(t time.Duration, client *Conn, q request, a response) Flow {
	t = d.lookup(t, d.proxy(), q.site)
	me, server := d.origin(q.site)
	k := d.pool.take(t, "proxy>"+q.site, originConns, func() *keptConn {
		c := d.wire.Dial(t, me, 0, server, 80)
		return &keptConn{conn: c, used: t, idle: d.rng.Span(originIdle/4, originIdle), closer: Server}
	})
	t = max(t, k.used)
	k.conn.Send(Client, t, q.bytes(q.path,
		header{"Via", "1.1 " + d.proxyName() + " (" + proxyVersion + ")"},
		header{"X-Forwarded-For", q.from.IP.String()}, header{"Cache-Control", "max-age=259200"}, header{"Connection", "keep-alive"}))
	d.truth.Counts.HTTP.ProxyToOrigin++
	d.truth.Counts.HTTP.Responses++

	t = k.conn.Ready(Server) + d.rng.LogNormal(12*time.Millisecond, 70)
	head, body := d.head(t, q, a)
	toClient, _ := d.head(t, q, a, d.via(false, a)...)
	for first := true; first || len(body) > 0; first = false {
		n := min(len(body), relayPiece)
		t = k.conn.Send(Server, t, append(head, body[:n]...))
		client.Send(Server, t+me.RTT/2+d.rng.Span(80*time.Microsecond, 400*time.Microsecond), append(toClient, body[:n]...))
		head, toClient, body = nil, nil, body[n:]
	}
	k.used = k.conn.Ready(Client)
	return k.conn.Flow()
}

// tunnel makes a CONNECT tunnel through the proxy and plays the turns in it.
func (d *day) tunnel(t time.Duration, h *Host, agent, site string, turns []turn) fetched {
	q := request{from: h, method: http.MethodConnect, site: site + ":443", path: site + ":443", agent: agent}
	t = d.lookup(t, d.end(h.Name), d.proxyName())
	c := d.wire.Dial(t, d.end(h.Name), 0, d.proxy(), d.s.Network.ProxyPort)
	t = d.challenge(c.Ready(Client), c, q, q.path)
	hop := []header{{"Proxy-Connection", "keep-alive"}}
	if h.ProxyUser != "" {
		hop = append(hop, header{"Proxy-Authorization", credentials(h.ProxyUser)})
	}
	begin := c.Send(Client, t, q.bytes(q.path, hop...))
	d.truth.Counts.HTTP.ClientToProxy++
	d.truth.Counts.HTTP.Connects++
	d.truth.Counts.HTTP.Responses++
	me, server := d.origin(site)
	t = d.lookup(c.Ready(Server), d.proxy(), site)
	o := d.wire.Dial(t, me, 0, server, 443)
	c.Send(Server, o.Ready(Client), []byte(established))
	d.truth.Counts.TLS.ClientToProxy++
	d.truth.Counts.TLS.ProxyToOrigin++
	for _, turn := range turns {
		near, far := c, o
		if turn.from == Server {
			near, far = o, c
		}
		t = near.Ready(turn.from) + turn.think
		for rest := turn.data; len(rest) > 0; {
			n := min(len(rest), relayPiece)
			t = near.Send(turn.from, t, rest[:n])
			far.Send(turn.from, near.Ready(1-turn.from)+d.rng.Span(60*time.Microsecond, 300*time.Microsecond), rest[:n])
			rest = rest[n:]
		}
	}
	done := c.Close(Client, c.Ready(Client)+d.rng.Span(time.Second, 8*time.Second))
	o.Close(Client, done)
	return fetched{begin, done, []Flow{c.Flow(), o.Flow()}}
}

// converse plays TLS turns on a connection without a proxy.
func (d *day) converse(c *Conn, turns []turn) {
	d.truth.Counts.TLS.Direct++
	for _, turn := range turns {
		c.Send(turn.from, c.Ready(turn.from)+turn.think, turn.data)
	}
}

func errorPage(title string) []byte {
	return fmt.Appendf(nil, "<!DOCTYPE html>\n<html><head><title>ERROR: %[1]s</title></head>\n<body><h1>ERROR</h1><p>%[1]s.</p></body></html>\n", title)
}
