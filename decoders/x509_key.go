package decoders

import (
	"math/big"
	"math/bits"

	"kagami/records"
)

// maxExponent is the longest RSA exponent, in octets, that is spelled out.
const maxExponent = 64

// keyKind is what a public key algorithm means for the key's bits.
type keyKind struct {
	name, typ string
	bits      int // of keys that have but one length
}

// keyAlgorithms are the algorithms of SubjectPublicKeyInfo by encoded OID, with
// OpenSSL's long names and Zeek's words for their type.
var keyAlgorithms = map[string]keyKind{
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01": {name: "rsaEncryption", typ: "rsa"},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a": {name: "rsassaPss", typ: "rsa"},
	"\x55\x08\x01\x01":                     {name: "rsa", typ: "rsa"},
	"\x2a\x86\x48\xce\x38\x04\x01":         {name: "dsaEncryption", typ: "dsa"},
	"\x2b\x0e\x03\x02\x0c":                 {name: "dsaEncryption-old", typ: "dsa"},
	"\x2a\x86\x48\xce\x3d\x02\x01":         {name: "id-ecPublicKey", typ: "ecdsa"},
	"\x2b\x65\x6e":                         {name: "X25519", typ: "x25519", bits: 253},
	"\x2b\x65\x6f":                         {name: "X448", typ: "x448", bits: 448},
	"\x2b\x65\x70":                         {name: "ED25519", typ: "ed25519", bits: 256},
	"\x2b\x65\x71":                         {name: "ED448", typ: "ed448", bits: 456},
	"\x2a\x85\x03\x02\x02\x13":             {name: "GOST R 34.10-2001", typ: "gost", bits: 256},
	"\x2a\x85\x03\x07\x01\x01\x01\x01":     {name: "GOST R 34.10-2012 with 256 bit modulus", typ: "gost", bits: 256},
	"\x2a\x85\x03\x07\x01\x01\x01\x02":     {name: "GOST R 34.10-2012 with 512 bit modulus", typ: "gost", bits: 512},
	"\x60\x86\x48\x01\x65\x03\x04\x03\x11": {name: "ML-DSA-44", typ: "ml-dsa", bits: 10496},
	"\x60\x86\x48\x01\x65\x03\x04\x03\x12": {name: "ML-DSA-65", typ: "ml-dsa", bits: 15616},
	"\x60\x86\x48\x01\x65\x03\x04\x03\x13": {name: "ML-DSA-87", typ: "ml-dsa", bits: 20736},
}

// keyCurve is a named curve and the length of its order.
type keyCurve struct {
	name string
	bits int
}

var keyCurves = map[string]keyCurve{
	"\x2a\x86\x48\xce\x3d\x03\x01\x01":     {"prime192v1", 192},
	"\x2b\x81\x04\x00\x21":                 {"secp224r1", 224},
	"\x2a\x86\x48\xce\x3d\x03\x01\x07":     {"prime256v1", 256},
	"\x2b\x81\x04\x00\x22":                 {"secp384r1", 384},
	"\x2b\x81\x04\x00\x23":                 {"secp521r1", 521},
	"\x2b\x81\x04\x00\x0a":                 {"secp256k1", 256},
	"\x2a\x81\x1c\xcf\x55\x01\x82\x2d":     {"SM2", 256},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x07": {"brainpoolP256r1", 256},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b": {"brainpoolP384r1", 384},
	"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d": {"brainpoolP512r1", 512},
}

// signatureAlgorithms are OpenSSL's long names by encoded OID.
var signatureAlgorithms = map[string]string{
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02": "md2WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04": "md5WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": "sha1WithRSAEncryption",
	"\x2b\x0e\x03\x02\x1d":                 "sha1WithRSA",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a": "rsassaPss",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": "sha256WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": "sha384WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": "sha512WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e": "sha224WithRSAEncryption",
	"\x2a\x86\x48\xce\x38\x04\x03":         "dsaWithSHA1",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x01": "dsa_with_SHA224",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x02": "dsa_with_SHA256",
	"\x2a\x86\x48\xce\x3d\x04\x01":         "ecdsa-with-SHA1",
	"\x2a\x86\x48\xce\x3d\x04\x03\x01":     "ecdsa-with-SHA224",
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     "ecdsa-with-SHA256",
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     "ecdsa-with-SHA384",
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     "ecdsa-with-SHA512",
	"\x2b\x65\x70":                         "ED25519",
	"\x2b\x65\x71":                         "ED448",
	"\x2a\x81\x1c\xcf\x55\x01\x83\x75":     "SM2-with-SM3",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x11": "ML-DSA-44",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x12": "ML-DSA-65",
	"\x60\x86\x48\x01\x65\x03\x04\x03\x13": "ML-DSA-87",
}

// oidName is the name that names has for an encoded OID, else its dotted form.
func oidName(names map[string]string, oid []byte) string {
	if s, ok := names[string(oid)]; ok {
		return s
	}
	return string(appendOID(nil, oid))
}

// readKey reads a SubjectPublicKeyInfo's inside (RFC 5280 section 4.1.2.7, RFC
// 3279, RFC 5480). What is odd about the key is no concern of the certificate.
func readKey(spki der, c *records.Certificate) {
	algorithm := spki.enter(derSequence)
	oid, _ := algorithm.want(derOID)
	if algorithm.bad {
		return
	}
	kind, known := keyAlgorithms[string(oid)]
	if !known {
		c.KeyAlgorithm = string(appendOID(nil, oid))
		return
	}
	c.KeyAlgorithm, c.KeyType, c.KeyBits = kind.name, kind.typ, kind.bits
	switch kind.typ {
	case "rsa":
		key, _ := spki.want(derBitString)
		if len(key) > 0 {
			readRSAKey(der{b: key[1:]}, c)
		}
	case "dsa":
		parameters := algorithm.enter(derSequence)
		p, _ := parameters.want(derInteger)
		c.KeyBits = bitLen(p)
	case "ecdsa":
		if name, _ := algorithm.want(derOID); !algorithm.bad {
			curve, ok := keyCurves[string(name)]
			if !ok {
				curve.name = string(appendOID(nil, name))
			}
			c.KeyCurve, c.KeyBits = curve.name, curve.bits
		}
	}
}

// readRSAKey reads an RSAPublicKey (RFC 8017 appendix A.1.1).
func readRSAKey(b der, c *records.Certificate) {
	key := b.enter(derSequence)
	modulus, _ := key.want(derInteger)
	exponent, _ := key.want(derInteger)
	if key.bad {
		return
	}
	c.KeyBits = bitLen(modulus)
	if len(exponent) <= maxExponent {
		c.KeyExponent = new(big.Int).SetBytes(exponent).String()
	}
}

// bitLen is the length in bits of a big-endian number.
func bitLen(b []byte) int {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0
	}
	return 8*(len(b)-1) + bits.Len8(b[0])
}

// readBasicConstraints reads RFC 5280 section 4.2.1.9.
func readBasicConstraints(d der, c *records.Certificate) {
	c.BasicConstraints = true
	list := d.enter(derSequence)
	if flag, ok := list.optional(derBoolean); ok {
		c.CA = len(flag.b) > 0 && flag.b[0] != 0
	}
	if n, ok := list.optional(derInteger); ok && len(n.b) > 0 && bitLen(n.b) < 32 {
		c.PathLen = int(new(big.Int).SetBytes(n.b).Int64())
	}
}
