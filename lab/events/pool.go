package events

import "kagami/records"

// pool keeps records that were handed out and are wanted back.
type pool struct {
	flows  []*records.Flow
	https  []*records.HTTP
	tlss   []*records.TLS
	dnss   []*records.DNS
	pulses []*records.Pulse
	arps   []*records.ARP
	statss []*records.Stats
}

func (p *pool) flow() *records.Flow   { return take(&p.flows) }
func (p *pool) http() *records.HTTP   { return take(&p.https) }
func (p *pool) tls() *records.TLS     { return take(&p.tlss) }
func (p *pool) dns() *records.DNS     { return take(&p.dnss) }
func (p *pool) pulse() *records.Pulse { return take(&p.pulses) }
func (p *pool) arp() *records.ARP     { return take(&p.arps) }
func (p *pool) stats() *records.Stats { return take(&p.statss) }

// take returns a record that is empty but for what its maker overwrites.
func take[T any](list *[]*T) *T {
	n := len(*list)
	if n == 0 {
		return new(T)
	}
	x := (*list)[n-1]
	*list = (*list)[:n-1]
	return x
}

// put takes a record back.
func (p *pool) put(r records.Record) {
	switch r := r.(type) {
	case *records.Flow:
		p.flows = append(p.flows, r)
	case *records.HTTP:
		*r = records.HTTP{}
		p.https = append(p.https, r)
	case *records.TLS:
		p.tlss = append(p.tlss, r)
	case *records.DNS:
		p.dnss = append(p.dnss, r)
	case *records.Pulse:
		p.pulses = append(p.pulses, r)
	case *records.ARP:
		p.arps = append(p.arps, r)
	case *records.Stats:
		p.statss = append(p.statss, r)
	}
}
