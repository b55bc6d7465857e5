package main

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// legs is what the tests of both legs of the proxy look at of a record.
type legs struct {
	Event  struct{ Dataset string }
	Source struct {
		IP     netip.Addr
		Domain string
	}
	Destination struct {
		IP     netip.Addr
		Domain string
	}
	HTTP struct {
		Request  struct{ Method string }
		Response struct {
			Status int `json:"status_code"`
		}
	}
	URL    struct{ Full string }
	Kagami struct {
		HTTP struct {
			Proxied      bool
			XCache       string `json:"x_cache"`
			ForwardedFor string `json:"forwarded_for"`
		}
		TLS   struct{ Via string }
		Proxy struct {
			Cache  string
			Origin struct {
				IP     netip.Addr
				FlowID string `json:"flow_id"`
			}
		}
		Workstation []struct {
			IP     netip.Addr
			FlowID string `json:"flow_id"`
		}
		Name struct{ Source, Resolved string }
		Flow struct{ ID string }
	}
}

func readLegs(t *testing.T, dir string) (out []legs) {
	t.Helper()
	for _, line := range lines(t, filepath.Join(dir, "records.jsonl")) {
		var r legs
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestOfficeLegs: both legs of the bundled capture's proxy are joined, and what
// the proxy itself says of its cache and of whom it asks for agrees.
func TestOfficeLegs(t *testing.T) {
	c := officeTruth(t).Counts
	n := map[string]int{}
	flows := map[string]netip.Addr{} // flow -> its server
	all := readLegs(t, read(t, []string{officeCapture}))
	for i := range all {
		flows[all[i].Kagami.Flow.ID] = all[i].Destination.IP
	}
	for i := range all {
		r := &all[i]
		k := &r.Kagami
		switch {
		case k.HTTP.Proxied && r.HTTP.Request.Method == "CONNECT" && r.HTTP.Response.Status == 200:
			n["tunnels"]++
			if k.Proxy.Origin.FlowID != "" {
				n["tunnels joined"]++
			}
		case k.HTTP.Proxied && k.Proxy.Cache == "miss":
			n["joined"]++
			if flows[k.Proxy.Origin.FlowID] != k.Proxy.Origin.IP {
				t.Errorf("%s: origin %v is not that of flow %s", r.URL.Full, k.Proxy.Origin.IP, k.Proxy.Origin.FlowID)
			}
		case k.HTTP.Proxied:
			n[k.Proxy.Cache]++
		case k.HTTP.ForwardedFor != "":
			n["origin requests"]++
			if len(k.Workstation) != 1 || k.Workstation[0].IP.String() != k.HTTP.ForwardedFor {
				t.Errorf("%s: workstation %v, the proxy says %s", r.URL.Full, k.Workstation, k.HTTP.ForwardedFor)
			}
		case r.Event.Dataset == "kagami.tls" && k.TLS.Via == "" && len(k.Workstation) == 1:
			n["handshakes joined"]++
		}
		if k.HTTP.Proxied && strings.HasPrefix(k.HTTP.XCache, "HIT") != (k.Proxy.Cache == "hit") {
			t.Errorf("%s: the proxy says %q, cache is %q", r.URL.Full, k.HTTP.XCache, k.Proxy.Cache)
		}
	}
	for name, want := range map[string]int{
		"joined": c.HTTP.ProxyToOrigin, "origin requests": c.HTTP.ProxyToOrigin, "tunnels joined": c.TLS.ProxyToOrigin,
		"tunnels": c.TLS.ProxyToOrigin, "handshakes joined": c.TLS.ProxyToOrigin, "ambiguous": 0,
		"hit": c.HTTP.ClientToProxy - c.Connects - c.HTTP.ProxyToOrigin - n["local"],
	} {
		if n[name] != want {
			t.Errorf("%s: got %d, want %d", name, n[name], want)
		}
	}
}

// TestOfficeOneLeg: with the proxy's other side out of sight, nothing is said of
// origins and caches.
func TestOfficeOneLeg(t *testing.T) {
	n := 0
	for _, r := range readLegs(t, read(t, []string{officeCapture}, "capture.filter=port 3128 or vlan")) {
		if !r.Kagami.HTTP.Proxied {
			continue
		}
		n++
		if r.Kagami.Proxy.Cache != "" || r.Kagami.Proxy.Origin.IP.IsValid() {
			t.Errorf("%s: %+v", r.URL.Full, r.Kagami.Proxy)
		}
	}
	if n < 1000 {
		t.Errorf("%d proxied requests only", n)
	}
}
