package scan

import (
	"net/netip"
	"strings"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/packet"
	"kagami/records"
)

// outcome of a first contact.
type outcome uint8

const (
	unknown outcome = iota // cannot be told: no evidence
	success
	failure
	mute    // UDP without answer
	dark    // failure with an address at which nobody is
	stale   // failure, as of others before
	hidden  // ARP without an answer where answers are not visible
	numbers // how many there are
)

func (o outcome) text() incident.Text {
	return [numbers]incident.Text{
		{EN: "unknown", JA: "不明"}, {EN: "answered", JA: "応答あり"}, {EN: "failed", JA: "失敗"},
		{EN: "no answer", JA: "応答なし"}, {EN: "nobody there", JA: "存在しない宛先"}, {EN: "failed, as for others", JA: "失敗（他の端末も同様）"},
		{EN: "no answer seen", JA: "応答は観測できず"},
	}[o]
}

// step is the evidence of an outcome in nats.
func (o outcome) step() float64 {
	return [numbers]float64{0, stepSuccess, stepFail, stepMute, stepDark, stepKnown, stepKnown}[o]
}

// failed tells whether the contact came to nothing.
func (o outcome) failed() bool { return o >= failure }

// outcomeOf reads what a flow came to. A flow that shows one direction only
// where the other must exist says nothing; nor does a datagram without an answer
// where the mirror is blind for one direction.
func outcomeOf(r *records.Flow, blind bool) outcome {
	m := r.Meta()
	switch m.Key.Proto {
	case packet.ProtoTCP:
		return outcomeOfTCP(r, blind)
	case packet.ProtoUDP:
		switch {
		case r.Orig.Packets == 0 || reply(m) || m.Client().Port() == m.Server().Port():
		case r.Resp.Packets > 0:
			return success
		case r.Reason == "refused": // an ICMP message of the server said that nobody listens
			return failure
		case !blind && !oneWay(m.Server().Port()):
			return mute
		}
	case packet.ProtoICMP, packet.ProtoICMPv6:
		echo := r.ICMPType == 8 && m.Key.Proto == packet.ProtoICMP || r.ICMPType == 128 && m.Key.Proto == packet.ProtoICMPv6
		switch {
		case !echo:
		case r.Resp.Packets > 0:
			return success
		case !blind:
			return failure
		}
	}
	return unknown
}

func outcomeOfTCP(r *records.Flow, blind bool) outcome {
	switch {
	case stealthy(r) && !blind:
		return failure
	case !strings.Contains(r.History, "S"):
		return unknown // no request seen: it may run the other way round
	case census.Answered(r):
		return success
	case census.Refused(r):
		return failure
	}
	return unknown
}

// stealthy tells whether a segment was sent out of the blue that no connection
// begins with, to learn from the reset or its absence whether the port is open:
// with FIN, with FIN, PSH and URG, or without any flag (RFC 9293 section
// 3.10.7.1). What looks like the end of a connection that was not seen is none.
func stealthy(r *records.Flow) bool {
	switch r.History {
	case "F", "Fr", "", "r":
		return r.Orig.Packets > 0 && r.Orig.Packets <= 2 && r.Orig.Payload == 0 && !reply(r.Meta())
	}
	return false
}

// oneWay tells whether nobody answers at a UDP port, or hardly anybody: wake-on-LAN,
// SNMP traps, syslog, flow exports, printers that drivers look for at every
// address (Epson ENPC, Canon BJNP), and the range that traceroute walks through.
func oneWay(port uint16) bool {
	switch port {
	case 7, 9, 162, 514, 2055, 3289, 4739, 6343, 8125, 8610, 8611, 8612, 8613, 8614, 9995, 9996:
		return true
	}
	return port >= 33434 && port < 33534
}

// reply tells whether a packet looks like the late answer of a server, which
// begins a flow of its own: to a port that clients use, or from a port that
// servers use.
func reply(m *records.Meta) bool {
	from, to := m.Client().Port(), m.Server().Port()
	return to >= 32768 || from < 1024 && to >= 1024
}

// administrative tells whether a port gives control over a machine or its
// directory: remote procedure calls, file shares, shells, desktops, databases.
func administrative(proto uint8, port uint16) bool {
	if proto != packet.ProtoTCP {
		return false
	}
	switch port {
	case 22, 23, 88, 135, 139, 389, 445, 623, 1433, 3306, 3389, 5432, 5900, 5985, 5986:
		return true
	}
	return false
}

// run watches for neighbours contacted one after the other: addresses or ports
// that go up by one, or down.
type run struct {
	last   uint64 // address (its last 64 bits) or port
	up     bool
	length uint8 // 0 = none yet
}

const (
	// sequenceBonus is given once, when a client's new contacts have gone by one
	// address or port sequence times in a row.
	sequenceBonus = 2
	sequence      = 5
)

// next notes a number and reports whether it completes a run.
func (r *run) next(n uint64) bool {
	up := n == r.last+1
	switch {
	case r.length > 0 && n == r.last:
		return false
	case r.length == 1 && (up || n+1 == r.last), r.length > 1 && (r.up && up || !r.up && n+1 == r.last):
		r.length = min(r.length+1, sequence+1)
		r.up = up
	default:
		r.length = 1
	}
	r.last = n
	return r.length == sequence
}

// near tells whether a number is next to the last one, or almost.
func (r *run) near(n uint64) bool {
	const about = 4
	return r.length > 0 && n-r.last+about <= 2*about
}

// ordinal is an address as a number for runs.
func ordinal(a netip.Addr) uint64 {
	b := a.As16()
	n := uint64(0)
	for _, x := range b[8:] {
		n = n<<8 | uint64(x)
	}
	return n
}
