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
	extSessionTicket       = 35
	extPreSharedKey        = 41
	extEarlyData           = 42
	extSupportedVersions   = 43
	extKeyShare            = 51
	extClientHelloECH      = 0xfe0d
	extServerNameESNI      = 0xffce // draft-ietf-tls-esni-01 to 06
)

const (
	tlsMaxCiphers   = 512 // offered cipher suites, extensions, groups kept
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
	offer      tlsOffer
}

func (h *hello) has(extension uint16) bool { return slices.Contains(h.extensions, extension) }

// tlsOffer is what a ClientHello offers to take up.
type tlsOffer struct {
	session int  // octets of the session id
	ticket  bool // a session ticket that is not empty
}

// readClientHello reads the body of a ClientHello (RFC 8446 section 4.1.2,
// RFC 5246 section 7.4.1.2, RFC 6347 section 4.2.1) into r.
func readClientHello(b []byte, r *records.TLS) tlsOffer {
	w, h := wire{b: b}, hello{}
	h.version = w.uint16()
	copy(r.ClientRandom[:], w.take(32))
	h.offer.session = len(w.vector8())
	if r.Protocol == "dtls" {
		w.vector8() // cookie
	}
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
	h.report(r)
	return h.offer
}

// report enters what was read of a ClientHello.
func (h *hello) report(r *records.TLS) {
	r.ClientHello = true
	r.ClientVersion = tlsVersionName(highest(h.version, h.versions))
	for _, v := range h.versions[:min(len(h.versions), tlsMaxProtocols)] {
		r.ClientVersions = append(r.ClientVersions, tlsVersionName(v))
	}
	if len(h.ciphers) > tlsMaxCiphers {
		odd(r, "too many cipher suites")
	}
	r.Ciphers = cipherList(h.ciphers)
	r.ClientExtensions, r.ClientGroups, r.SignatureSchemes = kept(h.extensions), kept(h.groups), kept(h.signatures)
	r.JA3, r.JA3Raw = ja3(h)
	carrier := byte('t')
	switch r.Protocol {
	case "dtls":
		carrier = 'd'
	case "quic":
		carrier = 'q'
	}
	r.JA4 = ja4(h, carrier)
}

// kept is as much of a list as a record bears.
func kept(list []uint16) []uint16 { return list[:min(len(list), tlsMaxCiphers)] }

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
	case extSessionTicket:
		h.offer.ticket = len(w.b) > 0
	case extEarlyData:
		r.EarlyData = true
	case extClientHelloECH:
		r.ECH = readECH(w, r)
	case extServerNameESNI:
		r.ESNI = true
	}
}

// readECH reads an encrypted_client_hello extension (RFC 9849 section 5):
//
//	type(1) | kdf(2) aead(2) config_id(1) enc(2+n) payload(2+n)
func readECH(w wire, r *records.TLS) *records.ECH {
	const outer = 0
	if w.uint8() != outer {
		odd(r, "inner client hello in clear")
		return new(records.ECH)
	}
	e := &records.ECH{KDF: w.uint16(), AEAD: w.uint16(), ConfigID: uint8(w.uint8())}
	w.vector16() // encapsulated key
	e.PayloadLen = len(w.vector16())
	if w.bad {
		odd(r, "malformed client hello")
	}
	return e
}

// highest is the newest version offered; DTLS counts its versions downwards.
func highest(legacy uint16, versions []uint16) uint16 {
	switch {
	case len(versions) == 0:
		return legacy
	case isDTLS(legacy):
		return slices.Min(versions)
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
