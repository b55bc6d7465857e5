package lab

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// bodyExcesses are bodies of HTTP: their codings (RFC 9110 section 8.4) and parts
// (RFC 7578).
func bodyExcesses() []Excess {
	return []Excess{
		{"body: gzip bomb", coded("gzip", 32*mega, gzipped)},
		{"body: br bomb", coded("br", 32*mega, brotlied)},
		{"body: zstd bomb", coded("zstd", 32*mega, zstded)},
		{"body: gzip in gzip in gzip", coded("gzip, gzip, gzip", 64*mega, gzipped, gzipped, gzipped)},
		{"body: br in zstd in gzip", coded("br, zstd, gzip", 64*mega, brotlied, zstded, gzipped)},
		{"body: fifty codings", one(80, func(t *Talk) {
			t.answered("Content-Encoding: " + string(bytes.Repeat([]byte("gzip, "), 50)) + "gzip\r\n" + lengthOf(len(filler)))
			t.Tell(Server, filler)
		})},
		{"body: empty gzip members without end", one(80, func(t *Talk) {
			member := made(gzipped, 0)
			t.answered("Content-Encoding: gzip\r\n" + lengthOf(len(member)*200*kilo))
			t.Repeat(Server, 200*kilo, string(member))
		})},
		{"body: never ends", one(80, func(t *Talk) {
			t.answered("Content-Type: text/plain\r\n")
			t.Repeat(Server, 16*kilo, filler)
		})},
		{"body: a thousand files at once", func(f *Flood) {
			for i := range 1000 {
				t := f.Dial(peers(i, 80))
				t.answered("Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n")
				t.Tell(Server, "8\r\n\x0f\xff\xff\xf8\xff\xff\xff\xff\r\n") // the largest window
			}
		}},
		{"form: 100,000 parts", form(func(t *Talk) {
			t.Repeat(Client, 100_000, "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nx\r\n")
		})},
		{"form: part header line without end", form(func(t *Talk) {
			t.Tell(Client, "--b\r\nContent-Disposition: form-data; name=\"")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"form: part header lines without end", form(func(t *Talk) {
			t.Tell(Client, "--b\r\n")
			t.Repeat(Client, 400*kilo, "X-Field: y\r\n")
		})},
		{"form: parameters without end", form(func(t *Talk) {
			for range 200 {
				t.Tell(Client, "--b\r\nContent-Disposition: form-data")
				t.Repeat(Client, 2*kilo, "; a=b")
				t.Tell(Client, "\r\n\r\nx\r\n")
			}
		})},
		{"form: nearly boundaries", form(func(t *Talk) { t.Repeat(Client, mega, "\r\n--c") })},
		{"form: nested 1,000 deep", form(func(t *Talk) {
			t.Tell(Client, "--b\r\n")
			t.Endless(Client, 1000, nestedPart)
			t.Endless(Client, 1000, func(b []byte, i int) []byte { return fmt.Appendf(b, "--%d--\r\n", 999-i) })
		})},
	}
}

// nestedPart is the head of the ith multipart inside another.
func nestedPart(b []byte, i int) []byte {
	return fmt.Appendf(b, "Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n", i, i)
}

// form is an upload whose parts a script says.
func form(parts func(*Talk)) func(*Flood) {
	return one(80, func(t *Talk) {
		t.Tell(Client, "POST /up HTTP/1.1\r\nHost: www.example\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000000\r\n\r\n")
		parts(t)
	})
}

type encoder func(io.Writer) io.WriteCloser

func gzipped(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

func brotlied(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 5) }

func zstded(w io.Writer) io.WriteCloser {
	z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(mega)) // fails for bad options only
	return z
}

// coded is a body of n zeros, coded by each encoder in turn. It is kept coded: a
// thousandth of n and less.
func coded(names string, n int, by ...encoder) func(*Flood) {
	return one(80, func(t *Talk) {
		body := made(by[0], n)
		for _, e := range by[1:] {
			var b bytes.Buffer
			w := e(&b)
			w.Write(body)
			w.Close()
			body = b.Bytes()
		}
		t.answered("Content-Encoding: " + names + "\r\n" + lengthOf(len(body)))
		t.Say(Server, body)
	})
}

// made is n zeros coded. Writing to memory cannot fail.
func made(e encoder, n int) []byte {
	var b bytes.Buffer
	w := e(&b)
	zeros := make([]byte, 64*kilo)
	for ; n > 0; n -= len(zeros) {
		w.Write(zeros[:min(n, len(zeros))])
	}
	w.Close()
	return b.Bytes()
}
