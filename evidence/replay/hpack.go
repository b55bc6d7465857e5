package replay

import (
	"errors"

	"golang.org/x/net/http2/hpack"
)

// hpackTable decodes one direction's header blocks (RFC 7541). Unlike a party to the
// connection it may have missed some: a field that refers to what it missed is
// unknown, the others are good, since a table is counted from its newest entry.
type hpackTable struct {
	static  []Field
	dynamic []entry // oldest first
	size    int     // as RFC 7541 section 4.1 counts
	max     int     // what the encoder set
	limit   int     // what we keep at most
	unsure  bool    // entries are missing
}

// entry is a field of a table; one that referred to what is not known is unknown, or
// its name is.
type entry struct {
	Field
	lost bool // the name
	void bool // the value too
}

const (
	entryCost    = 32
	defaultTable = 4096
)

var errHPACK = errors.New("malformed")

// staticTable is that of RFC 7541 appendix A.
func staticTable() []Field {
	const entries = 61
	d := hpack.NewDecoder(defaultTable, nil)
	var fs []Field
	for i := byte(1); i <= entries; i++ {
		f, err := d.DecodeFull([]byte{0x80 | i})
		if err != nil || len(f) != 1 {
			break
		}
		fs = append(fs, Field{f[0].Name, f[0].Value})
	}
	return fs
}

func newHPACK(static []Field, limit int) *hpackTable {
	return &hpackTable{static: static, max: defaultTable, limit: limit}
}

// block decodes a header block. list bounds the fields' size; more are left out.
func (t *hpackTable) block(b []byte, list int) (fs []Field, unknown int, over bool, err error) {
	for len(b) > 0 {
		var f entry
		var ok, isField bool
		f, isField, b, ok = t.field(b)
		switch {
		case !ok:
			t.unsure = true // what the rest would have added is missing
			return fs, unknown, over, errHPACK
		case !isField:
		case f.lost || f.void:
			unknown++
		case over:
		default:
			if list -= len(f.Name) + len(f.Value) + entryCost; list < 0 {
				over = true
				continue
			}
			fs = append(fs, f.Field)
		}
	}
	return fs, unknown, over, nil
}

// field decodes one representation (RFC 7541 section 6).
func (t *hpackTable) field(b []byte) (f entry, isField bool, rest []byte, ok bool) {
	c := b[0]
	switch {
	case c&0x80 != 0:
		i, b, ok := hpackInt(b, 7)
		if !ok {
			return f, false, nil, false
		}
		f, ok = t.at(i)
		return f, true, b, ok
	case c&0xe0 == 0x20:
		n, b, ok := hpackInt(b, 5)
		if ok {
			t.resize(n)
		}
		return f, false, b, ok
	}
	prefix := 4
	if c&0xc0 == 0x40 {
		prefix = 6
	}
	i, b, ok := hpackInt(b, prefix)
	if ok && i > 0 {
		f, ok = t.at(i)
		f.lost, f.void = f.lost || f.void, false
	} else if ok {
		f.Name, b, ok = hpackString(b)
	}
	if !ok {
		return f, false, nil, false
	}
	if f.Value, b, ok = hpackString(b); ok && prefix == 6 {
		t.insert(f)
	}
	return f, true, b, ok
}

func (t *hpackTable) at(i int) (entry, bool) {
	switch n := i - len(t.static); {
	case i == 0:
		return entry{}, false
	case n <= 0:
		return entry{Field: t.static[i-1]}, true
	case n <= len(t.dynamic):
		return t.dynamic[len(t.dynamic)-n], true
	}
	return entry{void: true}, t.unsure
}

func (t *hpackTable) insert(f entry) {
	t.size += len(f.Name) + len(f.Value) + entryCost
	t.dynamic = append(t.dynamic, f)
	t.evict()
}

func (t *hpackTable) resize(n int) {
	if t.max = n; n > t.limit {
		t.max, t.unsure = t.limit, true // references to what we do not keep are unknown then
	}
	t.evict()
}

func (t *hpackTable) evict() {
	n := 0
	for t.size > t.max && n < len(t.dynamic) {
		t.size -= len(t.dynamic[n].Name) + len(t.dynamic[n].Value) + entryCost
		n++
	}
	if n > 0 {
		t.dynamic = append(t.dynamic[:0], t.dynamic[n:]...)
	}
}

// hpackInt reads an integer (RFC 7541 section 5.1).
func hpackInt(b []byte, prefix int) (n int, rest []byte, ok bool) {
	const most = 1 << 28
	full := 1<<prefix - 1
	if n = int(b[0]) & full; n < full {
		return n, b[1:], true
	}
	for i, shift := 1, 0; i < len(b) && shift < 28; i, shift = i+1, shift+7 {
		n += int(b[i]&0x7f) << shift
		if b[i]&0x80 == 0 {
			return n, b[i+1:], n < most
		}
	}
	return 0, nil, false
}

// hpackString reads a string literal (RFC 7541 section 5.2).
func hpackString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) == 0 {
		return "", nil, false
	}
	huffman := b[0]&0x80 != 0
	n, b, ok := hpackInt(b, 7)
	if !ok || n > len(b) {
		return "", nil, false
	}
	if !huffman {
		return string(b[:n]), b[n:], true
	}
	s, err := hpack.HuffmanDecodeToString(b[:n])
	return s, b[n:], err == nil
}
