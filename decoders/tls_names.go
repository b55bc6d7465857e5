package decoders

import (
	"fmt"
	"strconv"
)

// Versions as they stand on the wire.
const (
	versionSSL2  = 0x0002
	versionSSL3  = 0x0300
	versionTLS10 = 0x0301
	versionTLS11 = 0x0302
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304

	versionDTLSOld = 0x0100 // OpenSSL before 0.9.8f, and Cisco AnyConnect
	versionDTLS10  = 0xfeff
	versionDTLS12  = 0xfefd
	versionDTLS13  = 0xfefc
)

// tlsVersionName is a protocol version as records bear it.
func tlsVersionName(v uint16) string {
	switch v {
	case versionSSL2:
		return "ssl2"
	case versionSSL3:
		return "ssl3"
	case versionTLS10:
		return "1.0"
	case versionTLS11:
		return "1.1"
	case versionTLS12:
		return "1.2"
	case versionTLS13:
		return "1.3"
	}
	switch v {
	case versionDTLSOld, versionDTLS10:
		return "dtls1.0"
	case versionDTLS12:
		return "dtls1.2"
	case versionDTLS13:
		return "dtls1.3"
	}
	if v>>8 == 0x7f {
		return "1.3-draft" + strconv.Itoa(int(v&0xff))
	}
	return fmt.Sprintf("0x%04x", v)
}

// isDTLS tells whether v counts downwards, as DTLS's versions do.
func isDTLS(v uint16) bool { return v>>8 == 0xfe }

// isTLS13 tells whether v is TLS 1.3, DTLS 1.3 or one of the drafts.
func isTLS13(v uint16) bool {
	if isDTLS(v) {
		return v <= versionDTLS13
	}
	return v >= versionTLS13
}

// alertName is the description of an alert (RFC 8446 section 6 and before).
func alertName(code uint8) string {
	if s, ok := alertNames[code]; ok {
		return s
	}
	return "alert_" + strconv.Itoa(int(code))
}

var alertNames = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	52: "too_many_cids_requested", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
	80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
	116: "certificate_required", 117: "general_error", 120: "no_application_protocol", 121: "ech_required",
}

// groupName is a named group (IANA TLS Supported Groups).
func groupName(id uint16) string {
	if s, ok := groupNames[id]; ok {
		return s
	}
	return fmt.Sprintf("0x%04x", id)
}

var groupNames = map[uint16]string{
	1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1",
	8: "sect239k1", 9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1", 14: "sect571r1",
	15: "secp160k1", 16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1", 20: "secp224k1", 21: "secp224r1",
	22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1", 27: "brainpoolP384r1",
	28: "brainpoolP512r1", 29: "x25519", 30: "x448", 41: "curveSM2", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096",
	259: "ffdhe6144", 260: "ffdhe8192", 0x0200: "MLKEM512", 0x0201: "MLKEM768", 0x0202: "MLKEM1024",
	0x11eb: "SecP256r1MLKEM768", 0x11ec: "X25519MLKEM768", 0x11ed: "SecP384r1MLKEM1024", 0x6399: "X25519Kyber768Draft00",
}
