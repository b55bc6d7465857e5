package incident

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/detectors/census"
	"kagami/detectors/state"
	"kagami/records"
)

// full is a book with a bit of everything.
func full(t testing.TB) *desk {
	desk := newDesk(t, Default())
	f := finding("beacon", start, 18, rare())
	f.Every, f.Bearing = hour, 2.5
	f.Histogram = []records.Bin{{From: 1, To: 2, Count: 3}}
	f.Chain = []string{"a", "b"}
	desk.report(f)
	desk.hush["direct-egress"] = "line 9: " + strings.Repeat("x", 5000)
	desk.report(finding("direct-egress", start+minute, 6))
	own := finding("port-scan", start+2*minute, 20)
	own.Key = 0
	desk.report(own)
	return desk
}

func saved(b *Book) []byte { return state.Save(start, []state.Part{b}) }

func TestRoundTrip(t *testing.T) {
	desk := full(t)
	before := saved(desk.book)
	again := NewBook(Default(), desk.census, desk.hush)
	if l, err := state.Load(before, []state.Part{again}); err != nil || l.Problems != nil || !slices.Equal(l.Parts, []string{"incident"}) {
		t.Fatalf("%v, %+v", err, l)
	}
	if !bytes.Equal(before, saved(again)) {
		t.Error("what is saved after loading differs")
	}
	if !reflect.DeepEqual(desk.book.Counters(), again.Counters()) {
		t.Errorf("counters %v, want %v", again.Counters(), desk.book.Counters())
	}
	// Both go on alike: nothing is told twice because of a restart.
	other := &desk2{book: again}
	for _, at := range []int64{start + hour, start + 2*days} {
		f := finding("beacon", at, 18, rare())
		_, want := desk.report(f)
		other.told = nil
		again.Report(f, other.emit)
		if !reflect.DeepEqual(want, other.told) {
			t.Errorf("after loading it tells %+v, want %+v", other.told, want)
		}
		if told := at == start+2*days; told != (len(want) == 1) { // a reminder, once
			t.Errorf("at %d: %d told", at-start, len(want))
		}
	}
}

type desk2 struct {
	book *Book
	told []*records.Alert
}

func (d *desk2) emit(r records.Record) { d.told = append(d.told, r.(*records.Alert)) }

// A book that became smaller keeps what it can.
func TestLoadIntoSmaller(t *testing.T) {
	desk := newDesk(t, Default())
	for key := range uint64(100) {
		f := finding("beacon", start, 12)
		f.Key = key + 1
		desk.report(f)
	}
	c := Default()
	c.Entries = 16
	small := NewBook(c, desk.census, nil)
	if l, err := state.Load(saved(desk.book), []state.Part{small}); err != nil || l.Problems != nil || small.entries.Len() != 16 {
		t.Errorf("%v, %v, %d entries", err, l.Problems, small.entries.Len())
	}
}

// FuzzLoad reads what may be anything: it fails, or makes a book that works.
func FuzzLoad(f *testing.F) {
	var e state.Encoder
	full(f).book.Save(&e)
	f.Add(e.Encoded())
	f.Fuzz(func(t *testing.T, b []byte) {
		desk := newDesk(t, Default())
		d := state.NewDecoder(b)
		desk.book.Load(d)
		if d.Err() != nil {
			return
		}
		for i := range desk.book.Open(start) {
			desk.book.Explain(i.Key, func(Text) {})
		}
		for _, key := range []uint64{7, 8} {
			f := finding("beacon", start, 20)
			f.Key = key
			desk.book.Report(f, func(records.Record) {})
			desk.book.Wants("beacon", f.Source, key, 3, start)
		}
		var e state.Encoder
		desk.book.Save(&e)
		d = state.NewDecoder(e.Encoded())
		if NewBook(Default(), census.New(census.Default()), nil).Load(d); d.Err() != nil {
			t.Errorf("what was loaded cannot be loaded again: %v", d.Err())
		}
	})
}
