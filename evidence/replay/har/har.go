// Package har writes what a capture holds of the web as an HTTP Archive 1.2
// (http://www.softwareishard.com/blog/har-12-spec/), which browsers' developer tools
// and many programs open.
//
// HAR was made for browsers: it has no word for a response that nobody saw the
// request of, or for an octet that was not captured. What it cannot say is in
// comments and in fields of our own, which begin with an underscore as the
// specification wants it.
package har

import (
	"bufio"
	"fmt"
	"io"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// Options say who writes.
type Options struct {
	Creator string // "" = Kagami
	Version string // of the creator, "" = devel
}

// Write writes the archive. It takes no more memory than the fields of one entry need:
// bodies are encoded while they are written.
func Write(w io.Writer, r *replay.Reading, o Options) error {
	b := bufio.NewWriterSize(w, 64<<10)
	a := &archive{stream: stream{w: b}, reading: r, holes: make(map[*replay.Transaction][]*replay.Hole)}
	for i := range r.Holes {
		h := &r.Holes[i]
		a.holes[h.Transaction] = append(a.holes[h.Transaction], h)
	}
	a.log(o)
	if a.err == nil {
		a.err = b.Flush()
	}
	if a.err != nil {
		return fmt.Errorf("write HAR: %w", a.err)
	}
	return nil
}

// archive is one being written.
type archive struct {
	stream
	reading *replay.Reading
	holes   map[*replay.Transaction][]*replay.Hole // nil = of no transaction
}

func (a *archive) log(o Options) {
	if o.Creator == "" {
		o.Creator = "Kagami"
	}
	if o.Version == "" {
		o.Version = "devel"
	}
	r := a.reading
	a.open("", '{')
	a.open("log", '{')
	a.field("version", "1.2")
	a.field("creator", nameVersion{o.Creator, o.Version})
	a.field("pages", []struct{}{}) // a capture has no tabs
	a.open("entries", '[')
	for _, t := range r.Transactions {
		a.entry(t)
	}
	a.close(']')
	a.field("comment", fmt.Sprintf("Rebuilt from packets: %s, %d frames, %d transactions, %d holes.",
		plain.Text(r.Source), r.Frames, len(r.Transactions), len(r.Holes)))
	a.objects()
	a.field("_holes", holes(a.holes[nil]))
	a.close('}')
	a.close('}')
	a.end()
}

type nameVersion struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// object is what was joined of ranges; the ranges themselves are entries.
type object struct {
	URL      string  `json:"url"`
	Client   string  `json:"client"`
	Size     int64   `json:"size"`
	Complete bool    `json:"complete"`
	SHA256   string  `json:"sha256,omitempty"`
	Magic    string  `json:"magic,omitempty"`
	Missing  []span  `json:"missing,omitempty"`
	Pieces   []piece `json:"pieces"`
}

type span struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

type piece struct {
	Transaction int `json:"transaction"` // its _number
	span
}

func (a *archive) objects() {
	a.open("_objects", '[')
	for _, o := range a.reading.Objects {
		x := object{Client: o.Client.String(), Size: o.Size, Complete: o.Complete, SHA256: o.SHA256, Magic: plain.Text(o.Magic), Pieces: []piece{}}
		if o.URL != nil {
			x.URL = plain.URL(o.URL)
		}
		for _, m := range o.Missing {
			x.Missing = append(x.Missing, span(m))
		}
		for _, p := range o.Pieces {
			x.Pieces = append(x.Pieces, piece{p.Transaction.Number, span{p.Offset, p.Length}})
		}
		a.element(x)
	}
	a.close(']')
}

// hole is something that is missing.
type hole struct {
	Kind   replay.HoleKind `json:"kind"`
	Time   string          `json:"time,omitempty"`
	Offset int64           `json:"offset"`
	Length int64           `json:"length"`
	Text   string          `json:"text"`
}

func holes(hs []*replay.Hole) []hole {
	list := make([]hole, 0, len(hs))
	for _, h := range hs {
		x := hole{Kind: h.Kind, Offset: h.Offset, Length: h.Length, Text: plain.Text(h.Text)}
		if h.Time != 0 {
			x.Time = plain.Date(h.Time)
		}
		list = append(list, x)
	}
	return list
}
