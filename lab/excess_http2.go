package lab

import "encoding/binary"

// Frame types and flags of HTTP/2 (RFC 9113 section 6).
const (
	h2Data         = 0
	h2Headers      = 1
	h2Reset        = 3
	h2Settings     = 4
	h2Push         = 5
	h2Ping         = 6
	h2Continuation = 9

	h2EndStream  = 1
	h2EndHeaders = 4
)

// http2Frame appends a frame.
func http2Frame(b []byte, kind, flags byte, stream int, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, uint32(stream)), payload...)
}

// http2Talk is a connection whose preface was said.
func http2Talk(script func(*Talk)) func(*Flood) {
	return one(80, func(t *Talk) {
		t.Say(Client, http2Frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Settings, 0, 0, nil))
		t.Say(Server, http2Frame(nil, h2Settings, 0, 0, nil))
		script(t)
	})
}

// http2Get is the header block of "GET / HTTP/2": four fields of the static table.
var http2Get = []byte{0x82, 0x86, 0x84, 0x41, 0x09, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'}

// hpackField is a literal field (RFC 7541 section 6.2) with a name of its own;
// kind 0x40 adds it to the table.
func hpackField(b []byte, kind byte, name, value string) []byte {
	b = append(hpackInt(append(b, kind), len(name)), name...)
	return append(hpackInt(b, len(value)), value...)
}

// hpackInt appends a string's length (RFC 7541 section 5.1, prefix of 7 bits).
func hpackInt(b []byte, n int) []byte {
	if n < 127 {
		return append(b, byte(n))
	}
	for b, n = append(b, 127), n-127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// http2Excesses are those of HTTP/2 (RFC 9113) and HPACK.
func http2Excesses() []Excess {
	get := func(b []byte, i int) []byte {
		return http2Frame(b, h2Headers, h2EndStream|h2EndHeaders, 2*i+1, http2Get)
	}
	return []Excess{
		{"http2: CONTINUATION flood", http2Talk(func(t *Talk) {
			t.Say(Client, http2Frame(nil, h2Headers, 0, 1, http2Get))
			field := hpackField(nil, 0, "x-field", filler)
			t.Endless(Client, 4*kilo, func(b []byte, _ int) []byte { return http2Frame(b, h2Continuation, 0, 1, field) })
		})},
		{"http2: empty CONTINUATION flood", http2Talk(func(t *Talk) {
			t.Say(Client, http2Frame(nil, h2Headers, 0, 1, http2Get))
			t.Repeat(Client, 200*kilo, string(http2Frame(nil, h2Continuation, 0, 1, nil)))
		})},
		{"http2: CONTINUATION, octet by octet", one(80, func(t *Talk) {
			t.Say(Client, http2Frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Settings, 0, 0, nil))
			t.mss = 1
			t.Say(Client, http2Frame(nil, h2Headers, 0, 1, http2Get))
			t.Repeat(Client, 90, string(http2Frame(nil, h2Continuation, 0, 1, hpackField(nil, 0, "x-field", filler))))
		})},
		{"http2: HPACK index bomb", http2Talk(func(t *Talk) {
			// One entry of 4 KiB in the table, named 16,000 times in each block.
			bomb := append(http2Get, hpackField(nil, 0x40, "x-bomb", string(longText(3*kilo)))...)
			t.Say(Client, http2Frame(nil, h2Headers, h2EndStream|h2EndHeaders, 1, bomb))
			block := make([]byte, 16000)
			for i := range block {
				block[i] = 0x80 | 62 // the newest entry
			}
			t.Endless(Client, 200, func(b []byte, i int) []byte {
				return http2Frame(b, h2Headers, h2EndStream|h2EndHeaders, 2*i+3, append(http2Get, block...))
			})
		})},
		{"http2: HPACK table filled over and over", http2Talk(func(t *Talk) {
			resize := []byte{0x3f, 0xe1, 0xff, 0x03} // to 64 KiB (RFC 7541 section 6.3)
			t.Endless(Client, 2000, func(b []byte, i int) []byte {
				block := append(append([]byte(nil), resize...), http2Get...)
				for range 16 {
					block = hpackField(block, 0x40, "x-entry", filler[:250+i%250])
				}
				return http2Frame(b, h2Headers, h2EndStream|h2EndHeaders, 2*i+1, block)
			})
		})},
		{"http2: HPACK table of a gigabyte", http2Talk(func(t *Talk) {
			block := append([]byte{0x3f, 0xe1, 0xff, 0xff, 0xff, 0x07}, http2Get...)
			t.Say(Client, http2Frame(nil, h2Headers, h2EndStream|h2EndHeaders, 1, block))
			t.Endless(Client, 100, get)
		})},
		{"http2: 100,000 streams opened", http2Talk(func(t *Talk) { t.Endless(Client, 100_000, get) })},
		{"http2: streams with open uploads", http2Talk(func(t *Talk) {
			t.Endless(Client, 10_000, func(b []byte, i int) []byte {
				b = http2Frame(b, h2Headers, h2EndHeaders, 2*i+1, http2Get)
				return http2Frame(b, h2Data, 0, 2*i+1, []byte("upload"))
			})
		})},
		{"http2: rapid reset", http2Talk(func(t *Talk) {
			t.Endless(Client, 30_000, func(b []byte, i int) []byte {
				return http2Frame(get(b, i), h2Reset, 0, 2*i+1, []byte{0, 0, 0, 8})
			})
		})},
		{"http2: promises without end", http2Talk(func(t *Talk) {
			t.Say(Client, get(nil, 0))
			t.Endless(Server, 10_000, func(b []byte, i int) []byte {
				return http2Frame(b, h2Push, h2EndHeaders, 1, append(binary.BigEndian.AppendUint32(nil, uint32(2*i+2)), http2Get...))
			})
		})},
		{"http2: SETTINGS flood", http2Talk(func(t *Talk) {
			t.Repeat(Client, 200*kilo, string(http2Frame(nil, h2Settings, 0, 0, []byte{0, 1, 0, 0, 16, 0})))
		})},
		{"http2: PING flood", http2Talk(func(t *Talk) {
			t.Repeat(Client, 200*kilo, string(http2Frame(nil, h2Ping, 0, 0, make([]byte, 8))))
		})},
		{"http2: trailers without end", http2Talk(func(t *Talk) {
			t.Say(Client, get(nil, 0))
			t.Say(Server, http2Frame(nil, h2Headers, h2EndHeaders, 1, []byte{0x88}))
			t.Endless(Server, 20*kilo, func(b []byte, i int) []byte {
				return http2Frame(b, h2Headers, h2EndHeaders, 1, hpackField(nil, 0, "x-trailer", "y"))
			})
		})},
	}
}
