package lab

// Named groups (RFC 8446 section 4.2.7, draft-ietf-tls-ecdhe-mlkem).
const (
	x25519         = 0x001d
	x25519mlkem768 = 0x11ec
)

// profile is the shape of a client's hello: what passive fingerprints see.
type profile struct {
	ciphers []uint16
	exts    []uint16 // in order; 0x0a0a stands for a GREASE value (RFC 8701)
	groups  []uint16
	sigs    []uint16
	alpn    []string
	hybrid  bool // sends a post-quantum key share, so the hello fills two segments
	shuffle bool // permutes its extensions, as Chrome does since version 110
}

const grease = 0x0a0a

// profileOf returns the profile of that name; Validate has checked it.
func profileOf(name string) profile {
	switch name {
	case "chrome":
		return profile{
			ciphers: []uint16{grease, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
			exts:    []uint16{grease, 0, 23, 0xff01, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43, 27, 0xfe0d, grease},
			groups:  []uint16{grease, x25519mlkem768, x25519, 0x0017, 0x0018},
			sigs:    []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
			alpn:    []string{"h2", "http/1.1"}, hybrid: true, shuffle: true,
		}
	case "firefox":
		return profile{
			ciphers: []uint16{0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
			exts:    []uint16{0, 23, 0xff01, 10, 11, 35, 16, 5, 34, 51, 43, 13, 45, 28},
			groups:  []uint16{x25519, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101},
			sigs:    []uint16{0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201},
			alpn:    []string{"h2", "http/1.1"},
		}
	case "openssl":
		return profile{
			ciphers: []uint16{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0xc024, 0xc028, 0x006b, 0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x00ff},
			exts:    []uint16{0, 11, 10, 35, 16, 22, 23, 13, 43, 45, 51},
			groups:  []uint16{x25519, 0x0017, 0x001e, 0x0019, 0x0018},
			sigs:    []uint16{0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601},
			alpn:    []string{"http/1.1"},
		}
	case "legacy": // TLS 1.2 at best
		return profile{
			ciphers: []uint16{0xc02c, 0xc02b, 0xc030, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a},
			exts:    []uint16{0, 5, 10, 11, 13, 35, 23, 0xff01},
			groups:  []uint16{x25519, 0x0017, 0x0018},
			sigs:    []uint16{0x0401, 0x0403, 0x0501, 0x0503, 0x0201, 0x0203, 0x0807},
		}
	default: // schannel
		return profile{
			ciphers: []uint16{0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f},
			exts:    []uint16{0, 5, 10, 11, 16, 23, 35, 13, 43, 45, 51, 0xff01},
			groups:  []uint16{x25519, 0x0017, 0x0018},
			sigs:    []uint16{0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0601, 0x0603, 0x0807},
			alpn:    []string{"h2", "http/1.1"},
		}
	}
}

// tls13 reports whether the profile offers TLS 1.3.
func (p profile) tls13() bool {
	for _, e := range p.exts {
		if e == 43 {
			return true
		}
	}
	return false
}

// clientHello writes the record (RFC 8446 section 4.1.2). A resumed session
// offers a ticket in pre_shared_key, which must come last.
func (p profile) clientHello(r *Rand, name string, id []byte, resumed bool) []byte {
	g := uint16(r.Below(16))*0x1010 | grease // both bytes alike: 0x?a?a
	b := append(u16(0x0303), r.Bytes(32)...)
	b = append(b, prefixed(1, id)...)
	b = append(b, prefixed(2, u16(degrease(p.ciphers, g)...))...)
	b = append(b, 1, 0)
	order := append([]uint16(nil), p.exts...)
	if p.shuffle {
		for i := len(order) - 2; i > 1; i-- { // GREASE stays at both ends
			j := 1 + r.Below(i)
			order[i], order[j] = order[j], order[i]
		}
	}
	var exts []byte
	for i, e := range order {
		switch {
		case e == grease && i == 0:
			exts = append(exts, extension(g, nil)...)
		case e == grease:
			exts = append(exts, extension(g^0x1010, []byte{0})...)
		case e == 0 && name == "":
		default:
			exts = append(exts, extension(e, p.extension(r, e, name, g))...)
		}
	}
	if resumed {
		identity := append(prefixed(2, r.Bytes(192)), r.Bytes(4)...)
		psk := append(prefixed(2, identity), prefixed(2, prefixed(1, r.Bytes(32)))...)
		exts = append(exts, extension(41, psk)...)
	}
	b = append(b, prefixed(2, exts)...)
	return record(recHandshake, 0x0301, handshake(hsClientHello, b))
}

// extension returns the body of one ClientHello extension.
func (p profile) extension(r *Rand, id uint16, name string, g uint16) []byte {
	switch id {
	case 0: // server_name, RFC 6066 section 3
		return prefixed(2, append([]byte{0}, prefixed(2, []byte(name))...))
	case 5: // status_request
		return []byte{1, 0, 0, 0, 0}
	case 10: // supported_groups
		return prefixed(2, u16(degrease(p.groups, g)...))
	case 11: // ec_point_formats
		return []byte{1, 0}
	case 13: // signature_algorithms
		return prefixed(2, u16(p.sigs...))
	case 16: // ALPN, RFC 7301
		var list []byte
		for _, a := range p.alpn {
			list = append(list, prefixed(1, []byte(a))...)
		}
		return prefixed(2, list)
	case 27: // compress_certificate: brotli
		return prefixed(1, u16(2))
	case 28: // record_size_limit
		return u16(0x4001)
	case 34: // delegated_credentials
		return prefixed(2, u16(0x0403, 0x0503, 0x0603, 0x0203))
	case 43: // supported_versions
		if p.ciphers[0] == grease {
			return prefixed(1, u16(g^0x2020, 0x0304, 0x0303))
		}
		return prefixed(1, u16(0x0304, 0x0303))
	case 45: // psk_key_exchange_modes
		return []byte{1, 1}
	case 51: // key_share
		return prefixed(2, p.shares(r, g))
	case 0xfe0d: // encrypted_client_hello, GREASE: RFC 9849 section 6.2
		b := append([]byte{0}, u16(1, 1)...)
		b = append(append(b, r.Bytes(1)...), prefixed(2, r.Bytes(32))...)
		return append(b, prefixed(2, r.Bytes(144))...)
	case 0xff01: // renegotiation_info
		return []byte{0}
	default: // extended_master_secret, session_ticket, SCT, encrypt_then_mac: empty
		return nil
	}
}

func (p profile) shares(r *Rand, g uint16) []byte {
	var b []byte
	if p.groups[0] == grease {
		b = append(u16(g), prefixed(2, []byte{0})...)
	}
	if p.hybrid {
		b = append(append(b, u16(x25519mlkem768)...), prefixed(2, r.Bytes(1216))...)
	}
	return append(append(b, u16(x25519)...), prefixed(2, r.Bytes(32))...)
}

// degrease puts the hello's own GREASE value in the place of the mark.
func degrease(list []uint16, g uint16) []uint16 {
	out := append([]uint16(nil), list...)
	for i, v := range out {
		if v == grease {
			out[i] = g
		}
	}
	return out
}
