package warc

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// zipped is one member.
func zipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

const least = "WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: <urn:uuid:1>\r\nWARC-Date: 2010-02-03T04:05:07Z\r\nContent-Length: 2\r\n\r\nab\r\n\r\n"

// The reader is strict.
func TestReader(t *testing.T) {
	swap := func(old, by string) string { return strings.Replace(least, old, by, 1) }
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"least":               {least, true},
		"fraction":            {swap("07Z", "07.123456789Z"), true},
		"of another version":  {swap("1.1", "1.0"), false},
		"no type":             {swap("WARC-Type: metadata\r\n", ""), false},
		"type unknown":        {swap("metadata", "meta"), false},
		"no URI":              {swap("metadata", "response"), false},
		"URI":                 {swap("metadata", "response\r\nWARC-Target-URI: http://a/"), true},
		"URI with a blank":    {swap("metadata", "response\r\nWARC-Target-URI: http://a/ b"), false},
		"field twice":         {swap("metadata", "metadata\r\nWARC-Type: metadata"), false},
		"ID without brackets": {swap("<urn:uuid:1>", "urn:uuid:1"), false},
		"no time zone":        {swap("07Z", "07"), false},
		"line feed alone":     {swap("1.1\r\n", "1.1\n"), false},
		"length too small":    {swap("Length: 2", "Length: 1"), false},
		"length too large":    {swap("Length: 2", "Length: 9"), false},
		"length negative":     {swap("Length: 2", "Length: -2"), false},
		"length over limit":   {swap("Length: 2", "Length: 99999999999"), false},
		"two records":         {least + least, false},
		"digest wrong":        {swap("Content", "WARC-Block-Digest: sha256:A\r\nContent"), false},
		"digest right":        {swap("Content", "WARC-Block-Digest: "+Digest([]byte("ab"))+"\r\nContent"), true},
		"truncated by whom":   {swap("Content", "WARC-Truncated: me\r\nContent"), false},
		"not UTF-8":           {swap("Content", "X: \xff\r\nContent"), false},
		"empty":               {"", false},
	} {
		_, err := NewReader(bytes.NewReader(zipped(c.in)), 1<<20).Next()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	two := append(zipped(least), zipped(least)...)
	r := NewReader(bytes.NewReader(two), 100)
	r.Next()
	if _, err := r.Next(); err == nil {
		t.Error("two records of one ID")
	}
	if _, err := NewReader(bytes.NewReader(two[:50]), 100).Next(); err == nil || err == io.EOF {
		t.Errorf("cut off: %v", err)
	}
}

// FuzzReader reads what a stranger may have written.
func FuzzReader(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte("WARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/\r\nWARC-Payload-Digest: x\r\nContent-Type: application/http\r\nWARC-Record-ID: <a:b>\r\nWARC-Date: 2010-02-03T04:05:07Z\r\nContent-Length: 0\r\n\r\n\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := readRecord(bufio.NewReader(bytes.NewReader(b)), 1<<20)
		if err != nil {
			return
		}
		var fields []Field // what it takes can be written, and read again
		for _, f := range x.Fields {
			if !strings.EqualFold(f.Name, "Content-Length") {
				fields = append(fields, f)
			}
		}
		var out bytes.Buffer
		if err := NewWriter(&out).Write(fields, x.Block); err != nil {
			t.Fatal(err)
		}
		y, err := NewReader(&out, 1<<20).Next()
		if err != nil || !bytes.Equal(x.Block, y.Block) {
			t.Fatalf("%v", err)
		}
	})
}
