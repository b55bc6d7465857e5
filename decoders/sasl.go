package decoders

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"kagami/records"
)

// maxLoginName bounds in octets a user's name in a record.
const maxLoginName = 256

// saslExchange follows one authentication (RFC 4422) as far as it tells who logs
// in. It keeps neither passwords nor what is derived from them.
type saslExchange struct {
	mechanism               string // upper case
	method                  records.AuthMethod
	user, domain, actingFor string
	step                    int // client's answers so far
}

const maxMechanism = 32

func (s *saslExchange) begin(mechanism []byte) {
	name := strings.ToUpper(clipText(string(mechanism[:min(len(mechanism), maxMechanism)])))
	*s = saslExchange{mechanism: name, method: saslMethod(name)}
}

func saslMethod(name string) records.AuthMethod {
	switch {
	case name == "PLAIN" || name == "LOGIN":
		return records.AuthPassword
	case name == "CRAM-MD5", name == "DIGEST-MD5", name == "NTLM", strings.HasPrefix(name, "SCRAM-"):
		return records.AuthChallenge
	case name == "XOAUTH2", name == "OAUTHBEARER", name == "XOAUTH", name == "GSSAPI", name == "GSS-SPNEGO":
		return records.AuthToken
	case name == "EXTERNAL":
		return records.AuthExternal
	case name == "ANONYMOUS":
		return records.AuthAnonymous
	}
	return records.AuthOther
}

// answers is how many answers the client gives, where the server's side does not
// show it.
func (s *saslExchange) answers() int {
	switch {
	case s.mechanism == "LOGIN", s.mechanism == "DIGEST-MD5", s.mechanism == "NTLM", strings.HasPrefix(s.mechanism, "SCRAM-"):
		return 2
	}
	return 1
}

// answer takes a client's answer in base64; "=" is an empty one.
func (s *saslExchange) answer(line []byte) {
	if len(line) > 0 && line[0] == '*' { // cancelled
		return
	}
	b := looseBase64(string(line))
	s.step++
	switch {
	case s.mechanism == "PLAIN" && s.step == 1: // RFC 4616
		if part := bytes.SplitN(b, []byte{0}, 3); len(part) == 3 {
			s.user = loginName(part[1])
			if acting := loginName(part[0]); acting != s.user {
				s.actingFor = acting
			}
		}
	case s.mechanism == "LOGIN" && s.step == 1, s.mechanism == "EXTERNAL", s.mechanism == "ANONYMOUS":
		s.user = loginName(b)
	case s.mechanism == "CRAM-MD5" && s.step == 1: // RFC 2195: name and digest
		if i := bytes.LastIndexByte(b, ' '); i >= 0 {
			s.user = loginName(b[:i])
		}
	case s.mechanism == "DIGEST-MD5" && s.step == 1: // RFC 2831
		s.user, s.domain = loginName(directive(b, "username")), loginName(directive(b, "realm"))
	case s.mechanism == "NTLM":
		s.ntlm(b)
	case s.mechanism == "XOAUTH2" && s.step == 1:
		if rest, ok := bytes.CutPrefix(b, []byte("user=")); ok {
			name, _, _ := bytes.Cut(rest, []byte{1})
			s.user = loginName(name)
		}
	case s.mechanism == "OAUTHBEARER" && s.step == 1, strings.HasPrefix(s.mechanism, "SCRAM-") && s.step == 1:
		s.gs2(b)
	}
}

// gs2 reads a GS2 header and what follows it (RFC 5801 section 4, RFC 5802
// section 5.1): "n,a=acting,n=user,r=nonce".
func (s *saslExchange) gs2(b []byte) {
	part := bytes.SplitN(b, []byte{','}, 4)
	if len(part) < 3 {
		return
	}
	if acting, ok := bytes.CutPrefix(part[1], []byte("a=")); ok {
		s.actingFor = gs2Name(acting)
	}
	if name, ok := bytes.CutPrefix(part[2], []byte("n=")); ok {
		s.user = gs2Name(name)
	}
	if s.user == "" || s.user == s.actingFor { // OAUTHBEARER names the user there
		s.user, s.actingFor = s.actingFor, ""
	}
}

func gs2Name(b []byte) string {
	return loginName([]byte(strings.NewReplacer("=2C", ",", "=3D", "=").Replace(string(b))))
}

// directive is the value of name="value" in b.
func directive(b []byte, name string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(name+`="`))
	if !ok {
		return nil
	}
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return value
}

// ntlm reads an AUTHENTICATE_MESSAGE (MS-NLMP section 2.2.1.3).
func (s *saslExchange) ntlm(b []byte) {
	const least, unicodeFlag = 64, 1
	if len(b) < least || string(b[:8]) != "NTLMSSP\x00" || binary.LittleEndian.Uint32(b[8:]) != 3 {
		return
	}
	wide := binary.LittleEndian.Uint32(b[60:])&unicodeFlag != 0
	field := func(at int) string {
		n, from := int(binary.LittleEndian.Uint16(b[at:])), int64(binary.LittleEndian.Uint32(b[at+4:]))
		if from+int64(n) > int64(len(b)) {
			return ""
		}
		raw := b[from : from+int64(n)]
		if !wide {
			return loginName(raw)
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(raw[2*i:])
		}
		return loginName([]byte(string(utf16.Decode(units))))
	}
	s.domain, s.user = field(28), field(36)
}

// loginName is b as a name in a record.
func loginName(b []byte) string {
	return clipText(decodeText(b[:min(len(b), maxLoginName)], ""))
}

// record is the authentication's record, to be stamped.
func (s *saslExchange) record(protocol string, start int64) *records.Auth {
	return &records.Auth{
		Protocol: protocol, Mechanism: s.mechanism, Method: s.method,
		User: s.user, Domain: s.domain, ActingFor: s.actingFor, Start: start,
	}
}
