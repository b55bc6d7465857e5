package search

import (
	"cmp"
	"fmt"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// maxFileNotes bounds what is noted of a capture file, about 200 octets each.
const maxFileNotes = 1 << 20

// nameSource has the notes of a capture file, in order of time.
type nameSource struct{ notes []segment.Note }

// namesOf runs the decoders over a capture file.
func (s *Store) namesOf(path string, o FileOptions) *nameSource {
	n := &noteStore{convert: o.Notes}
	src, err := segment.OpenSource(path)
	if err == nil {
		err = o.Run(src, n)
		if e := src.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		s.said = append(s.said, fmt.Sprintf("names in %s: %v", path, err))
	}
	if n.lost > 0 {
		s.said = append(s.said, fmt.Sprintf("names in %s: %d are more than are kept", path, n.lost))
	}
	slices.SortStableFunc(n.notes, func(a, b segment.Note) int { return cmp.Compare(a.At, b.At) })
	return &nameSource{notes: n.notes}
}

// before gives the builder the notes up to a time.
func (n *nameSource) before(ns int64, b *index.Builder) {
	for len(n.notes) > 0 && n.notes[0].At < ns {
		b.Note(&n.notes[0])
		n.notes = n.notes[1:]
	}
}

// noteStore is a sensor.Store that keeps what records say.
type noteStore struct {
	convert func([]segment.Note, records.Record) []segment.Note
	notes   []segment.Note
	lost    int
}

func (n *noteStore) Note(r records.Record) {
	switch {
	case n.convert == nil:
	case len(n.notes) >= maxFileNotes:
		n.lost++
	default:
		n.notes = n.convert(n.notes, r)
	}
}

// Add needs no frames: their places are known from the file.
func (n *noteStore) Add(*sensor.Frame, sensor.Class, int) {}
func (n *noteStore) Tick(int64, uint64)                   {}
func (n *noteStore) Whole(*packet.Key) bool               { return true }

var _ sensor.Store = (*noteStore)(nil)
