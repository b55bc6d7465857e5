package replay_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"kagami/evidence/replay"
)

// coders apply a coding.
var coders = map[string]func(w io.Writer) io.WriteCloser{
	"gzip":     func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zlib":     func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"raw":      func(w io.Writer) io.WriteCloser { return must(flate.NewWriter(w, flate.BestCompression)) },
	"br":       func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd":     func(w io.Writer) io.WriteCloser { return must(zstd.NewWriter(w)) },
	"xz":       func(w io.Writer) io.WriteCloser { return must(xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w)) },
	"lzma":     func(w io.Writer) io.WriteCloser { return must(lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(w)) },
	"compress": func(w io.Writer) io.WriteCloser { return &compressor{w: w} },
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func coded(how, text string) string {
	var b bytes.Buffer
	w := coders[how](&b)
	must(io.WriteString(w, text))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// compressor writes what compress does, with codes of 9 to 12 bits.
type compressor struct {
	w   io.Writer
	buf bytes.Buffer
}

func (c *compressor) Write(p []byte) (int, error) { return c.buf.Write(p) }

func (c *compressor) Close() error {
	const most = 12
	out := []byte{0x1f, 0x9d, 0x80 | most}
	var group []byte
	width, used, free := 9, 0, 257
	table := map[string]int{}
	put := func(code int) {
		for i := range width {
			if used%8 == 0 {
				group = append(group, 0)
			}
			group[used/8] |= byte(code>>i&1) << (used % 8)
			used++
		}
		if used == 8*width {
			out, group, used = append(out, group...), nil, 0
		}
	}
	flush := func(pad bool) {
		for pad && used > 0 && len(group) < width {
			group = append(group, 0)
		}
		out, group, used = append(out, group...), nil, 0
	}
	data := c.buf.Bytes()
	code := func(s []byte) int {
		if len(s) == 1 {
			return int(s[0])
		}
		return table[string(s)]
	}
	for len(data) > 0 {
		n := 1
		for n < len(data) && table[string(data[:n+1])] != 0 {
			n++
		}
		put(code(data[:n]))
		if n < len(data) && free < 1<<most {
			table[string(data[:n+1])] = free
			free++
		}
		if free > 1<<width && width < most {
			flush(true)
			width++
		}
		data = data[n:]
	}
	flush(false)
	_, err := c.w.Write(out)
	return err
}

func answer(encoding, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", encoding, len(body), body)
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// script is a text that is long enough for every coding to go into its second gear.
var script = strings.Repeat("function f(a) { return unescape(a) + '%u9090%u9090'; }\n", 300) + strings.Join(strings.Fields(fmt.Sprint(make([]int, 2000))), ";")

func TestCodings(t *testing.T) {
	for _, c := range []struct{ encoding, how string }{
		{"gzip", "gzip"}, {"x-gzip", "gzip"}, {"GZip", "gzip"}, {"deflate", "zlib"}, {"deflate", "raw"}, {"br", "br"}, {"zstd", "zstd"},
		{"xz", "xz"}, {"lzma", "lzma"}, {"x-lzma", "lzma"}, {"compress", "compress"}, {"x-compress", "compress"},
	} {
		r := read(t, play(0, true, up(get), down(answer(c.encoding, coded(c.how, script))), fin), replay.Options{})
		b := &r.Transactions[0].Response.Body
		if !b.Complete || string(b.Data) != script || b.SHA256 != sum(script) {
			t.Errorf("%s by %s: got %d octets of %d, why %q", c.encoding, c.how, len(b.Data), len(script), b.Why)
		}
	}
}

// TestBodies says what becomes of bodies that are coded, and of those that are not
// as they say.
func TestBodies(t *testing.T) {
	long := strings.Repeat("x", 3000)
	zeros := strings.Repeat("\x00", 5<<20)
	truncated := func(s string) string { return s[:len(s)-9] }
	for _, c := range []struct {
		name, answer, want string
	}{
		{"several codings", answer("gzip, br", coded("br", coded("gzip", script))), "20501 octets"},
		{"a coding of the transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + coded("gzip", long), "3000 octets"},
		{"a coding of the transfer in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunked(coded("gzip", long), 7), "3000 octets"},
		{"both", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunked(coded("gzip", coded("br", long)), 9), "3000 octets"},
		{"too many codings", answer("gzip, gzip, gzip, gzip", "x"), `"x" incomplete limits [4 codings on top of each other, more than 3]
			- limit 0: 4 codings on top of each other, more than 3`},
		{"gzip that is none", answer("gzip", "plain text"), `"plain text" incomplete
			- encoding 0: the content is not in the coding "gzip" that was declared`},
		{"gzip that ends early", answer("gzip", truncated(coded("gzip", "hello"))), `"hello" incomplete
			- encoding 0: the content ends before that of its coding "gzip" does`},
		{"gzip with something behind it, which browsers pass over", answer("gzip", coded("gzip", "hello")+"and so on"), `"hello"`},
		{"gzip of nothing", answer("gzip", coded("gzip", "")), ``},
		{"two members of gzip", answer("gzip", coded("gzip", "hello ")+coded("gzip", "world")), `"hello world"`},
		{"a wrong checksum", answer("deflate", coded("zlib", "hello")[:12]+"!"), `"hello" incomplete
			- encoding 0: the content does not decode by "deflate" to its end`},
		{"a coding nobody knows", answer("sdch", "hello"), `"hello" incomplete
			- encoding 0: the coding "sdch" is not known`},
		{"identity", answer("identity", "hello"), `"hello"`},
		{"cut off: what came decodes", strings.Replace(answer("gzip", coded("gzip", script)), "Content-Length: ", "Content-Length: 9", 1), `20501 octets incomplete
			- truncated 0: 9157 octets were declared, 157 came before the connection was closed`},
		{"a bomb", answer("gzip", coded("gzip", zeros)), fmt.Sprintf(`%d octets incomplete limits [decodes to more than 1000 times its size]
			- limit 0: decodes to more than 1000 times its size`, 1000*len(coded("gzip", zeros)))},
		{"a dictionary of 4 GiB", answer("xz", "\xfd7zXZ\x00\x00\x00\xff\x12\xd9\x41\x02\x00\x21\x01\x28\x00\x00\x00\x00\x00\x00\x00"), `"\xfd7zXZ\x00\x00\x00\xff\x12\xd9A\x02\x00!\x01(\x00\x00\x00\x00\x00\x00\x00" incomplete
			- encoding 0: the coding "xz" asks for too much memory`},
		{"lzma with such a one", answer("lzma", "\x5d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00abc"), `"]\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00abc" incomplete
			- encoding 0: the coding "lzma" asks for too much memory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read(t, play(0, true, up(get), down(c.answer), fin), replay.Options{})
			b := &r.Transactions[0].Response.Body
			got := strings.TrimSpace(body(b))
			if len(b.Limits) > 0 {
				got += fmt.Sprintf(" limits %v", b.Limits)
			}
			for _, h := range r.Holes {
				got += fmt.Sprintf("\n- %s %d: %s", h.Kind, h.Transaction.Number, h.Text)
			}
			if want := strings.TrimSuffix(trim(c.want), "\n"); strings.TrimSpace(got) != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func chunked(s string, n int) string {
	var b strings.Builder
	for len(s) > 0 {
		k := min(n, len(s))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", k, s[:k])
		s = s[k:]
	}
	return b.String() + "0\r\n\r\n"
}
