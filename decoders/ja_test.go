package decoders

import (
	"fmt"
	"strings"
	"testing"
)

func hexList(tb testing.TB, s string) (out []uint16) {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		var v uint16
		if _, err := fmt.Sscanf(w, "%x", &v); err != nil {
			tb.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// The example of JA4's own specification.
func TestJA4Specification(t *testing.T) {
	h := hello{version: versionTLS12, versions: []uint16{versionTLS12, versionTLS13}, alpn: []byte("h2"),
		ciphers:    hexList(t, "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"),
		extensions: hexList(t, "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"),
		signatures: hexList(t, "0403,0804,0401,0503,0805,0501,0806,0601")}
	for _, c := range []struct {
		name   string
		change func(h hello) hello
		want   string
	}{
		{"as it stands", func(h hello) hello { return h }, "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"no signature algorithms", func(h hello) hello { h.signatures = nil; return h }, "t13d1516h2_8daaf6152771_6d807ffa2a79"},
		{"no extensions", func(h hello) hello { h.extensions, h.versions, h.alpn = nil, nil, nil; return h }, "t12i150000_8daaf6152771_000000000000"},
		{"nothing", func(h hello) hello { return hello{version: versionSSL3} }, "ts3i000000_000000000000_000000000000"},
		{"more than 99", func(h hello) hello { h.ciphers = make([]uint16, 120); return h }, "t13d9916h2_"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.change(h)
			if got := ja4(&h, 't'); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestJA4Protocol(t *testing.T) {
	for name, want := range map[string]string{"": "00", "h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\xab\xcd": "ad",
		"0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01", "h2\xff": "6f"} {
		if got := string(appendJA4Protocol(nil, []byte(name))); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// A browser's hello, its fingerprint as two public services report it.
func TestJA3(t *testing.T) {
	h := hello{version: 771,
		ciphers:    []uint16{4865, 4866, 4867, 49195, 49199, 49196, 49200, 52393, 52392, 49171, 49172, 156, 157, 47, 53},
		extensions: []uint16{45, 51, 16, 65037, 23, 17613, 0, 11, 10, 43, 65281, 35, 18, 5, 13, 27},
		groups:     []uint16{4588, 29, 23, 24}, points: []byte{0}}
	sum, raw := ja3(&h)
	if want := "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27,4588-29-23-24,0"; raw != want {
		t.Errorf("raw %q", raw)
	}
	if want := "98487aa16281980e7d1120d399efb6a4"; sum != want {
		t.Errorf("got %s, want %s", sum, want)
	}
}

func TestGrease(t *testing.T) {
	got := numbers([]byte("\x0a\x0a\x13\x01\xfa\xfa\x0a\x1a\x1a\x2a\x00"))
	if len(got) != 3 || got[0] != 0x1301 || got[1] != 0x0a1a || got[2] != 0x1a2a {
		t.Errorf("%x", got)
	}
}
