package tlskeys

import (
	"crypto/rc4"
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// record is one TLS record (RFC 8446 section 5.1). The body is borrowed.
type record struct {
	typ     uint8
	version uint16
	body    []byte
}

const (
	headerLen = 5
	// maxBody is the longest body of TLS 1.2 and before (RFC 5246 section 6.2.3).
	maxBody = 1<<14 + 2048
)

// opener removes the record protection of one direction under one set of keys.
type opener interface {
	// open appends the plaintext of a record to dst if its authentication holds at a
	// sequence number of first to last, and says which. A failed open changes nothing that a later one
	// sees, unless lost is called in between.
	open(dst []byte, r record, first, last uint64) (plain []byte, seq uint64, ok bool)
	// lost passes over n octets of record bodies that could not be opened, n < 0 when
	// it is not known how many. tail are the octets seen right before the next record.
	// It says whether later records can still be opened.
	lost(n int, tail []byte) bool
	// overhead is the least that protection adds to a body, and whether it always adds
	// just that.
	overhead() (octets int, exact bool)
}

// authOpener is the half of cipher.AEAD that a reader needs.
type authOpener interface {
	Overhead() int
	Open(dst, nonce, sealed, aad []byte) ([]byte, error)
}

// aeadOpener is RFC 5246 section 6.2.3.3 and RFC 8446 section 5.2.
type aeadOpener struct {
	auth     authOpener
	explicit int
	tls13    bool
	iv       [nonceLen]byte
	// Scratch of open, here so that it is not allocated per record.
	nonce [nonceLen]byte
	aad   [13]byte
	// delta is explicit nonce minus sequence number of the last record that opened:
	// most senders count both up together, so it tells the number after a gap.
	delta      uint64
	deltaKnown bool
}

func newAEAD(a authOpener, iv []byte, explicit int, tls13 bool) *aeadOpener {
	o := &aeadOpener{auth: a, explicit: explicit, tls13: tls13}
	copy(o.iv[:], iv)
	return o
}

func (o *aeadOpener) open(dst []byte, r record, first, last uint64) ([]byte, uint64, bool) {
	if len(r.body) < o.explicit+o.auth.Overhead() {
		return nil, 0, false
	}
	for seq := first; seq <= last; seq++ {
		if plain, ok := o.openAt(dst, r, seq); ok {
			return plain, seq, true
		}
	}
	return nil, 0, false
}

func (o *aeadOpener) openAt(dst []byte, r record, seq uint64) ([]byte, bool) {
	tag := o.auth.Overhead()
	sealed := r.body[o.explicit:]
	o.nonce = o.iv
	if o.explicit > 0 {
		copy(o.nonce[nonceLen-o.explicit:], r.body)
	} else {
		tail := o.nonce[nonceLen-8:]
		binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^seq)
	}
	var aad []byte
	if o.tls13 {
		aad = appendHeader(o.aad[:0], r, len(r.body))
	} else {
		aad = appendHeader(binary.BigEndian.AppendUint64(o.aad[:0], seq), r, len(sealed)-tag)
	}
	out, err := o.auth.Open(dst, o.nonce[:], sealed, aad)
	if err != nil {
		return nil, false
	}
	if o.explicit > 0 {
		o.delta, o.deltaKnown = binary.BigEndian.Uint64(r.body)-seq, true
	}
	return out, true
}

// guess is the sequence number that a record's explicit nonce suggests.
func (o *aeadOpener) guess(body []byte) (uint64, bool) {
	if !o.deltaKnown || len(body) < o.explicit {
		return 0, false
	}
	return binary.BigEndian.Uint64(body) - o.delta, true
}

func (o *aeadOpener) lost(int, []byte) bool { return true }

func (o *aeadOpener) overhead() (int, bool) {
	if o.tls13 { // the type octet, and padding that is not known
		return o.auth.Overhead() + 1, false
	}
	return o.explicit + o.auth.Overhead(), true
}

// appendHeader writes a record header with a length of its own.
func appendHeader(b []byte, r record, n int) []byte {
	b = append(b, r.typ, byte(r.version>>8), byte(r.version))
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// macOf computes the MAC of RFC 5246 section 6.2.3.1.
type macOf struct {
	hash.Hash
	head [13]byte
	sum  []byte
}

// find is the sequence number of first to last with which want is the MAC of data.
func (m *macOf) find(r record, data, want []byte, first, last uint64) (uint64, bool) {
	for seq := first; seq <= last; seq++ {
		m.Reset()
		m.Write(appendHeader(binary.BigEndian.AppendUint64(m.head[:0], seq), r, len(data)))
		m.Write(data)
		m.sum = m.Sum(m.sum[:0])
		if subtle.ConstantTimeCompare(m.sum, want) == 1 {
			return seq, true
		}
	}
	return 0, false
}

// streamOpener is RC4, and the NULL suites, which only authenticate.
type streamOpener struct {
	cipher *rc4.Cipher
	mac    macOf
}

func (o *streamOpener) open(dst []byte, r record, first, last uint64) ([]byte, uint64, bool) {
	n := len(r.body) - o.mac.Size()
	if n < 0 {
		return nil, 0, false
	}
	start := len(dst)
	dst = append(dst, r.body...)
	text := dst[start:]
	var after rc4.Cipher
	if o.cipher != nil {
		after = *o.cipher
		after.XORKeyStream(text, text)
	}
	seq, ok := o.mac.find(r, text[:n], text[n:], first, last)
	if !ok {
		clear(text)
		return nil, 0, false
	}
	if o.cipher != nil {
		*o.cipher = after
	}
	return dst[:start+n], seq, true
}

// lost moves the key stream on, which takes to know how far.
func (o *streamOpener) lost(n int, _ []byte) bool {
	if o.cipher == nil {
		return true
	}
	if n < 0 {
		return false
	}
	var waste [256]byte
	for n > 0 {
		k := min(n, len(waste))
		o.cipher.XORKeyStream(waste[:k], waste[:k])
		n -= k
	}
	return true
}

func (o *streamOpener) overhead() (int, bool) { return o.mac.Size(), true }
