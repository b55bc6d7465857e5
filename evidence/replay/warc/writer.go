package warc

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// Field is a named field of a record, in order.
type Field struct{ Name, Value string }

// Writer writes records, each as a gzip member of its own, so that a reader can begin
// at any of them (WARC 1.1 annex D).
type Writer struct {
	w  io.Writer
	gz *gzip.Writer
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, gz: gzip.NewWriter(w)} }

const version = "WARC/1.1"

// Write writes a record: its fields, to which it adds the length, and its block,
// which may be in parts.
func (w *Writer) Write(fields []Field, block ...[]byte) error {
	w.gz.Reset(w.w)
	head := []byte(version + "\r\n")
	for _, f := range fields {
		if !isToken(f.Name) || !isLine(f.Value) {
			return fmt.Errorf("write WARC record: %q: %q is no field", f.Name, f.Value)
		}
		head = append(head, f.Name+": "+f.Value+"\r\n"...)
	}
	head = append(head, "Content-Length: "+strconv.FormatInt(length(block), 10)+"\r\n\r\n"...)
	_, err := w.gz.Write(head)
	for _, part := range block {
		if err == nil {
			_, err = w.gz.Write(part)
		}
	}
	if err == nil {
		_, err = w.gz.Write([]byte("\r\n\r\n"))
	}
	if err == nil {
		err = w.gz.Close()
	}
	if err != nil {
		return fmt.Errorf("write WARC record: %w", err)
	}
	return nil
}

func length(block [][]byte) (n int64) {
	for _, part := range block {
		n += int64(len(part))
	}
	return n
}

// Digest labels octets the way WARC does: algorithm, colon, base32 (section 5.8).
func Digest(block ...[]byte) string {
	h := sha256.New()
	for _, part := range block {
		h.Write(part)
	}
	return "sha256:" + base32.StdEncoding.EncodeToString(h.Sum(nil))
}

// isToken tells a field's name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'',
			c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
}

// isLine tells a field's value: one line without control characters.
func isLine(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
