package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// ftpTLS is what AUTH TLS protects (RFC 4217). CCC ends it (section 12.3): then
// the commands go on in the clear, so that firewalls can read the addresses. It is
// encrypted itself; where TLS records end tells.
type ftpTLS struct {
	on    [2]bool // by packet.Side
	inner sensor.Decoder
	done  bool // the inner decoder has said all
	lost  [2]bool
	head  [2][]byte // of a record's header
	left  [2]int    // octets of the record to come
}

const tlsHeader = 5

func (t *ftpTLS) start(f *sensor.Flow) {
	*t = ftpTLS{on: [2]bool{true, true}, inner: f.EnterTunnel()}
}

// read takes n octets of side: up to the end of TLS, if that comes.
func (t *ftpTLS) read(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) (n int) {
	for n < len(data) && t.on[side] {
		switch {
		case t.lost[side]:
			n = len(data)
		case t.left[side] > 0:
			k := min(t.left[side], len(data)-n)
			t.left[side] -= k
			n += k
		default:
			t.header(side, data[n])
			if t.on[side] {
				n++
			}
		}
	}
	if n > 0 && !t.done {
		t.done = t.inner.Data(f, side, data[:n], emit) == sensor.Done
	}
	return n
}

// header takes an octet of a record's header.
func (t *ftpTLS) header(side packet.Side, c byte) {
	const firstType, lastType = 20, 24
	if len(t.head[side]) == 0 && (c < firstType || c > lastType) {
		t.on[side] = false
		return
	}
	h := append(t.head[side], c)
	if len(h) == tlsHeader {
		t.left[side] = int(binary.BigEndian.Uint16(h[3:]))
		h = h[:0]
	}
	t.head[side] = h
}

// gap says that n octets of side are lost; where records begin is not known behind
// one that ends in them.
func (t *ftpTLS) gap(f *sensor.Flow, side packet.Side, n int) {
	if n <= t.left[side] {
		t.left[side] -= n
	} else {
		t.lost[side] = true
	}
	if !t.done {
		t.done = t.inner.Gap(f, side, n) == sensor.Done
	}
}

func (t *ftpTLS) close(f *sensor.Flow, emit sensor.Emit) {
	if t.inner != nil {
		t.inner.Close(f, emit)
	}
}
