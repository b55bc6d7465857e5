package site

import (
	"testing"

	"kagami/packet"
	"kagami/records"
)

func handshake(r *records.TLS, at int64, via string, random byte) *records.TLS {
	r.Start, r.End, r.ClientHello, r.Via = at+1000*second, at+1000*second, true, via
	r.ClientRandom[0], r.ClientRandom[31] = random, 1
	return r
}

func TestTunnelIsJoinedByItsHandshake(t *testing.T) {
	for _, order := range []string{"client first", "proxy first", "proxy first, known"} {
		t.Run(order, func(t *testing.T) {
			s := newStage(t, nil)
			if order == "proxy first, known" {
				s.join()
			}
			c := s.tunnel(1000*millisecond, 5000*millisecond, ws1, "www.example.test:443")
			inner := handshake(records.NewTLS(*c.Meta()), 1100*millisecond, "CONNECT", 7)
			outer := handshake(records.NewTLS(s.meta(packet.ProtoTCP, "10.0.0.66:50000", originAddr+":443")), 1101*millisecond, "", 7)
			if order == "proxy first, known" {
				outer = handshake(records.NewTLS(s.meta(packet.ProtoTCP, proxyAddr+":50000", originAddr+":443")), 1101*millisecond, "", 7)
			}
			if order == "client first" {
				s.see(1200*millisecond, inner)
				s.see(1201*millisecond, outer)
			} else {
				s.see(1200*millisecond, outer)
				s.see(1201*millisecond, inner)
			}
			if order != "proxy first" { // nobody knew yet that it is one
				wantWorkstations(t, outer, ws1)
			}
			f := s.flow(1050*millisecond, 5000*millisecond, "10.0.0.66:50000", originAddr+":443")
			f.Meta().UID = outer.Meta().UID
			s.see(6000*millisecond, f)
			s.see(6000*millisecond, c)
			wantWorkstations(t, f, ws1)
			wantOrigin(t, c, records.CacheUnseen, originAddr+":443", outer.Meta().UID, 0)
		})
	}
}

// tunnelCase is a tunnel with two connections of the proxy, of which one may be its own.
type tunnelCase struct {
	name   string
	target string
	dns    bool // the proxy looked the name up
	change func(*parts)
	flow   int // that is its own, -1 = none
	n      int // candidates
}

type parts struct {
	connect *records.HTTP
	flows   []*records.Flow
}

// TestTunnelIsJoinedByItsConnection: no handshake to go by.
func TestTunnelIsJoinedByItsConnection(t *testing.T) {
	const name = "www.example.test"
	for _, c := range []tunnelCase{
		{"name looked up", name + ":443", true, nil, 0, 0},
		{"nothing leads from name to address", name + ":443", false, nil, -1, 0},
		{"name in the connection", name + ":443", false, func(p *parts) { p.flows[0].ServerName = "WWW.example.test." }, 0, 0},
		{"address", originAddr + ":443", false, nil, 0, 0},
		{"another port", name + ":8443", true, nil, -1, 0},
		{"opened before the request", name + ":443", true, func(p *parts) { p.flows[0].Start -= second }, -1, 0},
		{"opened after the answer", name + ":443", true, func(p *parts) { p.flows[0].Start += second }, -1, 0},
		{"refused by the proxy", name + ":443", true, func(p *parts) { p.connect.Status = 403 }, -1, 0},
		{"another one's, when its own failed", name + ":443", true, func(p *parts) { p.connect.Status = 503 }, -1, 0},
		{"not answered", name + ":443", true, func(p *parts) { p.connect.Status, p.flows[0].Resp.Payload = 503, 0 }, 0, 0},
		{"two, told apart by what went through", name + ":443", true, func(p *parts) { p.flows[0].Resp.Payload = 1; p.flows[1].Start = p.flows[0].Start }, 1, 0},
		{"two alike", name + ":443", true, func(p *parts) { p.flows[1].Start = p.flows[0].Start }, -1, 2},
	} {
		for _, order := range []string{"connection first", "tunnel first"} {
			t.Run(c.name+", "+order, func(t *testing.T) {
				s := newStage(t, nil)
				s.join()
				if c.dns {
					s.see(1000*millisecond, s.answer(1000*millisecond, proxyAddr, name, originAddr))
				}
				p := parts{s.tunnel(1000*millisecond, 5000*millisecond, ws1, c.target),
					[]*records.Flow{s.flow(1050*millisecond, 5000*millisecond, proxyAddr+":50001", originAddr+":443"), s.flow(2*second, 5000*millisecond, proxyAddr+":50002", originAddr+":443")}}
				if c.change != nil {
					c.change(&p)
				}
				if order == "tunnel first" {
					s.see(6*second, p.connect)
				}
				for _, f := range p.flows {
					s.see(6*second, f)
				}
				if order == "connection first" {
					s.see(6*second, p.connect)
				}
				s.pass(9 * second)
				origin, uid, cache := "", uint64(0), records.CacheUnseen
				for i, f := range p.flows {
					switch {
					case i == c.flow:
						origin, uid = originAddr+":443", f.Meta().UID
						wantWorkstations(t, f, ws1)
					case c.n > 0:
						origin, cache = originAddr+":443", records.CacheAmbiguous
						wantWorkstations(t, f, ws1+"?")
					default:
						wantWorkstations(t, f)
					}
				}
				wantOrigin(t, p.connect, cache, origin, uid, c.n)
			})
		}
	}
}
