package decoders

import (
	"bytes"
	"encoding/base64"
	"strings"
)

const (
	maxUserToken = 512 // octets of Basic credentials that are decoded
	maxUser      = 256 // octets kept of a user's name in other credentials
	maxScheme    = 32  // octets of an authentication scheme's name
)

// credentials are what an Authorization or Proxy-Authorization field tells
// (RFC 9110 section 11.6). Passwords, responses and tokens are not kept.
type credentials struct {
	scheme   string // in lower case
	user     string
	password bool // a password came in clear
	proxy    bool // they are the proxy's
}

// credentials prefers those for a proxy, and those that name a user.
func (h *httpHead) credentials() credentials {
	c := readCredentials(h.proxyAuth)
	c.proxy = c.scheme != ""
	if c.user == "" {
		if origin := readCredentials(h.authorization); c.scheme == "" || origin.user != "" {
			c = origin
		}
	}
	return c
}

func readCredentials(field []byte) credentials {
	scheme, rest, _ := bytes.Cut(field, []byte{' '})
	if n := tokenLen(scheme); n == 0 || n < len(scheme) || n > maxScheme {
		return credentials{}
	}
	c := credentials{scheme: authScheme(scheme)}
	switch c.scheme {
	case "basic":
		c.user, c.password = basicUser(trimBlank(rest))
	case "digest":
		c.user = digestUser(rest)
	}
	return c
}

// authSchemes are the common ones (IANA's HTTP Authentication Scheme Registry,
// and Windows').
var authSchemes = [...]string{"basic", "bearer", "digest", "negotiate", "ntlm", "kerberos"}

// authScheme is the name in lower case, without an allocation if it is known.
func authScheme(b []byte) string {
	for _, s := range &authSchemes {
		if equalFold(b, s) {
			return s
		}
	}
	return string(bytes.ToLower(b))
}

// basicUser is the name in Basic credentials (RFC 7617), and whether a password
// follows it.
func basicUser(token []byte) (user string, password bool) {
	token = bytes.TrimRight(token, "=")
	var buf [maxUserToken]byte
	token = token[:min(len(token), maxUserToken)]
	n, _ := base64.RawStdEncoding.Decode(buf[:], token)
	name, secret, _ := bytes.Cut(buf[:n], []byte{':'})
	return string(name), len(secret) > 0
}

// digestUser is the name in Digest credentials (RFC 7616 section 3.4). A hashed
// one is none.
func digestUser(params []byte) string {
	list := authParameters(string(params))
	if list.plain("userhash") == "true" {
		return ""
	}
	name, ok := list.extended("username")
	if !ok {
		name = decodeText([]byte(list.plain("username")), "")
	}
	return name[:min(len(name), maxUser)]
}

// authParameters divides a list name=value, name="value" (RFC 9110 section 11.2).
func authParameters(s string) (list parameterList) {
	for s != "" && len(list) < maxParameters {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		p := parameter{name: strings.ToLower(strings.Trim(name, " \t,"))}
		if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
			p.value, s = parameterValue(rest)
			if i := closingQuote(rest); i >= 0 {
				s = rest[i+1:]
			}
		} else {
			p.value, s, _ = strings.Cut(rest, ",")
			p.value = strings.TrimSpace(p.value)
		}
		list = append(list, p)
	}
	return list
}

// closingQuote is where the quoted string ends that s begins with, -1 if it does not.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
