package exporters

import (
	"math"
	"net/netip"
	"strconv"

	"kagami/records"
)

// cef writes records as ArcSight's Common Event Format, version 0:
//
//	CEF:0|Kagami|Kagami|version|class|name|severity|key=value key=value
//
// with the keys of its dictionary only. IPv6 addresses stand in the custom fields
// that version 0 has for them.
type cef struct {
	pairs
	head string // up to the version
	host string
}

func newCEF(e Env) Format {
	f := &cef{host: e.HostName}
	f.sep = ' '
	f.head = "CEF:0|Kagami|Kagami|" + string(appendHeaderField(nil, programVersion(e), maxHeaderField, '\\')) + "|"
	return f
}

// Lengths that CEF's dictionary gives.
const (
	cefShort    = 63
	cefApp      = 31
	cefName     = 512
	cefLong     = 1023
	cefHost     = 1023
	cefCustom   = 4000
	cefFile     = 255
	cefMessage  = 1023
	cefProtocol = 31
)

const maxHeaderField = 255

func programVersion(e Env) string {
	if e.Version == "" {
		return "0"
	}
	return e.Version
}

// appendHeaderField appends a field of a header, at most limit octets: bars and
// backslashes are escaped with escape, or become %XX if that is 0.
func appendHeaderField(dst []byte, s string, limit int, escape byte) []byte {
	p := pairs{b: dst, sep: '|', leef: true}
	if escape == 0 {
		p.text(s, limit)
		return p.b
	}
	end := len(dst) + limit
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '|' || c == '\\':
			if len(p.b)+2 > end {
				return p.b
			}
			p.b = append(p.b, escape, c)
		default:
			from := i
			for i+1 < len(s) && s[i+1] != '|' && s[i+1] != '\\' {
				i++
			}
			p.text(s[from:i+1], end-len(p.b))
		}
	}
	return p.b
}

// Append implements Format.
func (f *cef) Append(dst []byte, rec records.Record) ([]byte, bool) {
	m := rec.Meta()
	id, name := eventOf(rec)
	dst = append(dst, f.head...)
	dst = append(appendHeaderField(dst, id, maxHeaderField, '\\'), '|')
	dst = append(appendHeaderField(dst, name, cefName, '\\'), '|')
	dst = append(strconv.AppendInt(dst, severityOf(rec), 10), '|')
	f.b, f.more = dst, false
	f.key("rt")
	f.b = strconv.AppendInt(f.b, max(0, m.At/1e6), 10)
	f.id("externalId", m)
	f.str("dvchost", f.host, 100)
	f.word("cat", m.Kind.String())
	writeKind(f, rec)
	dst, f.b = f.b, nil
	return dst, true
}

// span writes when an event began and ended.
func (f *cef) span(start, end int64) {
	f.time("start", start)
	f.time("end", end)
}

// peer is what a record itself says of an end; the network's knowledge is taken
// where it says nothing.
type peer struct {
	host, user string
	anonymous  bool // its user is not told here
}

// connection writes both ends, and what they speak.
func (f *cef) connection(m *records.Meta, app string, client, server peer) {
	onBehalf(&client, m)
	known(&client, m.ClientHost)
	known(&server, m.ServerHost)
	if server.host == "" && m.Resolved != nil {
		server.host = m.Resolved.Name
	}
	from, to := m.Client(), m.Server()
	f.address("src", "c6a2", "c6a2Label", "Source IPv6 Address", from.Addr())
	if m.HasPorts() {
		f.int("spt", int64(from.Port()))
	}
	f.mac("smac", m.ClientMAC)
	f.str("shost", client.host, cefHost)
	f.str("suser", client.user, cefLong)
	f.address("dst", "c6a3", "c6a3Label", "Destination IPv6 Address", to.Addr())
	if m.HasPorts() {
		f.int("dpt", int64(to.Port()))
	}
	f.mac("dmac", m.ServerMAC)
	f.str("dhost", server.host, cefHost)
	f.str("duser", server.user, cefLong)
	f.word("proto", eveProto(m.Key.Proto))
	f.str("app", app, cefApp)
	switch m.Direction() {
	case "inbound":
		f.word("deviceDirection", "0")
	case "outbound":
		f.word("deviceDirection", "1")
	}
	if m.Kind != records.KindTLS && m.Kind != records.KindQUIC && f.workstations("flexString2", m) { // those two have JA4 there
		f.word("flexString2Label", "Workstations")
	}
	if m.CommunityID != "" {
		f.str("flexString1", m.CommunityID, cefLong)
		f.word("flexString1Label", "Community ID")
	}
}

// known fills in what the network told of a machine.
func known(p *peer, h *records.Host) {
	if h == nil {
		return
	}
	if p.host == "" {
		p.host = h.Name.Value
	}
	if p.user == "" && !p.anonymous {
		p.user = h.User.Value
	}
}

// onBehalf fills in whose connection a proxy's is, if that is certain.
func onBehalf(p *peer, m *records.Meta) {
	if m.Workstations == nil || p.user != "" {
		return
	}
	if w := m.Workstations.List; len(w) == 1 && !w[0].Candidate {
		p.user = w[0].User
	}
}

func (f *cef) address(v4, v6, label, text string, a netip.Addr) {
	switch {
	case a.Is4():
		f.addr(v4, a)
	case a.IsValid():
		f.addr(v6, a)
		f.word(label, text)
	}
}

// custom writes one of the custom strings, cs1 to cs6, with its label.
func (f *cef) custom(n int, label, v string) {
	if v != "" {
		f.str(customKeys[n], v, cefCustom)
		f.word(customLabels[n], label)
	}
}

func (f *cef) customList(n int, label string, v []string) {
	if len(v) > 0 {
		f.list(customKeys[n], v, cefCustom)
		f.word(customLabels[n], label)
	}
}

func (f *cef) customAddr(n int, label string, a netip.Addr) {
	if a.IsValid() {
		f.addr(customKeys[n], a)
		f.word(customLabels[n], label)
	}
}

// number writes one of the custom numbers, cn1 to cn3, with its label.
func (f *cef) number(n int, label string, v int64) {
	f.int(numberKeys[n], v)
	f.word(numberLabels[n], label)
}

// volume writes a number of octets. CEF has 32 bits for it: of more, the key bears
// the most it can, and a custom number of its own the true value.
func (f *cef) volume(key string, v int64) {
	v = max(0, v)
	f.int(key, min(v, math.MaxInt32))
	if v <= math.MaxInt32 {
		return
	}
	switch key {
	case "in":
		f.int("flexNumber1", v)
		f.word("flexNumber1Label", "Bytes in")
	case "out":
		f.int("flexNumber2", v)
		f.word("flexNumber2Label", "Bytes out")
	default:
		f.int("flexNumber1", v)
		f.word("flexNumber1Label", "File size")
	}
}

var (
	customKeys   = [...]string{1: "cs1", "cs2", "cs3", "cs4", "cs5", "cs6"}
	customLabels = [...]string{1: "cs1Label", "cs2Label", "cs3Label", "cs4Label", "cs5Label", "cs6Label"}
	numberKeys   = [...]string{1: "cn1", "cn2", "cn3"}
	numberLabels = [...]string{1: "cn1Label", "cn2Label", "cn3Label"}
)
