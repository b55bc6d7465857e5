package cases

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"kagami/signing"
)

// A line of a chain is one JSON object whose first member is "prev": the SHA-256
// of the line before it, its newline included, as sha256sum prints it. The first
// line's prev is 64 zeros. The prefix has a fixed form, so that a shell can check
// it and a flipped byte cannot hide in white space.
const (
	prevOpen  = `{"prev":"`
	prevClose = `",`
	signOpen  = `,"signature":"`
	signClose = `"}`

	hashDigits = 2 * sha256.Size
	lineHead   = len(prevOpen) + hashDigits + len(prevClose)
	maxLine    = 1 << 20 // octets of a line that a reader accepts
)

// origin is the prev of a chain's first line.
var origin = string(bytes.Repeat([]byte("0"), hashDigits))

// chain is what the next line has to bear.
type chain struct{ head string }

// appendLine appends fact, which must encode to a JSON object with members, as
// the next line.
func (c *chain) appendLine(dst []byte, fact any) ([]byte, error) {
	text, err := encode(fact)
	if err != nil {
		return dst, err
	}
	at := len(dst)
	dst = append(dst, prevOpen...)
	dst = append(dst, c.head...)
	dst = append(dst, prevClose...)
	dst = append(append(dst, text[1:]...), '\n')
	c.head = sum(dst[at:])
	return dst, nil
}

// appendSigned is appendLine with a signature of the line as its last member.
func (c *chain) appendSigned(dst []byte, fact any, use string, key ed25519.PrivateKey) ([]byte, error) {
	at := len(dst)
	dst, err := c.appendLine(dst, fact)
	if err != nil {
		return dst, err
	}
	dst = dst[:len(dst)-2] // without "}\n": the signature follows
	signature := ed25519.Sign(key, signedText(use, sum(dst[at:])))
	dst = append(dst, signOpen...)
	dst = base64.StdEncoding.AppendEncode(dst, signature)
	dst = append(append(dst, signClose...), '\n')
	c.head = sum(dst[at:])
	return dst, nil
}

// signedText is what is signed: the use keeps a signature from being passed off
// as one of another kind.
func signedText(use, hash string) []byte { return []byte(use + " " + hash) }

// Uses of signatures.
const (
	useManifest = "kagami-manifest-1"
	useJournal  = "kagami-journal-1"
)

// line is one line of a chain taken apart; its parts are borrowed.
type line struct {
	raw  []byte // with its newline
	prev string
}

// parseLine checks the form of a line, newline included.
func parseLine(raw []byte) (line, error) {
	n := len(raw)
	switch {
	case n == 0 || raw[n-1] != '\n':
		return line{}, fmt.Errorf("it does not end in a newline: cut off?")
	case n > maxLine:
		return line{}, fmt.Errorf("it has %d octets, at most %d are allowed", n, maxLine)
	case n < lineHead+2 || !bytes.HasPrefix(raw, []byte(prevOpen)) || !isHash(raw[len(prevOpen):len(prevOpen)+hashDigits]) ||
		string(raw[lineHead-len(prevClose):lineHead]) != prevClose:
		return line{}, fmt.Errorf("it does not begin with the SHA-256 of the line before it")
	case !json.Valid(raw):
		return line{}, fmt.Errorf("it is not JSON")
	}
	return line{raw: raw, prev: string(raw[len(prevOpen) : len(prevOpen)+hashDigits])}, nil
}

// decode reads the line's members into v.
func (l line) decode(v any) error { return json.Unmarshal(l.raw, v) }

// signature splits a signed line into the hash of what is signed and the
// signature.
func (l line) signature() (hash string, signature []byte, err error) {
	body, ok := bytes.CutSuffix(l.raw, []byte(signClose+"\n"))
	digits := base64.StdEncoding.EncodedLen(ed25519.SignatureSize)
	if !ok || len(body) < lineHead+len(signOpen)+digits || !bytes.HasSuffix(body[:len(body)-digits], []byte(signOpen)) {
		return "", nil, fmt.Errorf("it is not signed")
	}
	text := body[len(body)-digits:]
	// Strict: otherwise a flipped bit in the padding would go unnoticed.
	if signature, err = base64.StdEncoding.Strict().DecodeString(string(text)); err != nil {
		return "", nil, fmt.Errorf("its signature is not base64")
	}
	return sum(body[:len(body)-digits-len(signOpen)]), signature, nil
}

// signed tells whether the line bears key's signature.
func (l line) signed(use string, key ed25519.PublicKey) error {
	hash, signature, err := l.signature()
	if err != nil {
		return err
	}
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("the key to check it with has %d octets, want %d", len(key), ed25519.PublicKeySize)
	}
	if !ed25519.Verify(key, signedText(use, hash), signature) {
		return fmt.Errorf("its signature is not that of the key %s", signing.Fingerprint(key))
	}
	return nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// isHash tells whether b is a SHA-256 in lower-case hexadecimal.
func isHash(b []byte) bool {
	if len(b) != hashDigits {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// encode is compact JSON without the escapes that are for HTML only.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode fact: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
