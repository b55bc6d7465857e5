package warc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// Record is one that was read.
type Record struct {
	Fields []Field
	Block  []byte
}

// Get is the first value of a field, "" when there is none.
func (r *Record) Get(name string) string {
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Reader reads a file with a gzip member per record, and takes nothing that WARC 1.1
// does not allow: it is there to check files.
type Reader struct {
	r     *bufio.Reader
	gz    *gzip.Reader
	in    *bufio.Reader // of gz
	limit int64
	ids   map[string]bool
}

// NewReader reads from r records whose blocks are of up to limit octets.
func NewReader(r io.Reader, limit int64) *Reader {
	return &Reader{r: bufio.NewReader(r), in: bufio.NewReaderSize(nil, maxHead), limit: limit, ids: make(map[string]bool)}
}

// Next is the next record, io.EOF behind the last.
func (r *Reader) Next() (*Record, error) {
	if _, err := r.r.Peek(1); err != nil {
		return nil, err
	}
	var err error
	if r.gz == nil {
		r.gz, err = gzip.NewReader(r.r)
	} else {
		err = r.gz.Reset(r.r)
	}
	if err != nil {
		return nil, fmt.Errorf("read WARC: %w", err)
	}
	r.gz.Multistream(false)
	r.in.Reset(r.gz)
	x, err := readRecord(r.in, r.limit)
	if err == nil && r.ids[x.Get("WARC-Record-ID")] {
		err = errors.New("two records of one ID")
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read WARC record: %w", err)
	}
	r.ids[x.Get("WARC-Record-ID")] = true
	return x, nil
}

// maxHead bounds the fields of a record, and each line of them.
const maxHead = 1 << 20

// readRecord reads the only record of a member.
func readRecord(r *bufio.Reader, limit int64) (*Record, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if line != version {
		return nil, fmt.Errorf("%q is not %s", line, version)
	}
	x := &Record{}
	for n := 0; ; n += len(line) {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || !isLine(value) || n > maxHead {
			return nil, fmt.Errorf("%q is no field", line)
		}
		x.Fields = append(x.Fields, Field{name, strings.TrimSpace(value)})
	}
	if err := x.check(); err != nil {
		return nil, err
	}
	size, err := strconv.ParseUint(x.Get("Content-Length"), 10, 63)
	if err != nil || int64(size) > limit {
		return nil, fmt.Errorf("length %q", x.Get("Content-Length"))
	}
	if x.Block, err = io.ReadAll(io.LimitReader(r, int64(size))); err != nil {
		return nil, err
	}
	if len(x.Block) < int(size) {
		return nil, io.ErrUnexpectedEOF
	}
	end, err := io.ReadAll(io.LimitReader(r, 5))
	if err != nil {
		return nil, err
	}
	if string(end) != "\r\n\r\n" {
		return nil, fmt.Errorf("%q ends the record", end)
	}
	return x, x.digests()
}

func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	s, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok || !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is no line", s)
	}
	return s, nil
}

// check checks the fields: those that have to be there, and how they look.
func (x *Record) check() error {
	seen := make(map[string]bool)
	for _, f := range x.Fields {
		name := strings.ToLower(f.Name)
		if seen[name] && name != "warc-concurrent-to" && name != "warc-protocol" {
			return fmt.Errorf("two fields %s", f.Name)
		}
		seen[name] = true
		if !valid(name, f.Value) {
			return fmt.Errorf("%s: %q", f.Name, f.Value)
		}
	}
	needs := []string{"warc-type", "warc-record-id", "warc-date", "content-length"}
	switch x.Get("WARC-Type") {
	case "response", "resource", "request", "revisit", "conversion":
		needs = append(needs, "warc-target-uri")
	}
	for _, name := range needs {
		if !seen[name] {
			return fmt.Errorf("no field %s", name)
		}
	}
	if x.Get("WARC-Type") == "warcinfo" && (seen["warc-target-uri"] || seen["warc-warcinfo-id"] || seen["warc-concurrent-to"]) {
		return errors.New("a warcinfo record refers to something")
	}
	return nil
}

// valid checks a field by its name in lower case.
func valid(name, v string) bool {
	switch name {
	case "warc-type":
		switch v {
		case "warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion":
			return true
		}
		return false
	case "warc-record-id", "warc-concurrent-to", "warc-warcinfo-id", "warc-refers-to":
		id, ok := strings.CutPrefix(v, "<")
		id, ok2 := strings.CutSuffix(id, ">")
		return ok && ok2 && isURI(id)
	case "warc-target-uri":
		return isURI(v)
	case "warc-date":
		_, err := time.Parse("2006-01-02T15:04:05.999999999Z", v)
		return err == nil
	case "warc-ip-address":
		a, err := netip.ParseAddr(v)
		return err == nil && a.Zone() == ""
	case "warc-truncated":
		return v == "length" || v == "time" || v == "disconnect" || v == "unspecified"
	case "warc-identified-payload-type":
		return isMediaType(v)
	}
	return true
}

// isURI tells an absolute URI in the characters that it may have.
func isURI(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("<>\"\\^`{|}", s[i]) >= 0 {
			return false
		}
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if _, err := url.Parse(scheme + ":"); err != nil {
		return false
	}
	return ok && scheme != "" && rest != ""
}

// digests checks them. Only those of SHA-256 are known.
func (x *Record) digests() error {
	if d := x.Get("WARC-Block-Digest"); d != "" && d != Digest(x.Block) {
		return fmt.Errorf("block digest is %s", Digest(x.Block))
	}
	d := x.Get("WARC-Payload-Digest")
	if d == "" {
		return nil
	}
	payload := x.Block
	if strings.HasPrefix(x.Get("Content-Type"), "application/http") {
		_, payload = x.HTTP()
	}
	if d != Digest(payload) {
		return fmt.Errorf("payload digest is %s", Digest(payload))
	}
	return nil
}

// HTTP divides the block of a request or a response: head with its empty line, and body.
func (x *Record) HTTP() (head, body []byte) {
	for at := 0; at < len(x.Block); {
		i := bytes.IndexByte(x.Block[at:], '\n')
		if i < 0 {
			break
		}
		line := x.Block[at : at+i]
		if at += i + 1; len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return x.Block[:at], x.Block[at:]
		}
	}
	return x.Block, nil
}
