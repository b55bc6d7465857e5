package search

import (
	"errors"
	"io/fs"

	"kagami/evidence/index"
	"kagami/evidence/segment"
)

// piece is what one index holds.
type piece struct {
	info  *index.Info
	rows  []index.Row
	folds []index.Fold
	notes []segment.Note
}

// wants tells what load reads.
type wants uint8

const (
	wantRows wants = 1 << iota
	wantNotes
)

// load reads the indexes of a view. If there is none on disk that is good, they are
// made of the packets. A segment that was rotated away has none, and no error; nor
// has one that cannot be read: the report names it.
func (r *run) load(v *view, w wants) ([]piece, error) {
	if err := r.stopped(); err != nil {
		return nil, err
	}
	v.opened = true
	if v.images == nil && v.size == 0 {
		pieces, err := r.loaded(v, w)
		switch {
		case err == nil:
			return pieces, nil
		case len(v.index) > 0 && !errors.Is(err, fs.ErrNotExist):
			r.say("index of %s: %v; its packets were read instead", v.name, err)
		}
	}
	if err := r.scan(v); err != nil || v.images == nil {
		return nil, err
	}
	pieces, err := r.loaded(v, w)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.images > maxImages {
		for _, image := range v.images {
			r.images -= int64(len(image))
		}
		v.images = nil
	}
	return pieces, err
}

// maxImages bounds the octets of indexes that a search keeps for segments without a
// good one; what is beyond is made again when it is needed again.
const maxImages = 128 << 20

// loaded reads the indexes there are.
func (r *run) loaded(v *view, w wants) ([]piece, error) {
	files, err := v.files()
	if err != nil {
		return nil, err
	}
	var pieces []piece
	for _, f := range files {
		defer f.close()
		p := piece{info: f.Info()}
		if v.images == nil {
			if err := v.sound(p.info); err != nil {
				return nil, err
			}
			v.learn(p.info)
		}
		if w&wantRows != 0 {
			if p.rows, p.folds, err = f.Rows(); err != nil {
				return nil, err
			}
		}
		if w&wantNotes != 0 {
			if p.notes, err = f.Notes(); err != nil {
				return nil, err
			}
		}
		pieces = append(pieces, p)
	}
	return pieces, nil
}

// learn keeps what is known of a view.
func (v *view) learn(i *index.Info) {
	if !v.known {
		v.info, v.known = *i, true
	}
}

// scan makes the indexes of a view of its packets.
func (r *run) scan(v *view) error {
	f, err := v.open()
	if err != nil {
		r.missing(v, err)
		return nil
	}
	defer f.Close()
	if v.size == 0 {
		st, err := f.Stat()
		if err != nil {
			r.missing(v, err)
			return nil
		}
		v.size = st.Size()
	}
	b := r.builders.Get().(*index.Builder)
	defer r.builders.Put(b)
	b.Reset()
	s := scanner{num: v.num, size: v.size, stretch: v.stretch, live: len(v.index) == 0 && v.stretch == nil, builder: b}
	err = s.scan(&reader{run: r, file: f})
	if stop := r.stopped(); stop != nil {
		return stop
	}
	if !v.scanned {
		r.scanned(v, &s, err)
	}
	v.scanned = true
	v.images = s.images
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, image := range s.images {
		r.images += int64(len(image))
	}
	return nil
}

// missing notes a segment that cannot be opened.
func (r *run) missing(v *view, err error) {
	first, last := v.span()
	if !v.known {
		first, last = v.start, v.start
	}
	if errors.Is(err, fs.ErrNotExist) {
		v.gone = true
		r.gap(Gap{From: first, To: last, Kind: RotatedAway, Text: v.name + " went away while it was searched"})
		return
	}
	r.gap(Gap{From: first, To: last, Kind: Damaged, Text: v.name + " cannot be read: " + err.Error()})
}

// scanned tells what a scan has found besides packets.
func (r *run) scanned(v *view, s *scanner, err error) {
	v.info, v.known = s.info, true
	if s.tail > 0 {
		r.say("the last %d octets of %s are no whole packets: it is being written, or was interrupted", s.tail, v.name)
	}
	if err != nil {
		r.gap(Gap{From: v.info.First, To: v.info.Last, Kind: Damaged, Text: v.name + ": " + err.Error()})
	}
}
