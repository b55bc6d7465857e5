package configs

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/exporters"
)

// problem is one thing wrong with a configuration text.
type problem struct {
	line    int // 0 = unknown
	text    string
	syntax  bool // the text is no TOML; nothing of it was taken
	unknown bool // there is no such setting
}

func (p problem) Error() string {
	if p.line == 0 {
		return p.text
	}
	return fmt.Sprintf("line %d: %s", p.line, p.text)
}

// redacted is the problem without passwords that somebody wrote into a setting.
func (p problem) redacted() problem {
	p.text = exporters.RedactText(p.text)
	return p
}

// decode lays the settings of a TOML text over c. It takes every setting by
// itself, so that one mistake hides no other; what is wrong keeps its old value.
// A list replaces the list that was there.
func decode(text string, c *Config) []problem {
	var root map[string]toml.Primitive
	meta, err := toml.Decode(text, &root)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return []problem{{line: syntax.Position.Line, text: syntax.Message, syntax: true}}
	} else if err != nil {
		return []problem{{text: err.Error(), syntax: true}}
	}
	d := decoder{text: text, meta: &meta}
	d.table("", 0, root, reflect.ValueOf(c).Elem())
	return d.problems
}

func byLine(a, b problem) int {
	return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
}

type decoder struct {
	text     string
	meta     *toml.MetaData
	problems []problem
}

func (d *decoder) wrong(key string, nth int, format string, args ...any) {
	d.problems = append(d.problems, problem{line: lineOf(d.text, key, nth), text: key + ": " + fmt.Sprintf(format, args...)})
}

// table decodes the settings of the table called prefix, the nth of its name,
// into a struct.
func (d *decoder) table(prefix string, nth int, from map[string]toml.Primitive, to reflect.Value) {
	for name, value := range from {
		key := strings.TrimPrefix(prefix+"."+name, ".")
		field, ok := fieldFor(to, name)
		if !ok {
			d.unknown(key, nth)
			continue
		}
		d.value(key, nth, value, field)
	}
}

// unknown says where a key stands that means nothing, and what may be meant.
func (d *decoder) unknown(key string, nth int) {
	p := problem{line: lineOf(d.text, key, nth), text: fmt.Sprintf("unknown setting %q", key), unknown: true}
	keys, sections := names()
	if s := nearest(strings.ToLower(key), append(sections, keys...)); s != "" {
		p.text += fmt.Sprintf("; did you mean %q?", s)
	}
	d.problems = append(d.problems, p)
}

func (d *decoder) value(key string, nth int, from toml.Primitive, to reflect.Value) {
	switch {
	case isTable(to.Type()):
		var t map[string]toml.Primitive
		if d.meta.PrimitiveDecode(from, &t) != nil || t == nil { // it takes a wrong type for nil
			d.wrong(key, nth, "got %s, want a table [%s]", d.got(from), key)
			return
		}
		d.table(key, nth, t, to)
	case isTables(to.Type()):
		var list []map[string]toml.Primitive
		if d.meta.PrimitiveDecode(from, &list) != nil || slices.ContainsFunc(list, isNil) {
			d.wrong(key, nth, "got %s, want tables [[%s]]", d.got(from), key)
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, t := range list {
			d.table(key, i, t, to.Index(i))
		}
	default:
		d.leaf(key, nth, from, to)
	}
}

func isNil(t map[string]toml.Primitive) bool { return t == nil }

// leaf decodes one value into memory of its own first: a list must not be
// decoded over the elements of the default one.
func (d *decoder) leaf(key string, nth int, from toml.Primitive, to reflect.Value) {
	fresh := reflect.New(to.Type())
	err := d.meta.PrimitiveDecode(from, fresh.Interface())
	if to.Type() == duration {
		var n int64 // the decoder would take a bare number as nanoseconds
		if d.meta.PrimitiveDecode(from, &n) == nil && n != 0 {
			err = errNoUnit
		}
	}
	if err != nil {
		d.wrong(key, nth, "got %s, want %s", d.got(from), want(to.Type()))
		return
	}
	to.Set(fresh.Elem())
}

var errNoUnit = errors.New("duration without a unit")

// got shows a value as it was written, more or less.
func (d *decoder) got(from toml.Primitive) string {
	var v any
	if err := d.meta.PrimitiveDecode(from, &v); err != nil {
		return "something else"
	}
	return show(v)
}

func show(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	case string:
		return fmt.Sprintf("%q", v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

var (
	duration        = reflect.TypeFor[time.Duration]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// want describes the values of a type, with an example where it is not plain.
func want(t reflect.Type) string {
	switch t {
	case duration:
		return `a time with its unit such as "90s" or "10m"`
	case reflect.TypeFor[netip.Addr]():
		return `an address such as "192.0.2.1"`
	case reflect.TypeFor[netip.Prefix]():
		return `a network such as "192.0.2.0/24"`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text in quotes"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list [...], each of it " + want(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("a list [...] of %d, each of it %s", t.Len(), want(t.Elem()))
	}
	return "a whole number"
}

// isTable tells structs that are tables from those written as one value.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshaler)
}

func isTables(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }

// nameOf is the name of a field in the file, "" when it is no setting.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func fieldFor(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if nameOf(v.Type().Field(i)) == name && name != "" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// Keys are all settings, "section.key", in the order of the structs. Those of a
// list of tables stand once.
func Keys() []string {
	keys, _ := names()
	return keys
}

// names are all settings and all sections.
func names() (keys, sections []string) {
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			switch name := nameOf(f); {
			case name == "":
			case isTable(f.Type):
				sections = append(sections, prefix+name)
				walk(prefix+name+".", f.Type)
			case isTables(f.Type):
				sections = append(sections, prefix+name)
				walk(prefix+name+".", f.Type.Elem())
			default:
				keys = append(keys, prefix+name)
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
	return keys, sections
}
