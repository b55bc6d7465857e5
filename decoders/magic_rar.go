package decoders

import (
	"bytes"
	"encoding/binary"
	"strings"
)

const (
	maxRARBlocks = 1024 // headers of an archive that are read
	rarHeader    = 512  // octets of a header that are looked at
)

// rarReader follows the headers of a RAR archive (version 1.5: unrar's
// technote.txt; version 5: "RAR 5.0 archive format").
type rarReader struct {
	spot      spot
	begun     bool
	five      bool
	done      bool
	blocks    int
	encrypted bool
	program   string
}

func newRARReader() *rarReader { return &rarReader{spot: newSpot(0, rarHeader)} }

func (r *rarReader) read(p []byte) {
	for !r.done && len(p) > 0 {
		p = r.spot.read(p)
		for !r.done && r.spot.full() {
			r.next()
		}
	}
}

// next reads the header at the spot and goes on to the following one.
func (r *rarReader) next() {
	b := r.spot.octets
	if !r.begun {
		const marker, marker5 = 7, 8
		r.begun, r.five = true, len(b) > 6 && b[6] == 1
		if r.five {
			r.spot.move(marker5)
		} else {
			r.spot.move(marker)
		}
		return
	}
	read := rarBlock
	if r.five {
		read = rar5Block
	}
	h, ok := read(b)
	if r.blocks++; !ok || h.size <= 0 || r.blocks > maxRARBlocks {
		r.done = true
		return
	}
	r.encrypted = r.encrypted || h.encrypted
	if r.program == "" && opensProgram(extensionOf(strings.ToLower(h.name))) {
		r.program = strings.ToValidUTF8(h.name, "\uFFFD")
	}
	r.done = h.last
	r.spot.move(r.spot.at + h.size)
}

// found implements inspector. Of a short archive the last headers are in a spot
// that did not fill.
func (r *rarReader) found(t fileType) (fileType, string) {
	for n := 0; !r.done && len(r.spot.octets) > 0 && n < rarHeader; n++ {
		r.next()
	}
	if r.encrypted {
		t.traits = withTrait(t.traits, traitEncrypted)
	}
	if r.program != "" {
		t.traits = withTrait(t.traits, traitProgram)
	}
	return t, r.program
}

// rarHead is what a header says.
type rarHead struct {
	size      int64 // octets of the header and its data
	name      string
	encrypted bool
	last      bool
}

// rarBlock reads a header of version 1.5 to 4.
func rarBlock(b []byte) (h rarHead, ok bool) {
	const (
		main, file, end            = 0x73, 0x74, 0x7b
		headersSecret              = 0x80
		hasData, fileSecret, large = 0x8000, 4, 0x100
		head                       = 7
	)
	if len(b) < head {
		return h, false
	}
	kind, flags := b[2], binary.LittleEndian.Uint16(b[3:])
	h.size = int64(binary.LittleEndian.Uint16(b[5:]))
	if h.size < head {
		return h, false
	}
	h.last = kind == end
	if kind == main && flags&headersSecret != 0 {
		h.encrypted, h.last = true, true
	}
	if flags&hasData != 0 && len(b) >= head+4 {
		h.size += int64(binary.LittleEndian.Uint32(b[head:]))
	}
	if kind == file && len(b) >= 32 {
		h.encrypted = flags&fileSecret != 0
		at, n := 32, int(binary.LittleEndian.Uint16(b[26:]))
		if flags&large != 0 {
			at += 8
		}
		if at+n <= len(b) {
			name, _, _ := bytes.Cut(b[at:at+n], []byte{0}) // a second, packed name follows
			h.name = string(name)
		}
	}
	return h, true
}

// rar5Block reads a header of version 5.
func rar5Block(b []byte) (h rarHead, ok bool) {
	const main, file, secret, end = 1, 2, 4, 5
	const hasExtra, hasData = 1, 2
	if len(b) < 7 {
		return h, false
	}
	w := varints{b: b[4:]}
	size := w.next()
	start := len(b) - len(w.b)
	kind, flags := w.next(), w.next()
	var extra, data uint64
	if flags&hasExtra != 0 {
		extra = w.next()
	}
	if flags&hasData != 0 {
		data = w.next()
	}
	const most = 2 << 20 // a header's length is 3 octets of 7 bits at most
	if w.short || size > most || data > 1<<50 {
		return h, false
	}
	h.size = int64(start) + int64(size) + int64(data)
	switch kind {
	case secret:
		h.encrypted, h.last = true, true
	case end:
		h.last = true
	case file:
		h.name = rar5Name(&w)
		if from := start + int(size) - int(extra); extra <= size && from >= 0 && start+int(size) <= len(b) {
			h.encrypted = rar5Secret(b[from : start+int(size)])
		}
	}
	return h, true
}

// rar5Name reads the fields of a file's header up to its name.
func rar5Name(w *varints) string {
	const hasTime, hasSum = 2, 4
	flags := w.next()
	w.next() // size
	w.next() // attributes
	if flags&hasTime != 0 {
		w.skip(4)
	}
	if flags&hasSum != 0 {
		w.skip(4)
	}
	w.next() // compression
	w.next() // system
	n := w.next()
	if w.short || n > uint64(len(w.b)) {
		return ""
	}
	return string(w.b[:n])
}

// rar5Secret looks for the encryption record among the extra ones.
func rar5Secret(extra []byte) bool {
	const encryption = 1
	for len(extra) > 0 {
		w := varints{b: extra}
		size := w.next()
		left := w.b
		if kind := w.next(); w.short || size == 0 || size > uint64(len(left)) {
			return false
		} else if kind == encryption {
			return true
		}
		extra = left[size:]
	}
	return false
}

// varints reads numbers of 7 bits an octet, lowest first.
type varints struct {
	b     []byte
	short bool
}

func (w *varints) next() uint64 {
	n, used := binary.Uvarint(w.b)
	if used <= 0 {
		w.short, w.b = true, nil
		return 0
	}
	w.b = w.b[used:]
	return n
}

func (w *varints) skip(n int) {
	if n > len(w.b) {
		w.short, n = true, len(w.b)
	}
	w.b = w.b[n:]
}

// sevenZipReader looks at the header of a 7z archive (7zFormat.txt, "SignatureHeader"):
// it stands at the end, packed in most, but the coders' names are in the clear.
type sevenZipReader struct {
	spot   spot
	header bool
}

const sevenZipHeader = 32

func newSevenZipReader() *sevenZipReader { return &sevenZipReader{spot: newSpot(0, sevenZipHeader)} }

func (r *sevenZipReader) read(p []byte) {
	rest := r.spot.read(p)
	if r.header || !r.spot.full() {
		return
	}
	const offsetAt, sizeAt, looked = 12, 20, 1024
	at, size := binary.LittleEndian.Uint64(r.spot.octets[offsetAt:]), binary.LittleEndian.Uint64(r.spot.octets[sizeAt:])
	next := newSpot(sevenZipHeader+int64(min(at, 1<<50)), int(min(size, looked)))
	next.pos = r.spot.pos
	r.spot, r.header = next, true
	r.spot.read(rest)
}

// found implements inspector.
func (r *sevenZipReader) found(t fileType) (fileType, string) {
	const aes = "\x06\xf1\x07\x01" // 7zAES
	if r.header && bytes.Contains(r.spot.octets, []byte(aes)) {
		t.traits = withTrait(t.traits, traitEncrypted)
	}
	return t, ""
}
