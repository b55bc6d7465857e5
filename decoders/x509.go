package decoders

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"time"

	"kagami/records"
)

// readCertificate reads what a person asks of a certificate (RFC 5280 section
// 4.1). It is lenient: what is merely wrong, as a negative serial number or a
// forbidden character, must not hide who signed what, so the encoding is walked
// here and not by crypto/x509, which refuses such certificates whole.
func readCertificate(b []byte) *records.Certificate {
	c := &records.Certificate{SHA256: sha256.Sum256(b), SHA1: sha1.Sum(b), Version: 1, PathLen: -1}
	c.Malformed = !readTBS(b, c)
	return c
}

// DER tags (X.690 section 8.1.2), constructed bit included.
const (
	derBoolean         = 0x01
	derInteger         = 0x02
	derBitString       = 0x03
	derOctetString     = 0x04
	derOID             = 0x06
	derUTCTime         = 0x17
	derGeneralizedTime = 0x18
	derSequence        = 0x30
	derVersion         = 0xa0 // [0]
	derExtensions      = 0xa3 // [3]
)

// der is DER not read yet. Reading past the end, or not the tag that is wanted,
// sets bad and yields nothing from then on.
type der struct {
	b   []byte
	bad bool
}

// next reads one element and returns its tag, its contents and the whole of it.
func (d *der) next() (tag byte, contents, whole []byte) {
	b := d.b
	if d.bad || len(b) < 2 || b[0]&0x1f == 0x1f { // no certificate needs long tags
		d.bad = true
		return 0, nil, nil
	}
	size, head := int(b[1]), 2
	if size >= 0x80 {
		n := size & 0x7f
		if n == 0 || n > 4 || len(b) < 2+n {
			d.bad = true
			return 0, nil, nil
		}
		size, head = 0, 2+n
		for _, c := range b[2:head] {
			size = size<<8 | int(c)
		}
	}
	if size < 0 || size > len(b)-head {
		d.bad = true
		return 0, nil, nil
	}
	d.b = b[head+size:]
	return b[0], b[head : head+size], b[:head+size]
}

// want reads one element that must bear tag.
func (d *der) want(tag byte) (contents, whole []byte) {
	got, contents, whole := d.next()
	if got != tag {
		d.bad = true
		return nil, nil
	}
	return contents, whole
}

// enter reads one element that must bear tag and returns its inside.
func (d *der) enter(tag byte) der {
	contents, _ := d.want(tag)
	return der{b: contents, bad: d.bad}
}

// optional enters an element if the next one bears tag.
func (d *der) optional(tag byte) (inside der, ok bool) {
	if d.bad || len(d.b) == 0 || d.b[0] != tag {
		return der{}, false
	}
	return d.enter(tag), true
}

func readTBS(b []byte, c *records.Certificate) bool {
	outer := der{b: b}
	certificate := outer.enter(derSequence)
	tbs := certificate.enter(derSequence)
	if version, ok := tbs.optional(derVersion); ok {
		if v, _ := version.want(derInteger); len(v) == 1 && v[0] < 0x7f {
			c.Version = int(v[0]) + 1
		}
	}
	serial, _ := tbs.want(derInteger)
	c.Serial = serialText(serial)
	signature := tbs.enter(derSequence)
	if oid, _ := signature.want(derOID); !signature.bad {
		c.SignatureAlgorithm = oidName(signatureAlgorithms, oid)
	}
	issuer, issuerWhole := tbs.want(derSequence)
	c.Issuer = nameText(issuer)
	validity := tbs.enter(derSequence)
	before, okBefore := readTime(&validity)
	after, okAfter := readTime(&validity)
	c.NotBefore, c.NotAfter = before, after
	subject, subjectWhole := tbs.want(derSequence)
	c.Subject = nameText(subject)
	c.SelfSigned = len(subject) > 0 && bytes.Equal(subjectWhole, issuerWhole)
	readKey(tbs.enter(derSequence), c)
	ok := okBefore && okAfter && !tbs.bad
	for !tbs.bad && len(tbs.b) > 0 {
		if extensions, found := tbs.optional(derExtensions); found {
			return readExtensions(extensions, c) && ok
		}
		tbs.next() // unique identifiers
	}
	return ok && !tbs.bad
}

const (
	oidSubjectAltName   = "\x55\x1d\x11" // 2.5.29.17
	oidBasicConstraints = "\x55\x1d\x13" // 2.5.29.19
)

func readExtensions(d der, c *records.Certificate) bool {
	list := d.enter(derSequence)
	for !list.bad && len(list.b) > 0 {
		extension := list.enter(derSequence)
		oid, _ := extension.want(derOID)
		extension.optional(derBoolean)
		value := extension.enter(derOctetString)
		if extension.bad {
			return false
		}
		switch string(oid) {
		case oidSubjectAltName:
			if !readAltNames(value, c) {
				return false
			}
		case oidBasicConstraints:
			readBasicConstraints(value, c)
		}
	}
	return !list.bad
}

// maxAltNames bounds the alternative names kept of a certificate.
const maxAltNames = 1000

// readAltNames reads a GeneralNames (RFC 5280 section 4.2.1.6): mail addresses,
// host names, URIs and addresses.
func readAltNames(d der, c *records.Certificate) bool {
	list := d.enter(derSequence)
	for !list.bad && len(list.b) > 0 {
		tag, v, _ := list.next()
		var kind *[]string
		switch tag {
		case 0x81:
			kind = &c.Emails
		case 0x82:
			kind = &c.DNS
		case 0x86:
			kind = &c.URIs
		case 0x87:
			if a, ok := netip.AddrFromSlice(v); ok && len(c.Names) < maxAltNames {
				c.IPs = append(c.IPs, a)
				c.Names = append(c.Names, a.String())
			}
		}
		if len(c.Names) >= maxAltNames {
			c.MoreNames++
		} else if kind != nil {
			name := string(appendVisible(nil, v, ""))
			*kind = append(*kind, name)
			c.Names = append(c.Names, name)
		}
	}
	return !list.bad
}

// serialText is a serial number in upper-case hexadecimal.
func serialText(b []byte) string {
	if len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return strings.ToUpper(hex.EncodeToString(b))
}

// readTime reads a UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5) in
// nanoseconds since the epoch, held within what those can count. Seconds may be
// missing and the zone may be an offset, as before RFC 2459.
func readTime(d *der) (int64, bool) {
	tag, b, _ := d.next()
	layout := "20060102150405"
	switch tag {
	case derUTCTime:
		century := "19"
		if len(b) > 0 && b[0] < '5' {
			century = "20"
		}
		b = append([]byte(century), b...)
	case derGeneralizedTime:
	default:
		d.bad = true
		return 0, false
	}
	digits := 0
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	if digits == len(layout)-2 {
		layout = layout[:digits]
	}
	t, err := time.Parse(layout+"Z0700", string(b))
	if err != nil {
		return 0, false
	}
	switch s := t.Unix(); {
	case s > math.MaxInt64/int64(time.Second):
		return math.MaxInt64, true
	case s < math.MinInt64/int64(time.Second):
		return math.MinInt64, true
	}
	return t.UnixNano(), true
}
