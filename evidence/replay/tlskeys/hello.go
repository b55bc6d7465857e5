package tlskeys

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// Extensions (registry TLS ExtensionType Values).
const (
	extServerName        = 0
	extALPN              = 16
	extEncryptThenMAC    = 22
	extExtendedMaster    = 23
	extSessionTicket     = 35
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
	extEncryptedHello    = 0xfe0d // RFC 9849
)

// retryRandom is the Random of a HelloRetryRequest (RFC 8446 section 4.1.3).
var retryRandom = random{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

// clientHello is what decryption needs of RFC 8446 section 4.1.2.
type clientHello struct {
	random     random
	sessionID  []byte
	ticket     []byte
	serverName string
	early      bool
	ech        bool // or what looks like it (RFC 9849 section 6.2)
}

func parseClientHello(body []byte) (h clientHello, ok bool) {
	in := cryptobyte.String(body)
	var session, suites, compression cryptobyte.String
	if !in.Skip(2) || !in.CopyBytes(h.random[:]) || !in.ReadUint8LengthPrefixed(&session) ||
		!in.ReadUint16LengthPrefixed(&suites) || !in.ReadUint8LengthPrefixed(&compression) {
		return h, false
	}
	h.sessionID = bytes.Clone(session)
	ok = eachExtension(in, func(typ uint16, data cryptobyte.String) {
		switch typ {
		case extServerName:
			h.serverName = serverName(data)
		case extSessionTicket:
			h.ticket = bytes.Clone(data)
		case extEarlyData:
			h.early = true
		case extEncryptedHello:
			h.ech = true
		}
	})
	return h, ok
}

// parseClientHelloV2 reads the hello of SSL 2.0 that old clients open TLS 1.0 with
// (RFC 2246 appendix E.1). The challenge, padded in front, is the Random.
func parseClientHelloV2(body []byte) (h clientHello, ok bool) {
	if len(body) < 9 {
		return h, false
	}
	suites := int(binary.BigEndian.Uint16(body[3:]))
	session := int(binary.BigEndian.Uint16(body[5:]))
	challenge := int(binary.BigEndian.Uint16(body[7:]))
	if suites%3 != 0 || challenge < 16 || challenge > randomLen || len(body) != 9+suites+session+challenge {
		return h, false
	}
	copy(h.random[randomLen-challenge:], body[len(body)-challenge:])
	return h, true
}

// serverHello is RFC 8446 section 4.1.3 and RFC 5246 section 7.4.1.3.
type serverHello struct {
	version     uint16
	random      random
	sessionID   []byte
	suite       uint16
	compression uint8
	alpn        string
	psk         bool
	etm         bool
	ems         bool
}

func parseServerHello(body []byte) (h serverHello, ok bool) {
	in := cryptobyte.String(body)
	var session cryptobyte.String
	if !in.ReadUint16(&h.version) || !in.CopyBytes(h.random[:]) || !in.ReadUint8LengthPrefixed(&session) ||
		!in.ReadUint16(&h.suite) || !in.ReadUint8(&h.compression) {
		return h, false
	}
	h.sessionID = bytes.Clone(session)
	ok = eachExtension(in, func(typ uint16, data cryptobyte.String) {
		switch typ {
		case extSupportedVersions:
			data.ReadUint16(&h.version)
		case extALPN:
			h.alpn = firstProtocol(data)
		case extPreSharedKey:
			h.psk = true
		case extEncryptThenMAC:
			h.etm = true
		case extExtendedMaster:
			h.ems = true
		}
	})
	// The last drafts protect records as the RFC does (draft-ietf-tls-tls13-25 to 28).
	if h.version >= 0x7f19 && h.version <= 0x7f1c {
		h.version = version13
	}
	return h, ok
}

// encryptedExtensions is RFC 8446 section 4.3.1.
type encryptedExtensions struct {
	alpn  string
	early bool
}

func parseEncryptedExtensions(body []byte) (e encryptedExtensions, ok bool) {
	ok = eachExtension(body, func(typ uint16, data cryptobyte.String) {
		switch typ {
		case extALPN:
			e.alpn = firstProtocol(data)
		case extEarlyData:
			e.early = true
		}
	})
	return e, ok
}

// eachExtension goes through the extensions at the end of a hello, if it has any.
func eachExtension(in cryptobyte.String, f func(typ uint16, data cryptobyte.String)) bool {
	if in.Empty() {
		return true
	}
	var list cryptobyte.String
	if !in.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		var typ uint16
		var data cryptobyte.String
		if !list.ReadUint16(&typ) || !list.ReadUint16LengthPrefixed(&data) {
			return false
		}
		f(typ, data)
	}
	return true
}

// serverName is RFC 6066 section 3; "" if the extension is not well formed.
func serverName(data cryptobyte.String) string {
	var list, name cryptobyte.String
	var typ uint8
	if !data.ReadUint16LengthPrefixed(&list) || !list.ReadUint8(&typ) || typ != 0 || !list.ReadUint16LengthPrefixed(&name) {
		return ""
	}
	return string(name)
}

// firstProtocol is RFC 7301 section 3.1: a server names just one.
func firstProtocol(data cryptobyte.String) string {
	var list, name cryptobyte.String
	if !data.ReadUint16LengthPrefixed(&list) || !list.ReadUint8LengthPrefixed(&name) {
		return ""
	}
	return string(name)
}
