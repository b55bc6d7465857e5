package tlskeys

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kagami/packet"
)

// recording is a file of testdata: a key log, and what each side sent.
type recording struct {
	keys  string
	conns [][]part
	// What the applications of the last connection sent.
	sent, answered string
}

// readTrace reads a recording. Lines that begin with C and S are octets of client and
// server in hexadecimal, > and < what their applications sent as a Go string, a dash
// begins the next connection; the other lines are the key log.
func readTrace(t testing.TB, name string) (r recording) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var parts []part
	for line := range strings.Lines(string(b)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch kind {
		case "C", "S":
			octets, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part{packet.Side(strings.Index("CS", kind)), octets})
		case ">":
			r.sent, err = strconv.Unquote(rest)
		case "<":
			r.answered, err = strconv.Unquote(rest)
		case "-":
			r.conns = append(r.conns, parts)
			parts = nil
		default:
			r.keys += line
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.conns = append(r.conns, parts)
	return r
}

func (r *recording) log(t testing.TB) *Log {
	t.Helper()
	log, err := Parse(strings.NewReader(r.keys))
	if err != nil || log.BadLines > 0 {
		t.Fatalf("%v, bad lines: %v", err, log.Bad)
	}
	return log
}

func traces(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	return names
}

// TestTraces decrypts the examples of RFC 8448 and connections of OpenSSL and GnuTLS:
// one a file.
func TestTraces(t *testing.T) {
	for _, name := range traces(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			rec := readTrace(t, name)
			for _, step := range []int{0, 1, 7, 100} {
				log := rec.log(t)
				for i, parts := range rec.conns {
					out, r := replay(log, parts, step)
					if r.Sides[0].Dark != None || r.Sides[1].Dark != None || r.Resumed != (i > 0 || strings.Contains(name, "rfc8448-4")) {
						t.Errorf("connection %d: %+v", i, r)
					}
					if i < len(rec.conns)-1 {
						continue
					}
					if string(out.plain[client]) != rec.sent || string(out.plain[server]) != rec.answered {
						t.Errorf("got %q and %q, want %q and %q; %+v", out.plain[client], out.plain[server], rec.sent, rec.answered, r)
					}
				}
			}
		})
	}
}

// TestDamagedTraces changes octets of every connection: what is given is what was
// sent, up to the record that was hit and after it.
func TestDamagedTraces(t *testing.T) {
	for _, name := range traces(t) {
		rec := readTrace(t, name)
		parts := rec.conns[len(rec.conns)-1]
		for i := range parts {
			for at := 0; at < len(parts[i].b); at += 7 {
				bad := slices.Clone(parts)
				bad[i].b = bytes.Clone(bad[i].b)
				bad[i].b[at] ^= 0x10
				out, r := replay(rec.log(t), bad, 0)
				if r.EarlyDropped > 0 && strings.HasSuffix(rec.sent, string(out.plain[client])) {
					out.plain[client], out.lost[client] = nil, nil // told: early data that nobody knows the server took
				}
				for side, sent := range []string{rec.sent, rec.answered} {
					checkPrefix(t, out, packet.Side(side), []byte(sent))
				}
				if t.Failed() {
					t.Fatalf("%s: octet %d of part %d", name, at, i)
				}
			}
		}
	}
}

// TestCCM is example 3 of NIST SP 800-38C, and the same with the longer tag, made
// with OpenSSL 3.
func TestCCM(t *testing.T) {
	seq := func(from byte, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = from + byte(i)
		}
		return b
	}
	for tag, want := range map[int]string{
		16: "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5c87ae488918de93f17dd3e4934347f44",
		8:  "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
	} {
		sealed, err := hex.DecodeString(want)
		if err != nil {
			t.Fatal(err)
		}
		c, err := newCCM(seq(0x40, 16), tag)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Open(nil, seq(0x10, 12), sealed, seq(0, 20))
		if err != nil || !bytes.Equal(got, seq(0x20, 24)) {
			t.Errorf("tag of %d octets: got %x, %v", tag, got, err)
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			if got, err := c.Open(nil, seq(0x10, 12), bad, seq(0, 20)); err == nil || len(got) > 0 {
				t.Errorf("octet %d changed: opened", i)
			}
		}
	}
}
