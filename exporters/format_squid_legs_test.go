package exporters

import (
	"net/netip"
	"testing"

	"kagami/records"
)

// TestSquidLegs: what both legs of a proxy tell, in Squid's words.
func TestSquidLegs(t *testing.T) {
	origin := netip.MustParseAddrPort("198.51.100.80:80")
	proxied := func(change func(*records.HTTP)) *records.HTTP {
		return httpRecord(t, func(r *records.HTTP) {
			r.Proxied, r.ContentType = true, ""
			change(r)
		})
	}
	const head, tail = `1424251299.090    452 192.168.1.10 `, ` 74769 GET http://apt.example.com/xxx/apt.zip - `
	for _, c := range []struct {
		name   string
		record *records.HTTP
		want   string
	}{
		{"asked", proxied(func(r *records.HTTP) { r.Cache, r.OriginAddr = records.CacheMiss, origin }), head + `TCP_MISS/200` + tail + `HIER_DIRECT/198.51.100.80 -`},
		{"asked by IPv6", proxied(func(r *records.HTTP) {
			r.Cache, r.OriginAddr = records.CacheMiss, netip.MustParseAddrPort("[2001:db8::80]:80")
		}), head + `TCP_MISS/200` + tail + `HIER_DIRECT/2001:db8::80 -`},
		{"refused by the origin", proxied(func(r *records.HTTP) { r.Cache, r.OriginAddr, r.Status = records.CacheMiss, origin, 403 }), head + `TCP_MISS/403` + tail + `HIER_DIRECT/198.51.100.80 -`},
		{"refused by the proxy", proxied(func(r *records.HTTP) { r.Cache, r.Status = records.CacheLocal, 403 }), head + `TCP_DENIED/403` + tail + `HIER_NONE/- -`},
		{"hit", proxied(func(r *records.HTTP) { r.Cache = records.CacheHit }), head + `TCP_HIT/200` + tail + `HIER_NONE/- -`},
		{"hit, given up", proxied(func(r *records.HTTP) { r.Cache, r.ResponseComplete = records.CacheHit, false }), head + `TCP_HIT_ABORTED/200` + tail + `HIER_NONE/- -`},
		{"hit, not modified", proxied(func(r *records.HTTP) { r.Cache, r.Status = records.CacheHit, 304 }), head + `TCP_IMS_HIT/304` + tail + `HIER_NONE/- -`},
		{"revalidated", proxied(func(r *records.HTTP) { r.Cache, r.OriginAddr = records.CacheRevalidated, origin }), head + `TCP_REFRESH_UNMODIFIED/200` + tail + `HIER_DIRECT/198.51.100.80 -`},
		{"ambiguous, one origin", proxied(func(r *records.HTTP) {
			r.Cache, r.OriginAddr, r.OriginCandidates = records.CacheAmbiguous, origin, 2
		}), head + `TCP_MISS/200` + tail + `HIER_DIRECT/198.51.100.80 -`},
		{"ambiguous", proxied(func(r *records.HTTP) { r.Cache, r.OriginCandidates = records.CacheAmbiguous, 2 }), head + `TCP_MISS/200` + tail + `HIER_NONE/- -`},
		{"tunnel", connect(t, func(r *records.HTTP) { r.OriginAddr = netip.MustParseAddrPort("198.51.100.80:443") }),
			`1424251299.090    452 192.168.1.10 TCP_TUNNEL/200 5045 CONNECT www.example.com:443 - HIER_DIRECT/198.51.100.80 -`},
	} {
		if got := lineOf(t, newSquid(Env{}), c.record); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestSquidProxyLegs: what a proxy asks for a workstation is not a second line,
// unless it is wanted.
func TestSquidProxyLegs(t *testing.T) {
	behind := &records.Workstations{List: []records.Workstation{{Flow: 1}}}
	leg := httpRecord(t, func(r *records.HTTP) { r.Meta().Workstations = behind })
	tunnel := flowRecord(t, func(r *records.Flow) { r.Meta().Workstations = behind })
	for _, r := range []records.Record{leg, tunnel} {
		for _, open := range []func(Env) Format{newSquid, newSquidCombined} {
			if got := lineOf(t, open(Env{Location: tokyo}), r); got != "" {
				t.Errorf("%T: a line of its own: %s", r, got)
			}
			if got := lineOf(t, open(Env{Location: tokyo, ProxyLegs: ProxyLegsShown}), r); got == "" {
				t.Errorf("%T: no line", r)
			}
		}
	}
}
