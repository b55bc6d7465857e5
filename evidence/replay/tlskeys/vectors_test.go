package tlskeys

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"kagami/packet"
)

// trace reads a trace of RFC 8448: a key log, and lines of what each side sent.
func trace(t testing.TB, name string) (*Log, []part) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var keys strings.Builder
	var parts []part
	for line := range strings.Lines(string(b)) {
		side := packet.Side(client)
		switch {
		case strings.HasPrefix(line, "S "):
			side = server
			fallthrough
		case strings.HasPrefix(line, "C "):
			octets, err := hex.DecodeString(strings.TrimSpace(line[2:]))
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part{side, octets})
		default:
			keys.WriteString(line)
		}
	}
	log, err := Parse(strings.NewReader(keys.String()))
	if err != nil || log.BadLines > 0 {
		t.Fatalf("%v, bad lines: %v", err, log.Bad)
	}
	return log, parts
}

// TestRFC8448 decrypts the traces of RFC 8448: both sides send the octets 0 to 49;
// in section 4 the client sends ABCDEF as early data before.
func TestRFC8448(t *testing.T) {
	fifty := make([]byte, 50)
	for i := range fifty {
		fifty[i] = byte(i)
	}
	for _, tt := range []struct {
		file   string
		client string
		early  int64
	}{
		{"testdata/rfc8448-3.txt", string(fifty), 0},
		{"testdata/rfc8448-4.txt", "ABCDEF" + string(fifty), 6},
	} {
		log, parts := trace(t, tt.file)
		for _, step := range []int{0, 1, 7} {
			out, r := replay(log, parts, step)
			if string(out.plain[client]) != tt.client || !bytes.Equal(out.plain[server], fifty) {
				t.Errorf("%s: got %q and %q", tt.file, out.plain[client], out.plain[server])
			}
			if r.Early != tt.early || r.Resumed != (tt.early > 0) || r.ServerName != "server" || !r.Sides[client].Closed || !r.Sides[server].Closed {
				t.Errorf("%s: %+v", tt.file, r)
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
