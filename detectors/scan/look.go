package scan

import (
	"net/netip"

	"kagami/detectors/census"
	"kagami/detectors/table"
)

// netbios is the port of NetBIOS names: Windows asks there who it was that called.
const netbios = 137

// look makes of a failure what else is known of it: that nobody is there, that
// others failed as well, or that the server turned to the client first. A
// client under suspicion speaks for no other.
func (d *Detector) look(k *contact, s *source) {
	if !k.outcome.failed() {
		return
	}
	if k.port == netbios && d.met.Known(key(asCaller, k.server, table.Addr(k.client))) {
		k.outcome = unknown
		return
	}
	c, _ := d.stale.At(table.Number(k.server, uint64(k.port)))
	others := c.Len()
	if c.Has(uint32(k.source)) {
		others--
	}
	if s.searching == 0 {
		c.Add(uint32(k.source))
	}
	switch {
	case others >= staleFor:
		k.outcome = stale
	case k.named && k.outcome == failure:
		k.outcome = mute
	case k.inside && k.outcome == failure && d.census.Dark(k.addr) && !d.named(k.addr):
		k.outcome = dark
	}
}

// named tells whether a DNS answer gave an address out: there was a machine once.
func (d *Detector) named(a netip.Addr) bool {
	return d.census.Nameless(&census.Contact{Addr: nobody}) && !d.census.Nameless(&census.Contact{Addr: a})
}

// nobody is an address that no answer gives (discard prefix, RFC 6666): it is
// nameless where DNS is visible.
var nobody = netip.AddrFrom16([16]byte{0: 0x01, 15: 1})

// disbelieve takes a client that has come under suspicion out of those who speak
// for others.
func (d *Detector) disbelieve(source uint64, t *targets) {
	for i := range t.kept {
		c := d.stale.Get(table.Number(table.Addr(t.kept[i].addr), uint64(t.kept[i].port)))
		if c == nil || !c.Has(uint32(source)) {
			continue
		}
		var rest table.Crowd
		for _, id := range c.IDs() {
			if id != uint32(source) {
				rest.Add(id)
			}
		}
		*c = rest
	}
}

// staleFor is how many others must have failed with a server for the failure to
// be the server's.
const staleFor = 2
