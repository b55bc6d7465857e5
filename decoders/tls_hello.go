package decoders

import (
	"encoding/binary"
	"slices"

	"kagami/records"
)

// Extension types (IANA TLS ExtensionType Values) that are looked into.
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extPreSharedKey        = 41
	extSupportedVersions   = 43
	extKeyShare            = 51
	extClientHelloECH      = 0xfe0d
)

const (
	tlsMaxCiphers   = 512 // names kept of the offered cipher suites
	tlsMaxProtocols = 64  // offered ALPN names and versions kept
	tlsMaxName      = 255 // octets of a server name or ALPN name
)

// wire is a message not read yet. Reading past its end yields nothing and sets bad.
type wire struct {
	b   []byte
	bad bool
}

func (w *wire) take(n int) []byte {
	if n > len(w.b) || w.bad {
		w.bad, w.b = true, nil
		return nil
	}
	b := w.b[:n]
	w.b = w.b[n:]
	return b
}

func (w *wire) uint8() int {
	if b := w.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (w *wire) uint16() uint16 {
	if b := w.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// vector8 and vector16 read a vector behind its length (RFC 8446 section 3.4).
func (w *wire) vector8() []byte  { return w.take(w.uint8()) }
func (w *wire) vector16() []byte { return w.take(int(w.uint16())) }

// numbers reads a list of 16-bit numbers, GREASE values left out (RFC 8701).
func numbers(b []byte) []uint16 {
	out := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		if v := binary.BigEndian.Uint16(b); !grease(v) {
			out = append(out, v)
		}
	}
	return out
}

func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// hello is what the fingerprints need of a ClientHello or ServerHello, GREASE
// values removed.
type hello struct {
	version    uint16 // the legacy field
	ciphers    []uint16
	extensions []uint16 // types in order
	groups     []uint16
	points     []byte
	signatures []uint16
	versions   []uint16 // supported_versions
	alpn       []byte   // the first name, nil if there is none
}

func (h *hello) has(extension uint16) bool { return slices.Contains(h.extensions, extension) }

// readClientHello reads the body of a ClientHello (RFC 8446 section 4.1.2,
// RFC 5246 section 7.4.1.2) into r.
func readClientHello(b []byte, r *records.TLS) {
	w, h := wire{b: b}, hello{}
	h.version = w.uint16()
	w.take(32)  // random
	w.vector8() // session id
	h.ciphers = numbers(w.vector16())
	w.vector8() // compression methods
	if len(w.b) > 0 {
		list := wire{b: w.vector16()}
		for len(list.b) > 0 && !list.bad {
			typ, body := list.uint16(), list.vector16()
			if !list.bad && !grease(typ) {
				h.extensions = append(h.extensions, typ)
				h.clientExtension(typ, wire{b: body}, r)
			}
		}
		w.bad = w.bad || list.bad
	}
	if w.bad {
		odd(r, "malformed client hello")
	}
	r.ClientHello = true
	r.ClientVersion = tlsVersionName(highest(h.version, h.versions))
	for _, v := range h.versions[:min(len(h.versions), tlsMaxProtocols)] {
		r.ClientVersions = append(r.ClientVersions, tlsVersionName(v))
	}
	r.Ciphers = cipherList(h.ciphers)
	r.JA3, r.JA3Raw = ja3(&h)
	r.JA4 = ja4(&h)
}

func (h *hello) clientExtension(typ uint16, w wire, r *records.TLS) {
	switch typ {
	case extServerName: // RFC 6066 section 3
		for list := (wire{b: w.vector16()}); len(list.b) > 0 && !list.bad; {
			if kind, name := list.uint8(), list.vector16(); kind == 0 && r.ServerName == "" {
				r.ServerName = string(name[:min(len(name), tlsMaxName)])
			}
		}
	case extSupportedGroups:
		h.groups = numbers(w.vector16())
	case extPointFormats:
		h.points = w.vector8()
	case extSignatureAlgorithms:
		h.signatures = numbers(w.vector16())
	case extSupportedVersions:
		h.versions = numbers(w.vector8())
	case extALPN: // RFC 7301 section 3.1
		for list := (wire{b: w.vector16()}); len(list.b) > 0 && !list.bad && len(r.ClientALPN) < tlsMaxProtocols; {
			name := list.vector8()
			if h.alpn == nil {
				h.alpn = name
			}
			if len(name) > 0 && !(len(name) == 2 && grease(binary.BigEndian.Uint16(name))) {
				r.ClientALPN = append(r.ClientALPN, string(name))
			}
		}
	case extClientHelloECH:
		r.ECH = true
	}
}

// highest is the newest version offered.
func highest(legacy uint16, versions []uint16) uint16 {
	if len(versions) == 0 {
		return legacy
	}
	return slices.Max(versions)
}

func cipherList(ids []uint16) []string {
	ids = ids[:min(len(ids), tlsMaxCiphers)]
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = cipherName(id)
	}
	return out
}

// helloRetry is the random of a ServerHello that is a HelloRetryRequest
// (RFC 8446 section 4.1.3).
const helloRetry = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// readServerHello reads the body of a ServerHello (RFC 8446 section 4.1.3,
// RFC 5246 section 7.4.1.3) into r and returns the negotiated version.
func readServerHello(b []byte, r *records.TLS) (version uint16) {
	w, h := wire{b: b}, hello{}
	h.version = w.uint16()
	version = h.version
	retry := string(w.take(32)) == helloRetry
	// Drafts of TLS 1.3 before the 22nd had neither session id nor compression
	// here; they are the only ones that bear 1.3 in this field.
	early := h.version == versionTLS13 || h.version>>8 == 0x7f && h.version < 0x7f16
	if !early {
		w.vector8()
	}
	cipher := w.uint16()
	if !early {
		w.uint8()
	}
	h.ciphers = []uint16{cipher}
	if len(w.b) > 0 {
		list := wire{b: w.vector16()}
		for len(list.b) > 0 && !list.bad {
			typ, body := list.uint16(), wire{b: list.vector16()}
			if list.bad {
				break
			}
			h.extensions = append(h.extensions, typ)
			switch typ {
			case extSupportedVersions:
				version = body.uint16()
			case extKeyShare:
				r.Curve = groupName(body.uint16())
			case extPreSharedKey:
				r.Resumed = !retry
			case extALPN:
				names := wire{b: body.vector16()}
				r.ALPN = string(names.vector8())
			}
		}
		w.bad = w.bad || list.bad
	}
	if w.bad {
		odd(r, "malformed server hello")
	}
	r.HelloRetry = r.HelloRetry || retry
	r.Version = tlsVersionName(version)
	if !retry {
		r.ServerHello = true
		r.Cipher = cipherName(cipher)
		r.JA3S = ja3s(&h)
	}
	return version
}

// odd notes the first violation.
func odd(r *records.TLS, what string) {
	if r.Odd == "" {
		r.Odd = what
	}
}
