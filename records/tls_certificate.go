package records

import (
	"crypto/sha1"
	"crypto/sha256"
	"math"
	"net/netip"
	"strings"
)

// Certificate is an X.509 certificate as sent.
type Certificate struct {
	Version             int    // 1 to 3
	Subject, Issuer     string // RFC 2253 strings
	NotBefore, NotAfter int64  // nanoseconds since the epoch; beyond the years 1678 to 2262 the nearest that fits
	Serial              string // upper-case hexadecimal, the sign octet 00 left out

	// Names are all subject alternative names in order: the four kinds below.
	Names  []string
	DNS    []string
	Emails []string
	URIs   []string
	IPs    []netip.Addr
	// MoreNames counts those beyond the first 1000, which are not kept.
	MoreNames int

	SignatureAlgorithm string // OpenSSL's name: "sha256WithRSAEncryption"; dotted when it is not known
	KeyAlgorithm       string // "rsaEncryption", "id-ecPublicKey"
	KeyType            string // "rsa", "dsa", "ecdsa", "ed25519" ..., "" when it is not known
	KeyBits            int    // length of the key
	KeyExponent        string // RSA: decimal
	KeyCurve           string // elliptic curves: "prime256v1"

	BasicConstraints bool // the extension is there
	CA               bool
	PathLen          int // -1 = without limit, or not said

	SHA256     [sha256.Size]byte
	SHA1       [sha1.Size]byte
	SelfSigned bool // subject equals issuer
	Malformed  bool // not parseable to the end: the hashes and what was read before are set
}

// Covers tells whether the certificate is for the host name: by its alternative
// names or, if it has none for hosts, by its common name; a leading asterisk
// stands for one label (RFC 9525 section 6.3).
func (c *Certificate) Covers(host string) bool {
	for _, pattern := range c.DNS {
		if nameMatches(pattern, host) {
			return true
		}
	}
	if len(c.DNS) > 0 {
		return false
	}
	return nameMatches(c.commonName(), host)
}

// commonName is the first CN of the subject as the string bears it.
func (c *Certificate) commonName() string {
	rest := c.Subject
	for rest != "" {
		part, after, _ := strings.Cut(rest, ",")
		if name, ok := strings.CutPrefix(part, "CN="); ok {
			return name
		}
		rest = after
	}
	return ""
}

func nameMatches(pattern, host string) bool {
	pattern, host = strings.TrimSuffix(pattern, "."), strings.TrimSuffix(host, ".")
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		_, rest, found := strings.Cut(host, ".")
		return found && strings.EqualFold(suffix, rest)
	}
	return pattern != "" && strings.EqualFold(pattern, host)
}

// certificateNames are the names that ECS has for a peer's own certificate.
type certificateNames struct {
	sha1, sha256, issuer, notAfter, notBefore, subject                        string
	names, algorithm, curve, exponent, size, serial, signature, versionNumber string
}

func certificateNamesOf(peer string) *certificateNames {
	p, x := "tls."+peer+".", "tls."+peer+".x509."
	return &certificateNames{p + "hash.sha1", p + "hash.sha256", p + "issuer", p + "not_after", p + "not_before", p + "subject",
		x + "alternative_names", x + "public_key_algorithm", x + "public_key_curve", x + "public_key_exponent", x + "public_key_size",
		x + "serial_number", x + "signature_algorithm", x + "version_number"}
}

var (
	clientCertificateNames = certificateNamesOf("client")
	serverCertificateNames = certificateNamesOf("server")
)

// fields appends a peer's own certificate.
func (c *Certificate) fields(f *Fields, n *certificateNames) {
	if c == nil {
		return
	}
	f.HexUpper(n.sha1, c.SHA1[:])
	f.HexUpper(n.sha256, c.SHA256[:])
	f.Str(n.issuer, c.Issuer)
	f.Time(n.notAfter, c.NotAfter)
	f.Time(n.notBefore, c.NotBefore)
	f.Str(n.subject, c.Subject)
	f.Strs(n.names, c.Names)
	f.Str(n.algorithm, c.KeyAlgorithm)
	f.Str(n.curve, c.KeyCurve)
	c.exponent(f, n.exponent)
	f.Count(n.size, uint64(c.KeyBits))
	f.Str(n.serial, c.Serial)
	f.Str(n.signature, c.SignatureAlgorithm)
	if c.Version != 0 {
		f.Digits(n.versionNumber, int64(c.Version))
	}
}

// exponent appends RSA's public exponent, a number in ECS; one that 64 bits do not
// hold is left out.
func (c *Certificate) exponent(f *Fields, name string) {
	if v, ok := number(c.KeyExponent, math.MaxInt64); ok {
		f.Int(name, v)
	}
}

// appendCertificates appends certificates that ECS has no place for as an array
// of objects, whose fields have ECS's names within x509.
func appendCertificates(f *Fields, name string, chain []*Certificate) {
	mark := Begin
	for _, c := range chain {
		f.Mark(mark, name)
		c.object(f)
		mark = Next
	}
	if mark == Next {
		f.Mark(End, name)
	}
}

func (c *Certificate) object(f *Fields) {
	f.Strs("alternative_names", c.Names)
	if c.BasicConstraints {
		f.Bool("ca", c.CA)
		if c.PathLen >= 0 {
			f.Int("path_length", int64(c.PathLen))
		}
	}
	f.Str("issuer", c.Issuer)
	f.Flag("malformed", c.Malformed)
	f.Time("not_after", c.NotAfter)
	f.Time("not_before", c.NotBefore)
	f.Str("public_key_algorithm", c.KeyAlgorithm)
	f.Str("public_key_curve", c.KeyCurve)
	c.exponent(f, "public_key_exponent")
	f.Count("public_key_size", uint64(c.KeyBits))
	f.Flag("self_signed", c.SelfSigned)
	f.Str("serial_number", c.Serial)
	f.HexUpper("sha1", c.SHA1[:])
	f.HexUpper("sha256", c.SHA256[:])
	f.Str("signature_algorithm", c.SignatureAlgorithm)
	f.Str("subject", c.Subject)
	f.Count("version_number", uint64(c.Version))
}
