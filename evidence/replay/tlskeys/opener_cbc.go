package tlskeys

import (
	"crypto/cipher"
	"hash"
)

// cbcOpener is RFC 5246 section 6.2.3.2 (MAC, then padding, then encryption), and
// RFC 7366 (encryption, then MAC). TLS 1.0 chains the records: the last block of
// one is the IV of the next (RFC 2246 section 6.2.3.2).
type cbcOpener struct {
	block   cipher.Block
	mac     macOf
	etm     bool
	chained bool
	iv      []byte // of the next record, if chained; nil when it was not seen
	next    []byte // of the one after it, if that is all that could be learned from it
}

func newCBC(c cipher.Block, mac hash.Hash, version uint16, etm bool, iv []byte) *cbcOpener {
	return &cbcOpener{block: c, mac: macOf{Hash: mac}, etm: etm, chained: version == version10, iv: append([]byte{}, iv...)}
}

func (o *cbcOpener) open(dst []byte, r record, first, last uint64) (plain []byte, seq uint64, ok bool) {
	size, sealed := o.block.BlockSize(), r.body
	if o.etm {
		n := len(sealed) - o.mac.Size()
		if n < 0 {
			return nil, 0, false
		}
		if seq, ok = o.mac.find(r, sealed[:n], sealed[n:], first, last); !ok {
			return nil, 0, false
		}
		sealed = sealed[:n]
		if o.chained && o.iv == nil && n >= size {
			o.next = append(o.next[:0], sealed[n-size:]...)
		}
	}
	iv, text := o.iv, sealed
	if !o.chained {
		if len(sealed) < size {
			return nil, 0, false
		}
		iv, text = sealed[:size], sealed[size:]
	}
	if len(iv) != size || len(text) == 0 || len(text)%size != 0 {
		return nil, 0, false
	}
	start := len(dst)
	dst = append(dst, text...)
	plain = dst[start:]
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(plain, plain)
	n, ok := unpad(plain)
	if ok && !o.etm {
		n -= o.mac.Size()
		ok = n >= 0
		if ok {
			seq, ok = o.mac.find(r, plain[:n], plain[n:n+o.mac.Size()], first, last)
		}
	}
	if !ok {
		clear(plain)
		return nil, 0, false
	}
	if o.chained {
		o.iv = append(o.iv[:0], text[len(text)-size:]...)
	}
	return dst[:start+n], seq, true
}

// unpad is the length before the padding; every padding octet holds the padding's
// length (RFC 5246 section 6.2.3.2).
func unpad(b []byte) (int, bool) {
	pad := int(b[len(b)-1])
	n := len(b) - pad - 1
	if n < 0 {
		return 0, false
	}
	for _, c := range b[n:] {
		if int(c) != pad {
			return 0, false
		}
	}
	return n, true
}

// lost takes the next record's IV from the octets before it. If too few of them
// were seen, that record cannot be opened, but the one after it can. RFC 7366's MAC
// does not cover a chained IV: octets that nothing authenticates must not be one, or
// the next record's first block would come out wrong and nobody would know.
func (o *cbcOpener) lost(_ int, tail []byte) bool {
	size := o.block.BlockSize()
	switch {
	case !o.chained:
	case o.etm:
		o.iv, o.next = o.next, nil
	case len(tail) < size:
		o.iv = nil
	default:
		o.iv = append(o.iv[:0], tail[len(tail)-size:]...)
	}
	return true
}

func (o *cbcOpener) overhead() (int, bool) {
	n := o.mac.Size() + 1 // the padding's length is an octet of it
	if !o.chained {
		n += o.block.BlockSize()
	}
	return n, false
}
