package decoders

import (
	"bytes"

	"golang.org/x/net/http2/hpack"

	"kagami/sensor"
)

// headerBlock is a header section as it comes: the fragments of one HEADERS or
// PUSH_PROMISE frame and its CONTINUATION frames.
type headerBlock struct {
	open     bool
	end      bool   // nothing of its direction follows it on the stream
	stream   uint32 // that it came on
	promised uint32 // PUSH_PROMISE: that it is of
	since    int64  // capture time of its first octet
	frames   int    // CONTINUATION frames
	wire     int    // octets of its frames
	octets   []byte // fragments, when they come in pieces
	whole    []byte // or the block, borrowed
	long     bool   // longer than is kept
	odd      string
}

// beginBlock follows the fixed fields of a HEADERS or PUSH_PROMISE frame.
func (s *http2Side) beginBlock(promised uint32) {
	h := &s.frame
	s.block = headerBlock{open: true, stream: h.stream, promised: promised, since: s.since, wire: frameHeaderLen + h.length,
		end: h.kind == frameHeaders && h.has(flagEndStream), octets: s.block.octets[:0]}
}

// add takes octets of a fragment; last says that they end the block.
func (b *headerBlock) add(octets []byte, last bool) {
	switch {
	case b.long:
	case last && len(b.octets) == 0:
		b.whole = octets
	case len(b.octets)+len(octets) > maxHead:
		b.long, b.octets = true, nil
	default:
		b.octets = append(b.octets, octets...)
	}
}

// endBlock reads a complete header block.
func (d *http2Decoder) endBlock(f *sensor.Flow, s *http2Side) {
	b, l := &s.block, &d.list
	l.reset()
	switch {
	case b.long:
		s.forget()
		l.head.note(oddHeadTooLong)
	case b.whole != nil:
		l.read(s, b.whole)
	default:
		l.read(s, b.octets)
	}
	d.deliver(f, s)
}

// cutBlock ends a header block that is not whole.
func (d *http2Decoder) cutBlock(f *sensor.Flow, s *http2Side, odd string) {
	gap := d.list.gap
	d.list.reset()
	d.list.gap = gap
	d.list.head.note(odd)
	d.deliver(f, s)
}

// endOpenBlock tells of a header block that the end of the connection cuts. An
// endless one is an attack, and must not be missed for that.
func (d *http2Decoder) endOpenBlock(f *sensor.Flow, s *http2Side) {
	switch {
	case !s.block.open:
	case s.block.long:
		d.cutBlock(f, s, oddHeadTooLong)
	default:
		d.cutBlock(f, s, oddBlockCut)
	}
}

// deliver gives a header list to its stream.
func (d *http2Decoder) deliver(f *sensor.Flow, s *http2Side) {
	b := s.block
	s.block = headerBlock{octets: b.octets[:0]}
	if cap(b.octets) > heldRoom {
		s.block.octets = nil
	}
	if b.odd != "" {
		d.list.head.note(b.odd)
	}
	d.headers(f, s, &b)
	d.list.reset()
}

func (b *headerBlock) note(odd string) {
	if b.odd == "" {
		b.odd = odd
	}
}

const (
	initialTable = 4096 // octets of a dynamic table (RFC 9113 section 6.5.2)
	hpackResize  = 0x20 // a block that begins so changes that (RFC 7541 section 6.3)
)

// decoder is the direction's HPACK decoder (RFC 7541).
func (s *http2Side) decoder(l *http2List) *hpack.Decoder {
	if s.hpack != nil {
		return s.hpack
	}
	if !s.blind {
		s.hpack = hpack.NewDecoder(initialTable, l.add)
	} else {
		s.hpack = blindDecoder(l)
	}
	s.hpack.SetAllowedMaxDynamicTableSize(maxHeaderTable)
	s.hpack.SetMaxStringLength(maxHead)
	return s.hpack
}

// blindDecoder begins in the middle of a connection. Its table is filled with
// fields without a name, which stand for those that were not seen: they are the
// oldest, so that what is added from now on has its right index.
func blindDecoder(l *http2List) *hpack.Decoder {
	const unseen = 128 // entries of the usual 4096 octets, if all were as short as can be
	d := hpack.NewDecoder(maxHeaderTable, func(hpack.HeaderField) {})
	d.Write(bytes.Repeat([]byte{0x40, 0, 0}, unseen)) // literal, to be indexed, name and value of no octets
	d.Close()
	d.SetEmitFunc(l.add)
	return d
}

// forget gives up the table: what follows is read as in the middle of a connection.
func (s *http2Side) forget() { s.hpack, s.blind, s.table = nil, true, 0 }

// http2List is a header list: what HTTP/1 has as a header section.
type http2List struct {
	head      httpHead
	scheme    []byte
	authority []byte
	protocol  []byte   // extended CONNECT (RFC 8441)
	names     []string // of the fields that are not pseudo-header fields
	size      int
	unseen    bool // a field is from a part of the table that was not seen
	gap       bool // octets of the block were lost
	text      []byte
}

func (l *http2List) reset() {
	*l = http2List{head: httpHead{length: -1}, text: l.text[:0], names: l.names[:0]}
	if cap(l.text) > heldRoom {
		l.text = nil
	}
}

// read decodes a header block.
func (l *http2List) read(s *http2Side, block []byte) {
	d := s.decoder(l)
	s.large = s.large || s.blind || len(block) > 0 && block[0]&0xe0 == hpackResize
	_, err := d.Write(block)
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		if !s.blind {
			l.head.note(oddBlock)
		}
		l.unseen = l.unseen || s.blind
		s.forget()
	}
	if l.unseen {
		l.head.note(oddHPACK)
	}
	limit := initialTable
	if s.large {
		limit = maxHeaderTable
	}
	s.table = min(s.table+l.size, limit)
}

// add takes one field of the list.
func (l *http2List) add(field hpack.HeaderField) {
	if l.size += int(field.Size()); l.size > maxHead {
		l.head.note(oddHeadTooLong)
		return
	}
	switch {
	case field.Name == "":
		l.unseen = true
	case field.Name[0] == ':':
		l.pseudo(&field)
	default:
		if len(l.names) < maxTrailers {
			l.names = append(l.names, field.Name)
		}
		l.head.set(l.keep(field.Name), l.keep(field.Value))
	}
}

// keep is a string's octets, valid until the list is reset.
func (l *http2List) keep(s string) []byte {
	start := len(l.text)
	l.text = append(l.text, s...)
	return l.text[start:len(l.text):len(l.text)]
}

// pseudo takes a pseudo-header field (RFC 9113 section 8.3).
func (l *http2List) pseudo(field *hpack.HeaderField) {
	v := field.Value[:min(len(field.Value), maxTarget)]
	switch field.Name {
	case ":method":
		l.head.method = l.keep(v[:min(len(v), maxMethod)])
	case ":path":
		l.head.target = l.keep(v)
	case ":scheme":
		l.scheme = l.keep(v[:min(len(v), maxScheme)])
	case ":authority":
		l.authority = l.keep(v[:min(len(v), maxValue)])
	case ":protocol":
		l.protocol = l.keep(v[:min(len(v), maxMethod)])
	case ":status":
		if n, ok := decimal(l.keep(v)); ok && n >= 100 && n <= 999 {
			l.head.status = int(n)
		}
	}
}
