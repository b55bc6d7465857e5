// Package warc writes what a capture holds of the web as a WARC 1.1 file (ISO 28500:2017,
// https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/),
// which web archives read and replay.
//
// Of each transaction there is
//   - a response record with the octets of the wire: transfer and content codings as
//     they came. Octets that were not captured are left out, which WARC-Truncated says
//     and the metadata tells of. HTTP/0.9, which has no header, is a resource record;
//   - a request record, concurrent to it. That of HTTP/0.9 is in the metadata;
//   - a metadata record: frames, hashes of the decoded body, what is missing.
//
// HTTP/2 has no octets that could stand in an archive: its header fields are written
// the way HTTP/1.1 would, and WARC-Protocol says so.
//
// What was transferred in ranges and joined is a resource record, because the single
// ranges cannot be replayed. There are no conversion records: decoded bodies would
// double the file, and every reader can decode.
//
// The block digest is always there. The payload digest is that of the content without
// transfer coding. It is left out where octets are missing, and where widespread readers
// would not agree: they compare it with octets that still have such a coding, and with
// the whole block when the address is not known to be http: or https:.
package warc

import (
	"fmt"
	"io"
	"strings"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// Options say who writes, and when.
type Options struct {
	Software string // "" = Kagami
	Created  int64  // nanoseconds since the epoch, 0 = when the capture ended
	Filename string // of the file, "" = it is not said
}

// Write writes the archive. It holds no body a second time. The same Reading and
// Options give the same octets.
func Write(w io.Writer, r *replay.Reading, o Options) error {
	a := &archive{w: NewWriter(w), reading: r, holes: make(map[*replay.Transaction][]*replay.Hole)}
	for i := range r.Holes {
		h := &r.Holes[i]
		a.holes[h.Transaction] = append(a.holes[h.Transaction], h)
	}
	if err := a.info(o); err != nil {
		return err
	}
	for _, t := range r.Transactions {
		if err := a.transaction(t); err != nil {
			return fmt.Errorf("transaction %d: %w", t.Number, err)
		}
	}
	for i, x := range r.Objects {
		if err := a.object(i, x); err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
	}
	return a.rest()
}

// archive is one being written.
type archive struct {
	w       *Writer
	reading *replay.Reading
	holes   map[*replay.Transaction][]*replay.Hole // nil = of no transaction
	infoID  string
}

// record is one before it is written.
type record struct {
	kind        string // WARC-Type
	number      int    // makes the ID unique
	at          int64
	uri         string
	contentType string
	fields      []Field
	block       [][]byte

	digest, id string
}

// seal gives a record its digest and its ID, which come of its content.
func (a *archive) seal(x *record) {
	if x.at == 0 {
		x.at = a.reading.First
	}
	x.digest = Digest(x.block...)
	x.id = recordID(a.reading.Source, x.kind, fmt.Sprint(x.number), plain.Date(x.at), x.uri, x.digest)
}

func (a *archive) write(x *record) error {
	fields := []Field{{"WARC-Type", x.kind}, {"WARC-Record-ID", x.id}, {"WARC-Date", plain.Date(x.at)}}
	if x.uri != "" {
		fields = append(fields, Field{"WARC-Target-URI", x.uri})
	}
	if a.infoID != "" {
		fields = append(fields, Field{"WARC-Warcinfo-ID", a.infoID})
	}
	fields = append(fields, x.fields...)
	fields = append(fields, Field{"WARC-Block-Digest", x.digest}, Field{"Content-Type", x.contentType})
	return a.w.Write(fields, x.block...)
}

func (a *archive) info(o Options) error {
	if o.Software == "" {
		o.Software = "Kagami"
	}
	r := a.reading
	b := &lines{}
	b.add("software", o.Software)
	b.add("format", "WARC File Format 1.1")
	b.add("conformsTo", "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/")
	b.add("description", "Rebuilt from captured packets. Blocks of HTTP/1 are the octets of the wire; octets that were not captured are left out (WARC-Truncated; kagami-hole in metadata). "+
		"Header fields of HTTP/2 (WARC-Protocol: h2) are written the way HTTP/1.1 would.")
	b.add("kagami-source", r.Source)
	b.add("kagami-first", plain.Date(r.First))
	b.add("kagami-last", plain.Date(r.Last))
	b.add("kagami-frames", fmt.Sprint(r.Frames))
	x := &record{kind: "warcinfo", at: o.Created, contentType: "application/warc-fields", block: [][]byte{b.text()}}
	if x.at == 0 {
		x.at = r.Last
	}
	if o.Filename != "" {
		x.fields = append(x.fields, Field{"WARC-Filename", plain.Line(o.Filename)})
	}
	a.seal(x)
	err := a.write(x)
	a.infoID = x.id
	return err
}

// rest tells of what is missing but belongs to no transaction.
func (a *archive) rest() error {
	if len(a.holes[nil]) == 0 {
		return nil
	}
	b := &lines{}
	for _, h := range a.holes[nil] {
		b.add("kagami-hole", holeText(h))
	}
	x := &record{kind: "metadata", number: -1, at: a.reading.Last, contentType: "application/warc-fields", block: [][]byte{b.text()},
		fields: []Field{{"WARC-Refers-To", a.infoID}}}
	a.seal(x)
	return a.write(x)
}

// holeText is a hole in one line.
func holeText(h *replay.Hole) string {
	s := string(h.Kind)
	if f := h.Flow; f != nil && h.Transaction == nil {
		s += fmt.Sprintf("; flow %d %s %s", f.Number, f.Client, f.Server)
	}
	if h.Time != 0 {
		s += "; " + plain.Date(h.Time)
	}
	return fmt.Sprintf("%s; offset %d; length %d; %s", s, h.Offset, h.Length, h.Text)
}

// lines is a block of application/warc-fields.
type lines struct{ b strings.Builder }

// add adds a field; what came from the wire cannot end its line.
func (l *lines) add(name, value string) {
	if value = plain.Line(value); value != "" {
		l.b.WriteString(name + ": " + value + "\r\n")
	}
}

func (l *lines) text() []byte { return []byte(l.b.String()) }
