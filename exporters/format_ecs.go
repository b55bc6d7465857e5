package exporters

import (
	"strconv"
	"strings"

	"kagami/records"
)

// ecs writes every record as one line of nested JSON under its ECS names
// (Elastic Common Schema). It knows no kind of record: only ordered fields.
type ecs struct {
	fields []records.Field // scratch
	nest   nest
}

func newECS(Env) Format { return new(ecs) }

// Append implements Format.
func (f *ecs) Append(dst []byte, r records.Record) ([]byte, bool) {
	f.fields = r.AppendFields(f.fields[:0])
	dst = f.nest.append(dst, f.fields)
	clear(f.fields) // let go of the record's strings
	return dst, true
}

// nest turns dotted names into nested objects in one pass: fields that share a
// prefix are adjacent, so an object is open exactly as long as its prefix holds.
type nest struct {
	open   []string // names of the objects that are open
	path   string   // prefix of the last name, "" when the objects open are not exactly those it names
	arrays []array  // arrays of objects that are open
	comma  bool     // the object at hand has a member
	times  timeText
}

type array struct {
	base    int // len(open) outside it
	objects int
	inside  bool // one of its objects is open
}

func (n *nest) append(dst []byte, fields []records.Field) []byte {
	n.open, n.arrays, n.comma, n.path = n.open[:0], n.arrays[:0], false, ""
	dst = append(dst, '{')
	for i := range fields {
		switch f := &fields[i]; f.Type {
		case records.Begin:
			dst = n.name(dst, f.Name)
			dst = append(dst, '[')
			n.path = ""
			n.arrays = append(n.arrays, array{base: len(n.open)})
		case records.Next:
			dst = n.closeObject(dst)
		case records.End:
			dst = n.closeArray(dst)
		case records.Time:
			dst = n.name(dst, f.Name)
			dst = n.times.append(dst, f.Num)
		default:
			dst = n.name(dst, f.Name)
			dst = appendJSONValue(dst, f)
		}
	}
	for len(n.arrays) > 0 {
		dst = n.closeArray(dst)
	}
	dst = n.closeTo(dst, 0)
	return append(dst, '}')
}

// name closes and opens objects so that the last part of a dotted name can stand
// next, and appends it with its colon.
func (n *nest) name(dst []byte, name string) []byte {
	path := name[:strings.LastIndexByte(name, '.')+1]
	if path != "" && path == n.path { // most names continue the object of the one before
		return n.key(dst, name[len(path):])
	}
	n.path = path
	base := 0
	if k := len(n.arrays); k > 0 {
		a := &n.arrays[k-1]
		base = a.base
		if !a.inside {
			if a.objects > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '{')
			a.objects++
			a.inside, n.comma = true, false
		}
	}
	depth := base
	for {
		part, rest, dotted := strings.Cut(name, ".")
		if !dotted {
			break
		}
		if depth < len(n.open) && n.open[depth] != part {
			dst = n.closeTo(dst, depth)
		}
		if depth == len(n.open) {
			dst = append(n.key(dst, part), '{')
			n.open = append(n.open, part)
			n.comma = false
		}
		name = rest
		depth++
	}
	return n.key(n.closeTo(dst, depth), name)
}

func (n *nest) key(dst []byte, name string) []byte {
	if n.comma {
		dst = append(dst, ',')
	}
	n.comma = true
	dst = append(append(dst, '"'), name...) // names are ours: nothing to escape
	return append(dst, '"', ':')
}

// closeTo closes objects until depth are open.
func (n *nest) closeTo(dst []byte, depth int) []byte {
	for len(n.open) > depth {
		dst = append(dst, '}')
		n.open = n.open[:len(n.open)-1]
		n.comma = true
	}
	return dst
}

// closeObject ends the object of the innermost array, if there is one.
func (n *nest) closeObject(dst []byte) []byte {
	if len(n.arrays) == 0 {
		return dst
	}
	n.path = ""
	a := &n.arrays[len(n.arrays)-1]
	if a.inside {
		dst = append(n.closeTo(dst, a.base), '}')
		a.inside = false
	}
	return dst
}

func (n *nest) closeArray(dst []byte) []byte {
	if len(n.arrays) == 0 {
		return dst
	}
	dst = append(n.closeObject(dst), ']')
	n.path = ""
	n.arrays = n.arrays[:len(n.arrays)-1]
	n.comma = true
	return dst
}

func appendJSONValue(dst []byte, f *records.Field) []byte {
	switch f.Type {
	case records.String:
		return appendJSONString(dst, f.Str)
	case records.Strings:
		return appendJSONStrings(dst, f.Strs)
	case records.Int:
		return strconv.AppendInt(dst, f.Num, 10)
	case records.Bool:
		return strconv.AppendBool(dst, f.Num != 0)
	case records.Float:
		return appendJSONFloat(dst, f.Flt)
	case records.IP:
		return appendJSONAddr(dst, f.Addr)
	case records.IPs:
		return appendJSONAddrs(dst, f.Addrs)
	}
	return append(dst, "null"...)
}
