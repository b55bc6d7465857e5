package state

import (
	"math"
	"net/netip"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	var e Encoder
	e.Uint(1 << 63)
	e.Int(-5)
	e.Float(1.5)
	e.Bool(true)
	e.Hash(7)
	e.String("abc")
	e.Bytes(nil)
	e.Addr(netip.Addr{})
	e.Addr(netip.MustParseAddr("10.0.0.1"))
	e.Addr(netip.MustParseAddr("2001:db8::1"))
	d := NewDecoder(e.Encoded())
	if d.Uint() != 1<<63 || d.Int() != -5 || d.Float() != 1.5 || !d.Bool() || d.Hash() != 7 || d.String(3) != "abc" || d.Bytes(9) != nil {
		t.Error("values changed")
	}
	if d.Addr().IsValid() || d.Addr().String() != "10.0.0.1" || d.Addr().String() != "2001:db8::1" {
		t.Error("addresses changed")
	}
	if d.Err() != nil || d.More() {
		t.Errorf("err %v, more %v", d.Err(), d.More())
	}
}

func TestRefused(t *testing.T) {
	long := func(e *Encoder) { e.String("abcd") }
	for name, c := range map[string]struct {
		write func(*Encoder)
		read  func(*Decoder)
	}{
		"nothing left":     {func(*Encoder) {}, func(d *Decoder) { d.Uint() }},
		"text too long":    {long, func(d *Decoder) { d.String(3) }},
		"count of nothing": {func(e *Encoder) { e.Uint(1 << 40) }, func(d *Decoder) { d.Len(math.MaxInt) }},
		"not a number":     {func(e *Encoder) { e.Float(math.NaN()) }, func(d *Decoder) { d.Float() }},
		"infinite":         {func(e *Encoder) { e.Float(math.Inf(1)) }, func(d *Decoder) { d.Float() }},
		"address of 3":     {func(e *Encoder) { e.Bytes([]byte{1, 2, 3}) }, func(d *Decoder) { d.Addr() }},
	} {
		var e Encoder
		c.write(&e)
		d := NewDecoder(e.Encoded())
		if c.read(d); d.Err() == nil {
			t.Errorf("%s: no error", name)
		}
		if d.More() || d.Uint() != 0 {
			t.Errorf("%s: goes on after the error", name)
		}
	}
}

// number is a part that has learned one number.
type number struct {
	name    string
	version int
	n       uint64
}

func (p *number) Name() string    { return p.name }
func (p *number) Version() int    { return p.version }
func (p *number) Save(e *Encoder) { e.Uint(p.n) }
func (p *number) Load(d *Decoder) { p.n = d.Uint() }

func TestParts(t *testing.T) {
	saved := Save(42, []Part{&number{"a", 1, 10}, &number{"b", 1, 20}, &number{"gone", 1, 30}, &number{"c", 2, 40}})
	a, b, c, fresh := &number{"a", 1, 0}, &number{"b", 1, 0}, &number{"c", 1, 0}, &number{"fresh", 1, 5}
	l, err := Load(saved, []Part{a, b, c, fresh})
	if err != nil || l.At != 42 || a.n != 10 || b.n != 20 || c.n != 0 || fresh.n != 5 {
		t.Errorf("%v, at %d: a %d, b %d, c %d, fresh %d", err, l.At, a.n, b.n, c.n, fresh.n)
	}
	if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Error(), "state of c is not used: it has version 2") {
		t.Errorf("problems: %v", l.Problems)
	}
}

// Every octet changed: nothing panics, and a part is either as saved or named.
func TestDamaged(t *testing.T) {
	whole := Save(42, []Part{&number{"a", 1, 10}, &number{"b", 1, 20}})
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			bad := append([]byte(nil), whole...)
			bad[i] ^= bit
			a, b := &number{"a", 1, 0}, &number{"b", 1, 0}
			l, err := Load(bad, []Part{a, b})
			if i >= len(magic)+1 && err == nil && len(l.Problems) == 0 && (a.n != 10 || b.n != 20) && len(l.Parts) == 2 {
				t.Errorf("octet %d: a %d, b %d and nothing said", i, a.n, b.n)
			}
		}
	}
	for i := range whole {
		if _, err := Load(whole[:i], []Part{&number{"a", 1, 0}}); i < len(magic) && err == nil {
			t.Errorf("%d octets are taken for a state", i)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Save(42, []Part{&number{"a", 1, 10}, &number{"b", 1, 20}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		Load(b, []Part{&number{"a", 1, 0}, &number{"b", 1, 0}})
	})
}
