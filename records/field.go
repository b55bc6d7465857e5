package records

import "net/netip"

// Type says which member of a Field holds its value.
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
	Begin               // opens an array of objects called Name; the fields up to Next or End are one object
	Next                // starts the array's next object
	End                 // closes the array
)

// Field is one value with its ECS name. A field whose value is absent is not
// appended at all: no record writes empty strings for "unknown".
type Field struct {
	Name  string
	Type  Type
	Num   int64
	Flt   float64
	Str   string
	Strs  []string
	Addr  netip.Addr
	Addrs []netip.Addr
}

// Fields builds the ordered list; its methods skip absent values.
type Fields []Field

// Str appends a string unless it is empty.
func (f *Fields) Str(name, v string) {
	if v != "" {
		*f = append(*f, Field{Name: name, Str: v})
	}
}

// Strs appends an array of strings unless it is empty. The slice is borrowed.
func (f *Fields) Strs(name string, v []string) {
	if len(v) > 0 {
		*f = append(*f, Field{Name: name, Type: Strings, Strs: v})
	}
}

// Int appends a number, zero included.
func (f *Fields) Int(name string, v int64) {
	*f = append(*f, Field{Name: name, Type: Int, Num: v})
}

// Count appends a number unless it is zero.
func (f *Fields) Count(name string, v uint64) {
	if v != 0 {
		f.Int(name, int64(v))
	}
}

// Flag appends true; false is not written.
func (f *Fields) Flag(name string, v bool) {
	if v {
		*f = append(*f, Field{Name: name, Type: Bool, Num: 1})
	}
}

// Bool appends true or false.
func (f *Fields) Bool(name string, v bool) {
	n := int64(0)
	if v {
		n = 1
	}
	*f = append(*f, Field{Name: name, Type: Bool, Num: n})
}

// Float appends a number.
func (f *Fields) Float(name string, v float64) {
	*f = append(*f, Field{Name: name, Type: Float, Flt: v})
}

// Time appends a moment in nanoseconds since the epoch unless it is zero.
func (f *Fields) Time(name string, ns int64) {
	if ns != 0 {
		*f = append(*f, Field{Name: name, Type: Time, Num: ns})
	}
}

// Moment appends a time that is always known, the epoch itself included.
func (f *Fields) Moment(name string, ns int64) {
	*f = append(*f, Field{Name: name, Type: Time, Num: ns})
}

// IP appends an address if it is valid.
func (f *Fields) IP(name string, a netip.Addr) {
	if a.IsValid() {
		*f = append(*f, Field{Name: name, Type: IP, Addr: a})
	}
}

// IPs appends an array of addresses unless it is empty. The slice is borrowed.
func (f *Fields) IPs(name string, a []netip.Addr) {
	if len(a) > 0 {
		*f = append(*f, Field{Name: name, Type: IPs, Addrs: a})
	}
}

// Mark appends Begin, Next or End.
func (f *Fields) Mark(t Type, name string) {
	*f = append(*f, Field{Name: name, Type: t})
}
