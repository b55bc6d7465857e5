package records

import (
	"net/netip"
	"slices"
)

// Type says what a Field is, and which member holds its value.
type Type uint8

const (
	String  Type = iota // Str
	Strings             // Strs, a JSON array of keywords
	Int                 // Num
	Bool                // Num != 0
	Float               // Flt
	Time                // Num, nanoseconds since the epoch
	IP                  // Addr
	IPs                 // Addrs

	// Strings as well, but nobody has made them yet: AppendText does.
	Digits    // Num in decimal: ECS has keywords that are numbers
	HexNum    // Num in lower-case hexadecimal, Width digits at least
	HexOctets // Octets or Str in lower-case hexadecimal
	HexUpper  // Octets in upper-case hexadecimal
	EUI48     // Num, as ECS writes MAC addresses
	Text      // Octets as they are
	Lower     // Str in lower case
	URL       // Str with octets that are no UTF-8 as %XX

	// Marks.
	Begin // opens an array of objects called Name; the fields up to Next or End are one object
	Next  // starts the array's next object
	List  // opens an array; the fields up to End are its elements and have no names
	Join  // opens a string; the fields up to End are its parts and have no names
	End   // closes what was opened last
)

// Field is one value with its ECS name; members that Type does not speak of mean
// nothing. A field whose value is absent is not appended at all: no record writes
// empty strings for "unknown".
type Field struct {
	Name   string
	Type   Type
	Width  uint8
	Num    int64
	Flt    float64
	Str    string
	Octets []byte
	Strs   []string
	Addr   netip.Addr
	Addrs  []netip.Addr
}

// Fields builds the ordered list; its methods skip absent values. Where nothing
// is said of it, a slice is borrowed. None of them needs memory but the list's own,
// which is used again for the next record.
type Fields []Field

// add appends a field and leaves its value to the caller, so that little is written:
// a Field is large.
func (f *Fields) add(name string, t Type) *Field {
	n := len(*f)
	if n == cap(*f) {
		*f = slices.Grow(*f, max(n, 32))
	}
	*f = (*f)[:n+1]
	x := &(*f)[n]
	x.Name, x.Type = name, t
	return x
}

// Str appends a string unless it is empty.
func (f *Fields) Str(name, v string) {
	if v != "" {
		f.add(name, String).Str = v
	}
}

// Strs appends an array of strings unless it is empty.
func (f *Fields) Strs(name string, v []string) {
	if len(v) > 0 {
		f.add(name, Strings).Strs = v
	}
}

// Int appends a number, zero included.
func (f *Fields) Int(name string, v int64) { f.add(name, Int).Num = v }

// Count appends a number unless it is zero.
func (f *Fields) Count(name string, v uint64) {
	if v != 0 {
		f.Int(name, int64(v))
	}
}

// Flag appends true; false is not written.
func (f *Fields) Flag(name string, v bool) {
	if v {
		f.Bool(name, true)
	}
}

// Bool appends true or false.
func (f *Fields) Bool(name string, v bool) {
	n := int64(0)
	if v {
		n = 1
	}
	f.add(name, Bool).Num = n
}

// Float appends a number.
func (f *Fields) Float(name string, v float64) { f.add(name, Float).Flt = v }

// Time appends a moment in nanoseconds since the epoch unless it is zero.
func (f *Fields) Time(name string, ns int64) {
	if ns != 0 {
		f.Moment(name, ns)
	}
}

// Moment appends a time that is always known, the epoch itself included.
func (f *Fields) Moment(name string, ns int64) { f.add(name, Time).Num = ns }

// IP appends an address if it is valid.
func (f *Fields) IP(name string, a netip.Addr) {
	if a.IsValid() {
		f.add(name, IP).Addr = a
	}
}

// IPs appends an array of addresses unless it is empty.
func (f *Fields) IPs(name string, a []netip.Addr) {
	if len(a) > 0 {
		f.add(name, IPs).Addrs = a
	}
}

// Digits appends a number as a string, zero included.
func (f *Fields) Digits(name string, v int64) { f.add(name, Digits).Num = v }

// HexNum appends a number in hexadecimal, zero included, of width digits at least.
func (f *Fields) HexNum(name string, v uint64, width uint8) {
	x := f.add(name, HexNum)
	x.Num, x.Width = int64(v), width
}

// FlowID appends a flow's id, as it stands in all records.
func (f *Fields) FlowID(name string, uid uint64) { f.HexNum(name, uid, flowDigits) }

// HexOctets appends octets in lower-case hexadecimal unless there are none.
func (f *Fields) HexOctets(name string, v []byte) {
	if len(v) > 0 {
		x := f.add(name, HexOctets)
		x.Octets, x.Str = v, ""
	}
}

// HexStr is HexOctets for octets that are kept as a string.
func (f *Fields) HexStr(name, v string) {
	if v != "" {
		x := f.add(name, HexOctets)
		x.Octets, x.Str = nil, v
	}
}

// HexUpper appends octets in upper-case hexadecimal: fingerprints.
func (f *Fields) HexUpper(name string, v []byte) { f.add(name, HexUpper).Octets = v }

// Text appends octets as a string unless there are none.
func (f *Fields) Text(name string, v []byte) {
	if len(v) > 0 {
		f.add(name, Text).Octets = v
	}
}

// MAC appends an EUI-48 unless it is zero.
func (f *Fields) MAC(name string, a [6]byte) {
	if n := macNumber(a); n != 0 {
		f.add(name, EUI48).Num = n
	}
}

// Lower appends a string in lower case unless it is empty.
func (f *Fields) Lower(name, v string) {
	if v != "" {
		f.add(name, Lower).Str = v
	}
}

// URL appends a URL, or a part of one, unless it is empty. JSON can carry no octets
// that are not UTF-8, and what they say in another character set would be lost.
func (f *Fields) URL(name, v string) {
	if v != "" {
		f.add(name, URL).Str = v
	}
}

// Mark appends Begin, Next or End.
func (f *Fields) Mark(t Type, name string) { f.add(name, t) }

// open begins a List or a Join; close ends it.
func (f *Fields) open(t Type, name string) (at int) {
	f.add(name, t)
	return len(*f)
}

// close ends what was opened, or takes it back if nothing stands in it.
func (f *Fields) close(at int) {
	if len(*f) == at {
		*f = (*f)[:at-1]
		return
	}
	f.add("", End)
}

// list appends an array of those strings that are not empty, unless all are.
func (f *Fields) list(name string, v ...string) {
	at := f.open(List, name)
	for _, s := range v {
		f.Str("", s)
	}
	f.close(at)
}

// strOnce appends an element of the list opened at at unless it is there already.
func (f *Fields) strOnce(at int, v string) {
	for i := range (*f)[at:] {
		if (*f)[at+i].Str == v {
			return
		}
	}
	f.Str("", v)
}

// ip appends an array of one address, valid or not.
func (f *Fields) ip(name string, a netip.Addr) {
	at := f.open(List, name)
	f.element(a)
	f.close(at)
}

// element appends an address to a list, valid or not.
func (f *Fields) element(a netip.Addr) { f.add("", IP).Addr = a }

// elementOnce is element unless the list opened at at has the address.
func (f *Fields) elementOnce(at int, a netip.Addr) {
	for i := range (*f)[at:] {
		if (*f)[at+i].Addr == a {
			return
		}
	}
	f.element(a)
}
