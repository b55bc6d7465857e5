package decoders

import (
	"bytes"
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// Protocols that are named but not decoded: they are read only as far as is needed
// to find where TLS begins in them. What each needs for that is a function that
// divides its octets into messages.

// Limits of one connection.
const (
	maxUpgradeMessage  = 16 << 10 // octets of a message
	maxUpgradePatience = 64 << 10 // octets of both directions before TLS
)

// upgradeKind is one such protocol. next tells the length of the message that b
// begins with (0: more octets are needed to tell), whether it asks for TLS, and
// whether it is one that may come before TLS.
type upgradeKind struct {
	name  string
	match func(b []byte) sensor.Match
	next  func(b []byte, client bool) (n int, asks, ok bool)
}

// upgradeProtocols are the protocols.
func upgradeProtocols() []sensor.Protocol {
	kinds := []upgradeKind{
		{"xmpp", matchXMPP, nextXMPP}, {"postgresql", matchPostgreSQL, nextPostgreSQL}, {"mysql", matchMySQL, nextMySQL},
		{"rdp", matchRDP, nextRDP}, {"ldap", matchLDAP, nextLDAP}, {"irc", matchIRC, nextLine}, {"adb", matchADB, nextADB},
	}
	protocols := make([]sensor.Protocol, len(kinds))
	for i, k := range kinds {
		protocols[i] = sensor.Protocol{
			Name:      k.name,
			Transport: packet.ProtoTCP,
			Match:     func(_ *sensor.Flow, _ packet.Side, first []byte) sensor.Match { return k.match(first) },
			New:       func() sensor.Decoder { return &upgradeDecoder{kind: k} },
		}
	}
	return protocols
}

// upgradeDecoder waits for TLS at the border of two messages.
type upgradeDecoder struct {
	kind  upgradeKind
	began bool
	asked bool
	held  [2][]byte // by role: a message that is not whole
	seen  int
	inner sensor.Decoder
}

// Data implements sensor.Decoder.
func (d *upgradeDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	d.begin(f)
	if d.inner != nil {
		return d.inner.Data(f, side, data, emit)
	}
	who := role(f, side)
	for len(data) > 0 {
		if d.asked && len(d.held[who]) == 0 && data[0] == recordHandshake && !f.InTunnel() {
			d.inner = f.EnterTunnel()
			return d.inner.Data(f, side, data, emit)
		}
		n, ok := d.message(who, data)
		if !ok {
			return sensor.Done
		}
		data = data[n:]
	}
	return sensor.More
}

func (d *upgradeDecoder) begin(f *sensor.Flow) {
	if !d.began {
		d.began = true
		f.Label(d.kind.name, "")
	}
}

// message takes what data has of the message under way and returns how many octets
// that are.
func (d *upgradeDecoder) message(who int, data []byte) (taken int, ok bool) {
	held := d.held[who]
	whole := data
	if len(held) > 0 {
		whole = append(held, data...)
	}
	n, asks, ok := d.kind.next(whole, who == client)
	switch {
	case !ok || n > maxUpgradeMessage || n == 0 && len(whole) > maxUpgradeMessage:
		return 0, false
	case n == 0 || n > len(whole):
		d.held[who] = append(held, data...)
		taken = len(data)
	default:
		d.asked = d.asked || asks && who == client
		d.held[who] = held[:0]
		taken = n - len(held)
	}
	d.seen += taken
	return taken, d.seen <= maxUpgradePatience
}

// Gap implements sensor.Decoder. Behind a hole the borders of messages are lost.
func (d *upgradeDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	d.begin(f)
	if d.inner != nil {
		return d.inner.Gap(f, side, n)
	}
	return sensor.Done
}

// Close implements sensor.Decoder.
func (d *upgradeDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if d.inner != nil {
		d.inner.Close(f, emit)
	}
}

// matchPrefix tells whether b, in any case, begins with s, which is in lower case.
func matchPrefix(b []byte, s string) sensor.Match {
	n := min(len(b), len(s))
	switch {
	case !equalFold(b[:n], s[:n]):
		return sensor.No
	case n < len(s):
		return sensor.Maybe
	}
	return sensor.FromClient
}

// XMPP (RFC 6120 section 5): a stream of XML, in which <starttls/> is answered by
// <proceed/>. A message here is what ends with ">".
func matchXMPP(b []byte) sensor.Match {
	const stream = "<stream:stream"
	if m := matchPrefix(b, stream); m != sensor.No {
		return m
	}
	if m := matchPrefix(b, "<?xml"); m != sensor.FromClient {
		return m
	}
	end := bytes.IndexByte(b, '>')
	if end < 0 {
		return sensor.Maybe
	}
	rest := bytes.TrimLeft(b[end+1:], " \r\n\t")
	if len(rest) == 0 {
		return sensor.Maybe
	}
	return matchPrefix(rest, stream)
}

func nextXMPP(b []byte, _ bool) (n int, asks, ok bool) {
	n = bytes.IndexByte(b, '>') + 1
	return n, bytes.Contains(b[:n], []byte("<starttls")), true
}

// PostgreSQL (its manual, 55.2.10): the client's first message asks for TLS or
// GSSAPI and is answered by one letter.
const (
	postgresTLS = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	postgresGSS = "\x00\x00\x00\x08\x04\xd2\x16\x30"
)

func matchPostgreSQL(b []byte) sensor.Match {
	return max(matchPrefix(b, postgresTLS), matchPrefix(b, postgresGSS))
}

func nextPostgreSQL(b []byte, client bool) (n int, asks, ok bool) {
	if !client {
		return 1, false, b[0] == 'S' || b[0] == 'N'
	}
	if len(b) < len(postgresTLS) {
		return 0, false, true
	}
	return len(postgresTLS), string(b[:len(postgresTLS)]) == postgresTLS, matchPostgreSQL(b) != sensor.No
}

// MySQL and MariaDB (their manual, Connection Phase): the server greets with its
// version; a client that wants TLS answers with the first 32 octets of a login.
const (
	mysqlHeader  = 4 // length, little endian, and sequence number
	mysqlRequest = 32
	mysqlTLS     = 0x0800 // CLIENT_SSL
)

func mysqlLength(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func matchMySQL(b []byte) sensor.Match {
	for i, c := range b[:min(len(b), mysqlHeader+1)] {
		if i == 0 && c < 45 || i > 0 && i < mysqlHeader && c != 0 || i == mysqlHeader && c != 10 {
			return sensor.No
		}
	}
	if len(b) <= mysqlHeader {
		return sensor.Maybe
	}
	for i, c := range b[mysqlHeader+1:] {
		switch {
		case c == 0 && i >= len("5.0.0"):
			return sensor.FromServer
		case c <= ' ' || c >= 0x7f || i == 0 && !isDigit(c):
			return sensor.No
		}
	}
	return sensor.Maybe
}

func nextMySQL(b []byte, client bool) (n int, asks, ok bool) {
	if len(b) < mysqlHeader+2 {
		return 0, false, true
	}
	n = mysqlHeader + mysqlLength(b)
	if !client {
		return n, false, true
	}
	asks = n == mysqlHeader+mysqlRequest && binary.LittleEndian.Uint16(b[mysqlHeader:])&mysqlTLS != 0
	return n, asks, asks
}

// RDP ([MS-RDPBCGR] section 1.3.1.1): a connection request and its confirmation in
// TPKTs (RFC 1006), of which the request may offer TLS.
const (
	tpktHeader  = 4
	x224Request = 0xe0
	x224Confirm = 0xd0
)

func matchRDP(b []byte) sensor.Match {
	for i, c := range b[:min(len(b), 7)] {
		switch {
		case i == 0 && c != 3, i == 1 && c != 0, i == 2 && c > 1:
			return sensor.No
		case i == 4 && int(c) != int(binary.BigEndian.Uint16(b[2:]))-tpktHeader-1:
			return sensor.No
		case i == 5 && c != x224Request, i == 6 && c != 0:
			return sensor.No
		}
	}
	if len(b) < 7 {
		return sensor.Maybe
	}
	return sensor.FromClient
}

func nextRDP(b []byte, client bool) (n int, asks, ok bool) {
	if len(b) < tpktHeader+2 {
		return 0, false, b[0] == 3
	}
	want := byte(x224Confirm)
	if client {
		want = x224Request
	}
	n = int(binary.BigEndian.Uint16(b[2:]))
	return n, true, b[0] == 3 && b[5] == want && n > tpktHeader
}

// LDAP (RFC 4511 section 4.14): the extended request StartTLS.
const ldapStartTLS = "1.3.6.1.4.1.1466.20037"

// matchLDAP wants a message with an id and one of a client's first requests: bind,
// search or extended.
func matchLDAP(b []byte) sensor.Match {
	n, at := berLength(b)
	switch {
	case b[0] != 0x30 || n < 0:
		return sensor.No
	case n == 0 || len(b) < at+3:
		return sensor.Maybe
	}
	op := at + 2 + int(b[at+1])
	switch {
	case b[at] != 2 || b[at+1] == 0 || b[at+1] > 4 || n <= op:
		return sensor.No
	case len(b) <= op:
		return sensor.Maybe
	case b[op] != 0x60 && b[op] != 0x63 && b[op] != 0x77:
		return sensor.No
	}
	return sensor.FromClient
}

func nextLDAP(b []byte, _ bool) (n int, asks, ok bool) {
	n, at := berLength(b)
	ok = b[0] == 0x30 && n >= 0
	if n <= 0 || n > len(b) {
		return n, false, ok
	}
	return n, bytes.Contains(b[at:n], []byte(ldapStartTLS)), ok
}

// berLength is the length of the element that b begins with, header and all, and
// the place of its content: 0 if more octets are needed, -1 if it is none.
func berLength(b []byte) (n, at int) {
	if len(b) < 2 {
		return 0, 0
	}
	if b[1] < 0x80 {
		return 2 + int(b[1]), 2
	}
	at = 2 + int(b[1]&0x7f)
	if at == 2 || at > 6 {
		return -1, 0
	}
	if len(b) < at {
		return 0, 0
	}
	for _, c := range b[2:at] {
		n = n<<8 | int(c)
	}
	return n + at, at
}

// IRC (the extension "tls"): the line STARTTLS.
func matchIRC(b []byte) sensor.Match {
	best := sensor.No
	for _, s := range [...]string{"starttls\r\n", "starttls\n", "cap ls", "nick "} {
		if best = max(best, matchPrefix(b, s)); best == sensor.FromClient {
			break
		}
	}
	return best
}

func nextLine(b []byte, _ bool) (n int, asks, ok bool) {
	n = bytes.IndexByte(b, '\n') + 1
	return n, equalFold(bytes.TrimRight(b[:n], "\r\n"), "starttls"), true
}

// ADB, Android's debug bridge (its protocol.txt): messages with a header of 24
// octets, of which STLS begins TLS.
const adbHeader = 24

func matchADB(b []byte) sensor.Match {
	if m := matchPrefix(b, "cnxn"); m != sensor.FromClient || len(b) < adbHeader {
		return min(m, sensor.Maybe)
	}
	if _, _, ok := nextADB(b, true); !ok {
		return sensor.No
	}
	return sensor.FromClient
}

func nextADB(b []byte, _ bool) (n int, asks, ok bool) {
	if len(b) < adbHeader {
		return 0, false, true
	}
	command, magic := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[20:])
	n = adbHeader + int(binary.LittleEndian.Uint32(b[12:]))
	return n, string(b[:4]) == "STLS", command^magic == 0xffffffff
}
