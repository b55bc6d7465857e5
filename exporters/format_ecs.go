package exporters

import (
	"strconv"
	"strings"

	"kagami/records"
)

// ecs writes every record as one line of nested JSON under its ECS names
// (Elastic Common Schema). It knows no kind of record: only ordered fields.
type ecs struct {
	fields []records.Field // scratch: what the last records said stays in it until it is written over
	nest   nest
}

func newECS(Env) Format { return new(ecs) }

// Append implements Format.
func (f *ecs) Append(dst []byte, r records.Record) ([]byte, bool) {
	f.fields = r.AppendFields(f.fields[:0])
	return f.nest.append(dst, f.fields), true
}

// nest turns dotted names into nested objects in one pass: fields that share a
// prefix are adjacent, so an object is open exactly as long as its prefix holds.
type nest struct {
	path    string  // names of the objects that are open, each with a dot behind it
	arrays  []array // arrays of objects that are open
	comma   bool    // the object at hand has a member
	times   timeText
	scratch []byte
}

type array struct {
	path    string // outside it
	objects int
	inside  bool // one of its objects is open
}

func (n *nest) append(dst []byte, fields []records.Field) []byte {
	n.path, n.arrays, n.comma = "", n.arrays[:0], false
	dst = append(dst, '{')
	for i := 0; i < len(fields); i++ {
		switch f := &fields[i]; f.Type {
		case records.Begin:
			dst = append(n.name(dst, f.Name), '[')
			n.arrays = append(n.arrays, array{path: n.path})
			n.path = ""
		case records.Next:
			dst = n.closeObject(dst)
		case records.End:
			dst = n.closeArray(dst)
		default:
			dst, i = n.value(n.name(dst, f.Name), fields, i)
		}
	}
	for len(n.arrays) > 0 {
		dst = n.closeArray(dst)
	}
	return append(n.to(dst, ""), '}')
}

// name closes and opens objects so that the last part of a dotted name can stand
// next, and appends it with its colon.
func (n *nest) name(dst []byte, name string) []byte {
	if k := len(n.arrays); k > 0 && !n.arrays[k-1].inside {
		a := &n.arrays[k-1]
		if a.objects > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		a.objects++
		a.inside, n.comma = true, false
	}
	path := name[:strings.LastIndexByte(name, '.')+1]
	if path != n.path { // most names continue the object of the one before
		dst = n.to(dst, path)
	}
	return n.key(dst, name[len(path):])
}

// to closes objects and opens others until those of path are open.
func (n *nest) to(dst []byte, path string) []byte {
	same := 0 // how much of path is open already
	for i := 0; i < len(path) && i < len(n.path) && path[i] == n.path[i]; i++ {
		if path[i] == '.' {
			same = i + 1
		}
	}
	for i := same; i < len(n.path); i++ {
		if n.path[i] == '.' {
			dst = append(dst, '}')
			n.comma = true
		}
	}
	n.path = path
	for from := same; from < len(path); {
		end := from + strings.IndexByte(path[from:], '.')
		dst = append(n.key(dst, path[from:end]), '{')
		n.comma = false
		from = end + 1
	}
	return dst
}

func (n *nest) key(dst []byte, name string) []byte {
	if n.comma {
		dst = append(dst, ',')
	}
	n.comma = true
	dst = append(append(dst, '"'), name...) // names are ours: nothing to escape
	return append(dst, '"', ':')
}

// closeObject ends the object of the innermost array, if there is one.
func (n *nest) closeObject(dst []byte) []byte {
	if len(n.arrays) == 0 {
		return dst
	}
	if a := &n.arrays[len(n.arrays)-1]; a.inside {
		dst = append(n.to(dst, ""), '}')
		a.inside = false
	}
	return dst
}

func (n *nest) closeArray(dst []byte) []byte {
	if len(n.arrays) == 0 {
		return dst
	}
	dst = append(n.closeObject(dst), ']')
	last := len(n.arrays) - 1
	n.path, n.comma = n.arrays[last].path, true
	n.arrays = n.arrays[:last]
	return dst
}

// value appends the value that begins at fields[i], and says where it ends.
func (n *nest) value(dst []byte, fields []records.Field, i int) ([]byte, int) {
	switch f := &fields[i]; f.Type {
	case records.List:
		return n.list(dst, fields, i)
	case records.Join:
		dst = append(dst, '"')
		for i++; i < len(fields) && fields[i].Type != records.End; i++ {
			dst = n.text(dst, &fields[i])
		}
		return append(dst, '"'), i
	case records.Strings:
		dst = appendJSONStrings(dst, f.Strs)
	case records.Int:
		dst = strconv.AppendInt(dst, f.Num, 10)
	case records.Bool:
		dst = strconv.AppendBool(dst, f.Num != 0)
	case records.Float:
		dst = appendJSONFloat(dst, f.Flt)
	case records.Time:
		dst = n.times.append(dst, f.Num)
	case records.IPs:
		dst = appendJSONAddrs(dst, f.Addrs)
	default:
		dst = append(n.text(append(dst, '"'), f), '"')
	}
	return dst, i
}

func (n *nest) list(dst []byte, fields []records.Field, i int) ([]byte, int) {
	dst = append(dst, '[')
	for i++; i < len(fields) && fields[i].Type != records.End; i++ {
		if fields[i-1].Type != records.List {
			dst = append(dst, ',')
		}
		dst, i = n.value(dst, fields, i)
	}
	return append(dst, ']'), i
}

// text appends what stands between quotation marks.
func (n *nest) text(dst []byte, f *records.Field) []byte {
	switch f.Type {
	case records.String:
		return appendJSONText(dst, f.Str)
	case records.Lower, records.URL, records.Text: // from the wire
		n.scratch = f.AppendText(n.scratch[:0])
		return appendJSONText(dst, n.scratch)
	}
	return f.AppendText(dst)
}
