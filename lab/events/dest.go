package events

import (
	"net/netip"
	"strconv"

	"kagami/records"
)

// dest is a service outside. It never changes.
type dest struct {
	id        int
	name      string // "" = known by its address only
	addr      netip.Addr
	port      uint16
	plain     bool  // HTTP without TLS
	rtt       int64 // to the server and back
	ttl       uint32
	answers   []records.Answer
	resolved  []netip.Addr
	looked    *records.Resolved
	domain    string // registered
	sub       string
	authority string // "name:port", as CONNECT asks for it
	url       string // of its front page
}

// sites is how many sites people know.
const sites = 20000

// Networks outside: the benchmark range, the first part for sites and services,
// the second for attackers, each of whom has a network of its own.
const (
	siteNets   = 300
	attackNets = 512 - siteNets
)

// site returns the n-th site by fame.
func (r *run) siteAt(n int) *dest {
	if d := r.famous[n]; d != nil {
		return d
	}
	h := mix(uint64(n) + 0x5157)
	host := [...]string{"www.", "www.", "www.", "", "m.", "app.", "news."}[h%7]
	d := r.destination(host, word(h>>3)+word(h>>11)+strconv.Itoa(n)+".example", outside(int(h>>20%(siteNets-20)), n), 443)
	if h>>40%100 < 7 {
		r.clear(d)
	}
	r.famous[n] = d
	return d
}

// service returns the destination of that name, known to all who use it.
func (r *run) service(name string, port uint16) *dest {
	key := name + ":" + strconv.Itoa(int(port))
	if d := r.services[key]; d != nil {
		return d
	}
	sub, domain := split(name)
	h := hashText(name)
	d := r.destination(sub, domain, outside(siteNets-20+int(h%20), int(h>>8%250)), port)
	if port == 80 {
		r.clear(d)
	}
	r.services[key] = d
	return d
}

// split takes a name apart in front of its registered domain: the last two
// labels, since all names end in .example.
func split(name string) (sub, domain string) {
	dots := 0
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if dots++; dots == 2 {
				return name[:i+1], name[i+1:]
			}
		}
	}
	return "", name
}

func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// outside is an address of a network outside.
func outside(net, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + net>>8), byte(net), byte(1 + n%250)})
}

// destination makes one; sub ends with a dot or is empty.
func (r *run) destination(sub, domain string, addr netip.Addr, port uint16) *dest {
	d := &dest{id: r.dests, name: sub + domain, domain: domain, addr: addr, port: port}
	r.dests++
	h := hashText(d.name)
	d.rtt = 4*millisecond + int64(h%160)*millisecond
	d.ttl = [...]uint32{60, 60, 300, 300, 300, 600, 3600}[h>>16%7]
	if sub != "" {
		d.sub = sub[:len(sub)-1]
	}
	d.answers = []records.Answer{{Name: d.name, Type: "A", Class: "IN", TTL: d.ttl, Data: addr.String()}}
	d.resolved = []netip.Addr{addr}
	d.looked = &records.Resolved{Name: d.name, Source: "dns"}
	d.authority = d.name + ":" + strconv.Itoa(int(port))
	d.url = "https://" + d.name + "/"
	return d
}

// bare makes a destination without a name.
func (r *run) bare(addr netip.Addr, port uint16) *dest {
	d := &dest{id: r.dests, addr: addr, port: port, rtt: 40 * millisecond}
	r.dests++
	d.authority = netip.AddrPortFrom(addr, port).String()
	d.url = "http://" + d.authority + "/"
	return d
}

// clear makes it a plain HTTP site.
func (r *run) clear(d *dest) {
	d.plain = true
	if d.port == 443 {
		d.port = 80
	}
	host := d.name
	if host == "" {
		host = d.addr.String()
	}
	d.authority = host + ":" + strconv.Itoa(int(d.port))
	d.url = "http://" + host + "/"
	if d.port != 80 {
		d.url = "http://" + d.authority + "/"
	}
}

// word is half of a made-up name.
func word(h uint64) string {
	list := [...]string{
		"river", "maple", "stone", "cloud", "north", "amber", "cedar", "delta", "ember", "field", "glade", "harbor", "inlet", "jasper", "kite", "lumen",
		"meadow", "nova", "orchid", "pine", "quartz", "raven", "summit", "tidal", "urban", "vista", "willow", "xenon", "yonder", "zephyr", "birch", "coral",
	}
	return list[h%uint64(len(list))]
}
