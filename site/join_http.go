package site

import (
	"net/netip"
	"strings"

	"kagami/records"
)

// wait is a client's transaction with a proxy that looks for the proxy's own.
type wait struct {
	http  *records.HTTP
	proxy netip.Addr
	who   records.Workstation
	key   uint64
	held  *held
}

// requestKey is what a request asks for: method and URL, equal on both legs. Its
// spelling is not: proxies take out blanks, give an empty path its slash and a
// host name no root dot.
func requestKey(r *records.HTTP) (uint64, bool) {
	rest, ok := strings.CutPrefix(r.URL, "http://")
	if !ok {
		return 0, false // the proxy asks by TLS
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port := splitHostPort(authority, 80)
	h := newHash.text(r.Method).name(host).number(uint64(port))
	if !strings.HasPrefix(path, "/") {
		h = h.octets([]byte{'/'})
	}
	for i := range len(path) {
		switch path[i] {
		case '#':
			return h.sum(), host != ""
		case ' ', '\t':
		default:
			h = h.octets([]byte{path[i]})
		}
	}
	return h.sum(), host != ""
}

// joinClient looks for the request that a proxy made for a client's.
func (s *Site) joinClient(r *records.HTTP, m *records.Meta) bool {
	key, ok := requestKey(r)
	if !ok {
		return false
	}
	w := &wait{http: r, proxy: m.Server().Addr(), who: s.workstation(m, r.User), key: key}
	if s.resolve(w) {
		s.retry(key)
		return false
	}
	_, p := s.proxies.of(w.proxy)
	if len(s.candidates(w)) == 0 && (p == nil || p.plain == 0) {
		return false // the proxy's other side was never seen
	}
	if r.Status == 407 {
		r.Cache = records.CacheLocal
		return false
	}
	return s.wait(w)
}

// wait holds a transaction back, if records may be.
func (s *Site) wait(w *wait) bool {
	if w.held = s.hold(w.http, w); w.held == nil {
		w.decide(s)
		return false
	}
	s.joins.waits[w.key] = append(s.joins.waits[w.key], w)
	return true
}

// joinOrigin takes a request to an origin, which may be a proxy's.
func (s *Site) joinOrigin(r *records.HTTP, m *records.Meta) bool {
	key, ok := requestKey(r)
	if !ok {
		return false
	}
	x := &leg{key: key, flow: m.UID, client: m.Client().Addr(), mac: m.ClientMAC, server: m.Server(), start: r.Start, end: r.End,
		answered: r.ResponseFrom, status: r.Status, down: r.ResponseBody, whole: r.ResponseComplete && !r.Gap && r.Method != "HEAD",
		via: forOthers(r), named: forwardedFor(r)}
	s.joins.legs.add(key, x)
	_, p := s.proxies.of(x.client)
	if p != nil {
		p.egress = true
		s.names.asked(m, r.HostName(), r.Start)
	}
	if p != nil || x.via {
		x.held = s.hold(r, x)
	}
	held := x.held != nil // retry may hand it on
	s.retry(key)
	return held
}

// retry looks again at what waits for a key, until nothing is decided any more.
func (s *Site) retry(key uint64) {
	for again := true; again; {
		again = false
		for i, w := range s.joins.waits[key] {
			if i == maxCandidates {
				break
			}
			if s.resolve(w) {
				s.joins.forget(w)
				s.release(w.held)
				again = true
				break
			}
		}
	}
}

// candidates are the requests that may be a transaction's other leg, those that
// nothing speaks against.
func (s *Site) candidates(w *wait) []*leg {
	var out []*leg
	for _, x := range s.joins.legs.since(w.key, w.http.Start-slack) {
		if !x.claimed && s.fits(w, x) {
			out = append(out, x)
		}
	}
	return out
}

// fits tells whether a leg lies within a client's transaction, asked by its
// proxy, with an answer that agrees.
func (s *Site) fits(w *wait, x *leg) bool {
	r := w.http
	from, until := r.Start-slack, firstAnswer(r)+slack
	if x.start < from || x.start > until || x.answered > until {
		return false
	}
	if r.Method != "CONNECT" && !agree(r.Status, x.status) {
		return false
	}
	if x.named.IsValid() && x.named != w.who.Addr.Addr() {
		return false
	}
	return s.asks(w, x)
}

// asks tells whether a leg is of a transaction's proxy.
func (s *Site) asks(w *wait, x *leg) bool {
	if main, p := s.proxies.of(x.client); p != nil {
		return main == w.proxy
	}
	if x.client == w.proxy || x.named.IsValid() || x.via {
		return true
	}
	m := w.http.Meta()
	return x.mac == m.ServerMAC && s.hosts.ownMAC(x.mac) // another address of the same machine: IPv6
}

// firstAnswer is when a client's transaction was answered, or was over.
func firstAnswer(r *records.HTTP) int64 {
	if r.ResponseFrom != 0 {
		return r.ResponseFrom
	}
	return max(r.End, r.RequestEnd)
}

// agree tells whether a proxy may answer one status when its origin answered
// another: the same, or 200 from its own copy that the origin called good (304).
func agree(client, origin int) bool {
	return client == origin || client == 0 || origin == 0 || origin == 304 && client == 200 || origin == 200 && (client == 206 || client == 304)
}

// resolve joins a transaction with its other leg if there is one only. What
// tells candidates apart, in this order: who they say they are for, and how long
// the answer is. A connection says nothing of what it is for: what a tunnel's is
// can be told only when no other may come (decide).
func (s *Site) resolve(w *wait) bool {
	if w.http.Method == "CONNECT" {
		return false
	}
	c := s.candidates(w)
	if named := pick(c, func(x *leg) bool { return x.named.IsValid() }); len(named) > 0 {
		s.claim(w, named[0]) // all of this client; one is as good as the other
		return true
	}
	if len(c) > 1 {
		c = pick(c, w.sameSize)
	}
	if len(c) != 1 {
		return false
	}
	s.claim(w, c[0])
	return true
}

func (w *wait) sameSize(x *leg) bool {
	r := w.http
	if r.Method == "CONNECT" {
		return x.up == r.TunnelFromOrig && x.down == r.TunnelFromResp
	}
	return x.status == r.Status && x.down == r.ResponseBody && x.whole == r.ResponseComplete
}

func pick(legs []*leg, good func(*leg) bool) (out []*leg) {
	for _, x := range legs {
		if good(x) {
			out = append(out, x)
		}
	}
	return out
}

// claim joins both legs.
func (s *Site) claim(w *wait, x *leg) {
	r := w.http
	x.claimed = true
	r.OriginAddr, r.OriginFlow, r.OriginCandidates = x.server, x.flow, 0
	p, _ := s.proxies.known.at(w.proxy)
	p.egress = true
	if r.Method == "CONNECT" {
		s.proxies.tunnels++
	} else {
		s.proxies.plain++
		p.plain++
		r.Cache = records.CacheMiss
		if x.status == 304 && r.Status == 200 {
			r.Cache = records.CacheRevalidated
		}
	}
	if p.served < provenServed {
		s.nameProxy(w.proxy)
	}
	if !x.via || x.named.IsValid() { // a Via alone is easily said
		s.learnEgress(w.proxy, x.client)
	}
	s.serves(x.flow, w.who)
	if h := x.held; h != nil && h.record != nil {
		h.record.Meta().Workstations = only(w.who)
		s.release(h)
	}
	x.held = nil
}

// late implements owner.
func (w *wait) late(s *Site) {
	s.joins.forget(w)
	w.decide(s)
}

// decide says what can be said of a transaction without a leg of its own.
func (w *wait) decide(s *Site) {
	c := s.candidates(w)
	if failed(w.http) && (len(c) == 0 || w.http.Method == "CONNECT") {
		c = s.attempts(w)
	}
	if len(c) == 1 {
		s.claim(w, c[0])
		return
	}
	if same := pick(c, w.sameSize); len(same) == 1 {
		s.claim(w, same[0])
		return
	}
	if len(c) == 0 { // what another client claimed may have served both
		for _, x := range s.joins.legs.since(w.key, w.http.Start-slack) {
			if x.claimed && !x.named.IsValid() && s.fits(w, x) {
				c = append(c, x)
			}
		}
	}
	if len(c) > 0 {
		s.proxies.unclear++
		w.ambiguous(s, c)
		return
	}
	r := w.http
	_, p := s.proxies.of(w.proxy)
	if r.Method == "CONNECT" || p == nil || p.plain == 0 || !r.ResponseSeen {
		return
	}
	switch {
	case r.Status < 400, r.Status == 404, r.Status == 410:
		r.Cache = records.CacheHit
		s.proxies.hits++
	default:
		r.Cache = records.CacheLocal
	}
}

// failed tells whether a proxy says that it did not reach the origin.
func failed(r *records.HTTP) bool { return r.Status >= 502 && r.Status <= 504 }

// attempts is the last of the connections that a proxy tried for a transaction,
// and that came to nothing.
func (s *Site) attempts(w *wait) []*leg {
	host, port := splitHostPort(w.http.Host, 80)
	var last *leg
	for _, x := range s.joins.legs.since(connectionKey(w.proxy, host, port), w.http.Start-slack) {
		if !x.claimed && x.down == 0 && s.fits(w, x) && (last == nil || x.start >= last.start) {
			last = x
		}
	}
	if last == nil {
		return nil
	}
	return []*leg{last}
}

// ambiguous names what both candidates have in common, and no more.
func (w *wait) ambiguous(s *Site, c []*leg) {
	r := w.http
	r.Cache, r.OriginCandidates, r.OriginAddr = records.CacheAmbiguous, len(c), c[0].server
	who := w.who
	who.Candidate = true
	for _, x := range c {
		if x.server != r.OriginAddr {
			r.OriginAddr = netip.AddrPort{}
		}
		s.serves(x.flow, who)
	}
}

// late implements owner: a leg whose client is not certain names those that wait.
func (x *leg) late(s *Site) {
	var may []records.Workstation
	for _, w := range s.joins.waits[x.key] {
		if len(may) < maxWorkstations && !x.claimed && s.fits(w, x) {
			who := w.who
			who.Candidate = true
			may = append(may, who)
		}
	}
	if len(may) > 0 {
		x.held.record.Meta().Workstations = &records.Workstations{List: may}
	}
	x.held = nil
}
