package zeeklog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// row is one line of a log: values by the names of Zeek's fields. Unset fields
// read as "" and zero; what cannot be read as what it should be does, too.
type row struct {
	columns *columns
	values  []string          // TSV
	object  map[string]string // JSON
}

// columns are what a TSV log's header lines say.
type columns struct {
	path         string // "conn", "http" ...; "" = not said
	separator    string
	setSeparator string
	empty, unset string
	index        map[string]int
}

func newColumns() *columns {
	return &columns{separator: "\t", setSeparator: ",", empty: "(empty)", unset: "-"}
}

// header reads a line that begins with '#'.
func (c *columns) header(line string) {
	name, value, ok := strings.Cut(line, c.separator)
	if !ok {
		name, value, _ = strings.Cut(line, " ")
	}
	switch name {
	case "#separator":
		if s := unescape(value); s != "" {
			c.separator = s
		}
	case "#set_separator":
		c.setSeparator = value
	case "#empty_field":
		c.empty = value
	case "#unset_field":
		c.unset = value
	case "#path":
		c.path = value
	case "#fields":
		c.index = map[string]int{}
		for i, f := range strings.Split(value, c.separator) {
			c.index[f] = i
		}
	}
}

// parse splits a data line.
func (c *columns) parse(line string, r *row) error {
	if strings.HasPrefix(line, "{") {
		object, err := flatten(line)
		r.columns, r.object = c, object
		return err
	}
	if c.index == nil {
		return fmt.Errorf("read line %.40q: neither JSON nor below a #fields line", line)
	}
	r.columns, r.object, r.values = c, nil, strings.Split(line, c.separator)
	return nil
}

// flatten turns a JSON object of one level into texts; lists are joined by
// newlines, which Zeek escapes in values.
func flatten(line string) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("read JSON line: %w", err)
	}
	out := make(map[string]string, len(object))
	for k, v := range object {
		out[k] = text(v)
	}
	return out, nil
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "T", false: "F"}[v]
	case []any:
		var b strings.Builder
		for i, x := range v {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(text(x))
		}
		return b.String()
	}
	return ""
}

// str is a field as text.
func (r *row) str(name string) string {
	if r.object != nil {
		return r.object[name]
	}
	i, ok := r.columns.index[name]
	if !ok || i >= len(r.values) {
		return ""
	}
	switch v := r.values[i]; v {
	case r.columns.unset, r.columns.empty:
		return ""
	default:
		return unescape(v)
	}
}

// list is a set or vector.
func (r *row) list(name string) []string {
	if r.object != nil {
		if v := r.object[name]; v != "" {
			return strings.Split(v, "\n")
		}
		return nil
	}
	i, ok := r.columns.index[name]
	if !ok || i >= len(r.values) || r.values[i] == r.columns.unset || r.values[i] == r.columns.empty {
		return nil
	}
	out := strings.Split(r.values[i], r.columns.setSeparator)
	for i := range out {
		out[i] = unescape(out[i])
	}
	return out
}

func (r *row) uint(name string) uint64 {
	n, err := strconv.ParseUint(r.str(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r *row) port(name string) uint16 { return uint16(min(r.uint(name), math.MaxUint16)) }

func (r *row) addr(name string) netip.Addr {
	a, err := netip.ParseAddr(r.str(name))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// farthest is the last moment taken for one, seconds since the epoch: 2200.
const farthest = 7_258_118_400

// time is a moment in nanoseconds since the epoch, 0 = none: seconds with a
// fraction, or ISO 8601 (JSON::TS_ISO8601).
func (r *row) time(name string) int64 {
	s := r.str(name)
	if strings.Contains(s, "T") {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Unix() < 0 || t.Unix() > farthest {
			return 0
		}
		return t.UnixNano()
	}
	return seconds(s)
}

// longest is the longest span of time taken for one: a year.
const longest = 365 * 24 * int64(time.Hour)

// span is a length of time in nanoseconds.
func (r *row) span(name string) int64 { return min(seconds(r.str(name)), longest) }

// seconds reads "1714420737.556099" without the rounding of floating point.
func seconds(s string) int64 {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > farthest {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < farthest {
			return int64(f * 1e9) // "1e-05"
		}
		return 0
	}
	nanos, scale := int64(0), int64(1e9)
	for _, c := range []byte(fraction) {
		if c < '0' || c > '9' {
			if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < farthest {
				return int64(f * 1e9)
			}
			return 0
		}
		scale /= 10
		nanos += int64(c-'0') * scale
	}
	return int64(n)*1e9 + nanos
}

// unescape undoes Zeek's \xHH.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
