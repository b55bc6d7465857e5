package exporters

import (
	"net/netip"
	"strconv"
)

// object writes one JSON object, its members in the order of the calls. Absent
// values are left out, and so are nested objects and arrays that stay empty.
type object struct {
	b     []byte
	comma bool // something stands before what comes next
}

// nested is where a nested object or array began.
type nested struct {
	at    int
	comma bool
	close byte
}

// start begins to append an object to dst.
func (o *object) start(dst []byte) { o.b, o.comma = append(dst, '{'), false }

// finish ends it.
func (o *object) finish() []byte {
	b := append(o.b, '}')
	o.b = nil
	return b
}

// begin opens a nested object; end closes it.
func (o *object) begin(name string) nested {
	n := nested{len(o.b), o.comma, '}'}
	o.key(name)
	o.b, o.comma = append(o.b, '{'), false
	return n
}

// array opens a nested array; end closes it.
func (o *object) array(name string) nested {
	n := nested{len(o.b), o.comma, ']'}
	o.key(name)
	o.b, o.comma = append(o.b, '['), false
	return n
}

// item opens an object that is an array's next element; end closes it.
func (o *object) item() nested {
	n := nested{len(o.b), o.comma, '}'}
	o.next()
	o.b, o.comma = append(o.b, '{'), false
	return n
}

// end closes what n opened, or takes it back if it stayed empty.
func (o *object) end(n nested) {
	if !o.comma {
		o.b, o.comma = o.b[:n.at], n.comma
		return
	}
	o.b = append(o.b, n.close)
}

// key begins a member; names are ours: nothing to escape.
func (o *object) key(name string) {
	o.next()
	o.b = append(append(o.b, '"'), name...)
	o.b = append(o.b, '"', ':')
}

// next begins an element.
func (o *object) next() {
	if o.comma {
		o.b = append(o.b, ',')
	}
	o.comma = true
}

// str writes a string unless it is empty.
func (o *object) str(name, v string) {
	if v != "" {
		o.key(name)
		o.b = appendJSONString(o.b, v)
	}
}

// word writes a string of ours, which needs no escape.
func (o *object) word(name, v string) {
	o.key(name)
	o.b = append(append(append(o.b, '"'), v...), '"')
}

// int writes a number, zero included.
func (o *object) int(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

// count writes a number, zero included.
func (o *object) count(name string, v uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, v, 10)
}

// some writes a number unless it is zero.
func (o *object) some(name string, v uint64) {
	if v != 0 {
		o.count(name, v)
	}
}

// bool writes true or false.
func (o *object) bool(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}

// flag writes true; false is left out.
func (o *object) flag(name string, v bool) {
	if v {
		o.bool(name, v)
	}
}

// addr writes an address if it is valid.
func (o *object) addr(name string, a netip.Addr) {
	if a.IsValid() {
		o.key(name)
		o.b = appendJSONAddr(o.b, a)
	}
}

// strs writes an array of strings unless it is empty.
func (o *object) strs(name string, v []string) {
	if len(v) > 0 {
		o.key(name)
		o.b = appendJSONStrings(o.b, v)
	}
}

// addrs writes an array of addresses unless it is empty.
func (o *object) addrs(name string, v []netip.Addr) {
	if len(v) > 0 {
		o.key(name)
		o.b = appendJSONAddrs(o.b, v)
	}
}

// numbers writes an array of numbers unless it is empty.
func (o *object) numbers(name string, v []uint16) {
	if len(v) == 0 {
		return
	}
	n := o.array(name)
	for _, x := range v {
		o.next()
		o.b = strconv.AppendUint(o.b, uint64(x), 10)
	}
	o.end(n)
}
