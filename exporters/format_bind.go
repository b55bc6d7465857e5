package exporters

import (
	"strconv"
	"time"

	"kagami/records"
)

// bind writes BIND 9's query log with time, category and severity:
//
//	DD-Mon-YYYY HH:MM:SS.mmm queries: info: client IP#PORT (QNAME): query: QNAME CLASS TYPE FLAGS (SERVERIP)[ [ECS ...]]
//
// without named's internal object address after "client", which some readers
// cannot skip. Lines are those that named would write: queries over DNS itself
// with one question, in a class that named has a view for.
type bind struct{ zone *time.Location }

func newBIND(e Env) Format { return &bind{e.Location} }

// bindCookie is the length of a DNS cookie option whose server part named can
// have made (RFC 9018: 8 octets of the client, 16 of the server).
const bindCookie = 24

const (
	maxName = 4 * 255 // a domain name, every octet as \DDD
	maxType = 16
	maxECS  = 64
)

// Append implements Format.
func (f *bind) Append(dst []byte, rec records.Record) ([]byte, bool) {
	r, ok := rec.(*records.DNS)
	if !ok || r.Response || r.Opcode != "QUERY" || r.Protocol != "dns" || r.Questions != 1 || r.Type == "" || !hasView(r.Class) {
		return dst, false
	}
	m := r.Meta()
	client, server := m.Client(), m.Server()
	dst = time.Unix(0, r.Time).In(f.zone).AppendFormat(dst, "02-Jan-2006 15:04:05.000")
	dst = append(dst, " queries: info: client "...)
	dst = client.Addr().AppendTo(dst)
	dst = append(dst, '#')
	dst = strconv.AppendUint(dst, uint64(client.Port()), 10)
	dst = append(dst, " ("...)
	dst = appendName(dst, r.Name)
	dst = append(dst, "): query: "...)
	dst = appendName(dst, r.Name)
	dst = append(dst, ' ')
	dst = append(dst, r.Class...)
	dst = append(dst, ' ')
	dst = wordChars.appendReplaced(dst, r.Type, "", maxType)
	dst = append(dst, ' ')
	dst = appendQueryFlags(dst, r)
	dst = append(dst, " ("...)
	dst = server.Addr().AppendTo(dst)
	dst = append(dst, ')')
	if r.ECS != "" {
		dst = append(dst, " [ECS "...)
		dst = ecsChars.appendReplaced(dst, r.ECS, "", maxECS)
		dst = append(dst, ']')
	}
	return dst, true
}

var ecsChars = charsOf("0123456789abcdefABCDEF.:/")

// hasView tells whether named answers a class at all; it logs no others.
func hasView(class string) bool {
	switch class {
	case "IN", "CH", "HS", "ANY":
		return true
	}
	return false
}

// appendQueryFlags appends named's letters in its order.
func appendQueryFlags(dst []byte, r *records.DNS) []byte {
	recursion, checkingDisabled := byte('-'), false
	for _, f := range r.Flags {
		switch f {
		case "RD":
			recursion = '+'
		case "CD":
			checkingDisabled = true
		}
	}
	dst = append(dst, recursion)
	if r.Signed {
		dst = append(dst, 'S')
	}
	if r.EDNS {
		dst = append(dst, "E("...)
		dst = strconv.AppendUint(dst, uint64(r.EDNSVersion), 10)
		dst = append(dst, ')')
	}
	if r.TCP {
		dst = append(dst, 'T')
	}
	if r.EDNS && r.DO {
		dst = append(dst, 'D')
	}
	if checkingDisabled {
		dst = append(dst, 'C')
	}
	switch {
	case r.Cookie == bindCookie:
		dst = append(dst, 'V')
	case r.Cookie > 0:
		dst = append(dst, 'K')
	}
	return dst
}

// appendName appends a name that is in presentation format already; an octet
// that has no place there is written \DDD all the same.
func appendName(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '.')
	}
	end := len(dst) + maxName
	for i := 0; i < len(s) && len(dst) < end; i++ {
		if c := s[i]; nameChars[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	}
	return dst
}
