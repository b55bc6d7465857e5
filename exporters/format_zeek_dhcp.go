package exporters

import (
	"net/netip"
	"slices"
	"time"

	"kagami/records"
)

// zeekExchange is a DHCP exchange: what its messages said, the later ones' word
// counting. It is a record in place of its last message.
type zeekExchange struct {
	*records.DHCP // the last message

	start, end    int64
	flows         []uint64 // ids of the flows that carried the messages, at most zeekMaxFlows
	types         []string // of the messages, at most zeekMaxMessages
	client        netip.Addr
	server        netip.Addr
	requested     netip.Addr
	assigned      netip.Addr
	mac           [6]byte
	clientID      string
	hostName      string
	fqdn          string
	domain        string
	lease         uint32
	clientMessage string
	serverMessage string
	circuit       string
	remote        string
	subscriber    string
	done          bool
}

// Limits of an exchange; Zeek has the same.
const (
	zeekMaxFlows    = 10
	zeekMaxMessages = 50
	zeekDHCPWait    = int64(30 * time.Second) // for a further message
)

// zeekMaxExchanges is how many wait at most; then the oldest is written as it is.
const zeekMaxExchanges = 256

// zeekLeases are the DHCP exchanges that are not finished, the one whose last
// message is oldest first.
type zeekLeases struct {
	waiting []*zeekExchange
	written []*zeekExchange // to be used again
}

// begin is a new exchange.
func (l *zeekLeases) begin(start int64) *zeekExchange {
	n := len(l.written)
	if n == 0 {
		return &zeekExchange{start: start}
	}
	x := l.written[n-1]
	l.written = l.written[:n-1]
	*x = zeekExchange{start: start, flows: x.flows[:0], types: x.types[:0]}
	return x
}

// free takes back an exchange whose line is written.
func (l *zeekLeases) free(r records.Record) {
	if x, ok := r.(*zeekExchange); ok {
		l.written = append(l.written, x)
	}
}

// dhcp takes a message. The server's last word on a lease ends the exchange.
func (f *zeek) dhcp(r *records.DHCP) {
	l := &f.leases
	i := slices.IndexFunc(l.waiting, func(x *zeekExchange) bool { return x.same(r) })
	var x *zeekExchange
	if i >= 0 {
		x = l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else {
		x = l.begin(r.Time)
	}
	x.take(r)
	if x.done || len(x.types) >= zeekMaxMessages {
		f.line(zeekDHCP, x)
		return
	}
	if len(l.waiting) >= zeekMaxExchanges {
		f.line(zeekDHCP, l.waiting[0])
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
	l.waiting = append(l.waiting, x)
}

// expire writes the exchanges in which nothing more was said.
func (l *zeekLeases) expire(f *zeek, now int64) {
	n := 0
	for _, x := range l.waiting {
		at := x.Meta().At
		if now >= at && now-at < zeekDHCPWait {
			break
		}
		f.line(zeekDHCP, x)
		n++
	}
	if n > 0 {
		l.waiting = slices.Delete(l.waiting, 0, n)
	}
}

func (l *zeekLeases) flush(f *zeek) {
	for _, x := range l.waiting {
		f.line(zeekDHCP, x)
	}
	l.waiting = nil
}

// same tells whether a message belongs to the exchange.
func (x *zeekExchange) same(r *records.DHCP) bool {
	return x.XID == r.XID && x.Version == r.Version &&
		(x.mac == r.MAC || x.mac == [6]byte{} || r.MAC == [6]byte{}) &&
		(x.clientID == r.ClientID || x.clientID == "" || r.ClientID == "")
}

// take adds a message.
func (x *zeekExchange) take(r *records.DHCP) {
	x.DHCP, x.end = r, r.Time
	m := r.Meta()
	if !slices.Contains(x.flows, m.UID) && len(x.flows) < zeekMaxFlows {
		x.flows = append(x.flows, m.UID)
	}
	x.types = append(x.types, messageType(r))
	latest(&x.requested, r.RequestedIP)
	latest(&x.assigned, r.AssignedIP)
	latest(&x.client, r.ClientIP)
	latestText(&x.clientID, r.ClientID)
	latestText(&x.hostName, r.HostName)
	latestText(&x.fqdn, r.FQDN)
	latestText(&x.domain, r.Domain)
	latestText(&x.circuit, r.CircuitID)
	latestText(&x.remote, r.RemoteID)
	latestText(&x.subscriber, r.SubscriberID)
	if r.MAC != ([6]byte{}) {
		x.mac = r.MAC
	}
	if r.LeaseTime != 0 {
		x.lease = r.LeaseTime
	}
	if !r.Response {
		latestText(&x.clientMessage, r.Message)
		return
	}
	latestText(&x.serverMessage, r.Message)
	latest(&x.server, r.ServerIP)
	if !x.server.IsValid() {
		x.server = m.Server().Addr()
	}
	switch r.Type {
	case "ACK", "NAK", "REPLY":
		x.done = true
	}
}

func latest(v *netip.Addr, a netip.Addr) {
	if a.IsValid() && !a.IsUnspecified() {
		*v = a
	}
}

func latestText(v *string, s string) {
	if s != "" {
		*v = s
	}
}

// messageType is the message's type; of BOOTP, which has none, its operation.
func messageType(r *records.DHCP) string {
	switch {
	case r.Type != "":
		return r.Type
	case r.Response:
		return "BOOTREPLY"
	}
	return "BOOTREQUEST"
}

func writeDHCP(z *zeekRow, rec records.Record, _ int) {
	x := rec.(*zeekExchange)
	z.time(x.start)
	z.set(len(x.flows), true)
	for i, uid := range x.flows {
		z.element(i)
		z.quote()
		z.b = appendZeekID(z.b, 'C', uid)
		z.quote()
	}
	z.endSet()
	if x.assigned.IsValid() {
		z.addr(x.assigned)
	} else {
		z.addr(x.client)
	}
	z.addr(x.server)
	z.mac(x.mac)
	z.str(x.hostName)
	z.str(x.fqdn)
	z.str(x.domain)
	z.addr(x.requested)
	z.addr(x.assigned)
	if x.lease != 0 {
		z.interval(int64(x.lease) * 1e9)
	} else {
		z.unset(1)
	}
	z.str(x.clientMessage)
	z.str(x.serverMessage)
	z.strs(x.types)
	z.interval(max(0, x.end-x.start))
	z.str(x.circuit)
	z.str(x.remote)
	z.str(x.subscriber)
}

func (z *zeekRow) mac(a [6]byte) {
	if z.next(a != [6]byte{}) {
		z.quote()
		z.b = appendHexOctets(z.b, a[:], ':', lowerHex)
		z.quote()
	}
}
