package chain

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Claim is what a heartbeat says under signature: which lines there were since
// the claim before it, and how the sensor fares.
//
// Its text is the same in every format: one line of words "name:value", the
// signature last. It holds no quotation mark, equals sign, bar, caret or backslash,
// so that no format has to escape it:
//
//	kagami-heartbeat-1 sensor:fw1 boot:5f0c... name:siem start:3 n:17 at:2026-11-15T23:30:00Z every:60s first:4001 last:4100
//	digest:64hex previous:boot/16/64hex [end:1] [also:name/boot/n/64hex]... [fact:value]... key:base64 ed25519:base64
type Claim struct {
	Stream
	Start    uint64        // which start of the program this is, from 1; by the state on disk
	N        uint64        // of the claim in its stream, from 1
	At       int64         // wall clock, nanoseconds since the epoch
	Every    time.Duration // the next claim follows after about as long
	First    uint64        // line numbers that the digest covers; Last = First-1: none
	Last     uint64
	Digest   Leaf
	Previous Mark   // the claim before it: in this stream, or the last one of the start before
	End      bool   // the program stops in good order
	Also     []Mark // last claims of the sensor's other exports
	Facts    []Fact
	Key      ed25519.PublicKey
}

// Mark names a claim.
type Mark struct {
	Name string // "" where the export is the same
	Boot string
	N    uint64
	Hash Leaf // SHA-256 of its text
}

// Fact is something else that a claim says. Names and values are printable ASCII
// without blanks and without what claims must not hold; others are changed to "_".
type Fact struct{ Name, Value string }

// Limits of a claim's text.
const (
	MaxAlso  = 32 // marks of other exports
	maxFacts = 64
	maxValue = 256
	maxClaim = 16 << 10 // octets
)

const (
	claimOpen     = "kagami-heartbeat-1 sensor:"
	claimSeal     = " ed25519:"
	signatureText = 86 // octets of a signature in base64
)

// AppendSigned appends the claim's text, signed with key.
func (c *Claim) AppendSigned(dst []byte, key ed25519.PrivateKey) []byte {
	at := len(dst)
	dst = c.append(dst)
	dst = base64.RawStdEncoding.AppendEncode(append(dst, " key:"...), key.Public().(ed25519.PublicKey))
	signature := ed25519.Sign(key, dst[at:])
	return base64.RawStdEncoding.AppendEncode(append(dst, claimSeal...), signature)
}

func (c *Claim) append(dst []byte) []byte {
	dst = append(append(dst, claimOpen...), c.Sensor...)
	word := func(name, value string) { dst = append(append(append(append(dst, ' '), name...), ':'), value...) }
	number := func(name string, v uint64) { word(name, strconv.FormatUint(v, 10)) }
	word("boot", c.Boot)
	word("name", c.Name)
	number("start", c.Start)
	number("n", c.N)
	word("at", time.Unix(0, c.At).UTC().Format(time.RFC3339Nano))
	word("every", c.Every.String())
	number("first", c.First)
	number("last", c.Last)
	word("digest", hex.EncodeToString(c.Digest[:]))
	if c.Previous.N > 0 {
		word("previous", c.Previous.text())
	}
	if c.End {
		word("end", "1")
	}
	for _, m := range c.Also[:min(len(c.Also), MaxAlso)] {
		word("also", m.Name+"/"+m.text())
	}
	for _, f := range c.Facts[:min(len(c.Facts), maxFacts)] {
		word(plainWord(f.Name), plainWord(f.Value))
	}
	return dst
}

func (m Mark) text() string {
	return m.Boot + "/" + strconv.FormatUint(m.N, 10) + "/" + hex.EncodeToString(m.Hash[:])
}

// plainWord is s as far as it can stand in a claim.
func plainWord(s string) string {
	b := []byte(s[:min(len(s), maxValue)])
	for i, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"=|^\\", c) >= 0 {
			b[i] = '_'
		}
	}
	return string(b)
}

// HashClaim names a claim by its text.
func HashClaim(text []byte) Leaf { return sha256.Sum256(text) }

// FindClaim is the first text in line that looks like a claim, or nil.
func FindClaim(line []byte) []byte {
	i := bytes.Index(line, []byte(claimOpen))
	if i < 0 {
		return nil
	}
	line = line[i:]
	seal := bytes.Index(line, []byte(claimSeal))
	if end := seal + len(claimSeal) + signatureText; seal > 0 && end <= len(line) && end <= maxClaim {
		return line[:end]
	}
	return nil
}

// errSignature: the claim's text is not what its key signed.
var errSignature = errors.New("its signature is wrong")

// ParseClaim reads a claim's text and checks that the key it names signed it.
// Whose key that is, is for the caller to ask.
func ParseClaim(text []byte) (*Claim, error) {
	seal := bytes.Index(text, []byte(claimSeal))
	if seal < 0 || len(text) > maxClaim {
		return nil, errors.New("it has no signature")
	}
	// Strict: otherwise a flipped bit in the padding would go unnoticed.
	signature, err := base64.RawStdEncoding.Strict().DecodeString(string(text[seal+len(claimSeal):]))
	if err != nil {
		return nil, errors.New("its signature is not base64")
	}
	c, err := parseWords(string(text[:seal]))
	if err != nil {
		return nil, err
	}
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(c.Key, text[:seal], signature) {
		return c, errSignature
	}
	return c, nil
}

func parseWords(text string) (*Claim, error) {
	c := &Claim{}
	seen := map[string]bool{}
	for i, w := range strings.Split(text, " ") {
		if i == 0 {
			continue // the text's name, which FindClaim looked for
		}
		name, value, ok := strings.Cut(w, ":")
		if !ok || name != "also" && seen[name] {
			return nil, fmt.Errorf("it does not read like a heartbeat at %.40q", w)
		}
		seen[name] = true
		if err := c.set(name, value); err != nil {
			return nil, fmt.Errorf("its %s is not one: %.80q", name, value)
		}
	}
	for _, name := range []string{"sensor", "boot", "name", "start", "n", "at", "every", "first", "last", "digest", "key"} {
		if !seen[name] {
			return nil, fmt.Errorf("it has no %s", name)
		}
	}
	if c.N == 0 || c.First == 0 || c.Last > maxSeq || c.Last+1 < c.First || c.N > 1 && (c.Previous.N != c.N-1 || c.Previous.Boot != c.Boot) {
		return nil, errors.New("its numbers contradict each other")
	}
	return c, nil
}

var errWord = errors.New("not a value of this word")

func (c *Claim) set(name, value string) (err error) {
	switch name {
	case "sensor":
		c.Sensor, err = nameWord(value)
	case "boot":
		c.Boot, err = nameWord(value)
	case "name":
		c.Name, err = nameWord(value)
	case "start":
		c.Start, err = strconv.ParseUint(value, 10, 64)
	case "n":
		c.N, err = strconv.ParseUint(value, 10, 64)
	case "at":
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, value)
		c.At = t.UnixNano()
	case "every":
		if c.Every, err = time.ParseDuration(value); err == nil && (c.Every <= 0 || c.Every > 24*time.Hour) {
			err = errWord
		}
	case "first":
		c.First, err = strconv.ParseUint(value, 10, 64)
	case "last":
		c.Last, err = strconv.ParseUint(value, 10, 64)
	case "digest":
		c.Digest, err = leafWord(value)
	case "previous":
		c.Previous, err = markWord("/" + value)
	case "end":
		c.End = true
	case "also":
		var m Mark
		if m, err = markWord(value); err == nil && len(c.Also) == MaxAlso {
			err = errWord
		}
		c.Also = append(c.Also, m)
	case "key":
		c.Key, err = base64.RawStdEncoding.Strict().DecodeString(value)
		if err == nil && len(c.Key) != ed25519.PublicKeySize {
			err = errWord
		}
	default:
		if len(c.Facts) == maxFacts {
			return errWord
		}
		c.Facts = append(c.Facts, Fact{name, value})
	}
	return err
}

func nameWord(s string) (string, error) {
	if !isName(s) {
		return "", errWord
	}
	return s, nil
}

func leafWord(s string) (l Leaf, err error) {
	if len(s) != 2*len(l) || !lowerHex(l[:], []byte(s)) {
		return l, errWord
	}
	return l, nil
}

// markWord reads NAME/BOOT/N/HASH.
func markWord(s string) (m Mark, err error) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 || !isName(parts[1]) || parts[0] != "" && !isName(parts[0]) {
		return m, errWord
	}
	m.Name, m.Boot = parts[0], parts[1]
	if m.N, err = strconv.ParseUint(parts[2], 10, 64); err != nil {
		return m, err
	}
	m.Hash, err = leafWord(parts[3])
	return m, err
}

// Fact is the value of a claim's fact, "" if it has none.
func (c *Claim) Fact(name string) string {
	for _, f := range c.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
