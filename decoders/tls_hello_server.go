package decoders

import "kagami/records"

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
			switch typ { // in a HelloRetryRequest the key share is the group asked for
			case extSupportedVersions:
				version = body.uint16()
			case extKeyShare:
				r.Curve = groupName(body.uint16())
			case extPreSharedKey:
				if !retry {
					r.Resumed, r.Resumption = true, "psk"
				}
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
	r.Version, r.VersionNumber = tlsVersionName(version), version
	if !retry {
		r.ServerHello = true
		r.Cipher = cipherName(cipher)
		r.JA3S, r.JA3SRaw = ja3s(&h)
		r.ServerExtensions = kept(h.extensions)
	}
	return version
}
