package exporters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"kagami/records"
)

func TestNest(t *testing.T) {
	str := func(name, v string) records.Field { return records.Field{Name: name, Str: v} }
	mark := func(typ records.Type, name string) records.Field { return records.Field{Name: name, Type: typ} }
	for _, c := range []struct {
		name   string
		fields []records.Field
		want   string
	}{
		{"nothing", nil, `{}`},
		{"flat", []records.Field{str("a", "1"), str("b", "2")}, `{"a":"1","b":"2"}`},
		{"shared prefixes", []records.Field{str("a.b.c", "1"), str("a.b.d", "2"), str("a.e", "3"), str("f.b.c", "4"), str("g", "5")},
			`{"a":{"b":{"c":"1","d":"2"},"e":"3"},"f":{"b":{"c":"4"}},"g":"5"}`},
		{"a part that is the start of another", []records.Field{str("ab.c", "1"), str("a.c", "2")}, `{"ab":{"c":"1"},"a":{"c":"2"}}`},
		{"array of objects", []records.Field{mark(records.Begin, "d.list"), str("a.b", "1"), str("a.c", "2"), mark(records.Next, "d.list"),
			str("e", "3"), mark(records.End, "d.list"), str("d.x", "4")},
			`{"d":{"list":[{"a":{"b":"1","c":"2"}},{"e":"3"}],"x":"4"}}`},
		{"array in an array", []records.Field{mark(records.Begin, "l"), mark(records.Begin, "m.n"), str("a", "1"), mark(records.End, "m.n"),
			str("m.o", "2"), mark(records.Next, "l"), str("a", "3"), mark(records.End, "l"), str("z", "4")},
			`{"l":[{"m":{"n":[{"a":"1"}],"o":"2"}},{"a":"3"}],"z":"4"}`},
		{"empty array, and one left open", []records.Field{mark(records.Begin, "l"), mark(records.End, "l"), mark(records.Begin, "m"), str("a", "1")},
			`{"l":[],"m":[{"a":"1"}]}`},
		{"types", []records.Field{
			{Name: "i", Type: records.Int, Num: -5}, {Name: "b", Type: records.Bool, Num: 1}, {Name: "f", Type: records.Float, Flt: 1.5},
			{Name: "n", Type: records.Float, Flt: math.NaN()}, {Name: "s", Type: records.Float, Flt: 1e-9},
			{Name: "t", Type: records.Time, Num: 1417824675000000001}, {Name: "l", Type: records.Strings, Strs: []string{"x", "y"}},
			{Name: "a", Type: records.IP, Addr: netip.MustParseAddr("::ffff:10.0.0.1")},
			{Name: "m", Type: records.IPs, Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.2")}}},
			`{"i":-5,"b":true,"f":1.5,"n":null,"s":1e-09,"t":"2014-12-06T00:11:15.000000001Z","l":["x","y"],"a":"10.0.0.1","m":["2001:db8::1","10.0.0.2"]}`},
		{"lists and joined strings", []records.Field{mark(records.List, "l.a"), {Type: records.IP, Addr: netip.MustParseAddr("10.0.0.1")}, {Type: records.Digits, Num: 7}, mark(records.Join, ""),
			str("", `"a`), {Type: records.HexNum, Num: 10, Width: 4}, mark(records.End, ""), str("", "b"), mark(records.End, ""), str("l.b", "c"), mark(records.Join, "m"), {Type: records.EUI48, Num: 5}, str("", "\n"), mark(records.End, "")},
			`{"l":{"a":["10.0.0.1","7","\"a000a","b"],"b":"c"},"m":"00-00-00-00-00-05\n"}`},
		{"texts from the wire", []records.Field{{Name: "l", Type: records.Lower, Str: "A\"Ä\xff"}, {Name: "u", Type: records.URL, Str: "/\"\xe3\x81あ"}, {Name: "t", Type: records.Text, Octets: []byte("a\nb")}},
			"{\"l\":\"a\\\"ä\ufffd\",\"u\":\"/\\\"%E3%81あ\",\"t\":\"a\\nb\"}"},
		{"what is left open", []records.Field{mark(records.List, "l"), mark(records.Join, ""), str("", "a")}, `{"l":["a"]}`},
	} {
		var n nest
		if got := string(n.append(nil, c.fields)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestJSONString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain <b>&amp;</b> あ 😀", `"plain <b>&amp;</b> あ 😀"`},
		{`"\`, `"\"\\"`},
		{"\n\r\t\x00\x1b\x7f", `"\n\r\t\u0000\u001b\u007f"`},
		{"\u0085\u2028\u2029\u009f\u00a0", "\"\\u0085\\u2028\\u2029\\u009f\u00a0\""},
		{"a\xff\xe3\x81b", `"a\ufffd\ufffd\ufffdb"`},
		{"\ufffd", "\"\ufffd\""},
		{"\xed\xa0\x80", `"\ufffd\ufffd\ufffd"`}, // a surrogate
		{"", `""`},
	} {
		if got := string(appendJSONString(nil, c.in)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestECSLine(t *testing.T) {
	r := flowRecord(t, nil)
	line := lineOf(t, newECS(Env{}), r)
	for _, want := range []string{`{"@timestamp":"2014-12-06T00:11:20.903000000Z",`, `"dataset":"kagami.flow"`, `"destination":{"bytes":5320,"domain":"www.example.com","ip":"23.23.1.2"`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	checkECS(t, line, r)
}

// checkECS decodes a line and compares it with the record's fields.
func checkECS(t *testing.T, line string, r records.Record) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var got any
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if d.More() {
		t.Fatalf("more than one value: %s", line)
	}
	want, rest := objectOf(t, records.Plain(r.AppendFields(nil)))
	if len(rest) != 0 {
		t.Fatalf("marks do not match: %v", rest)
	}
	if !reflect.DeepEqual(got, any(want)) {
		t.Fatalf("\ngot  %v\nwant %v", got, want)
	}
	if n := bytes.Count(compact(t, got), []byte(`":`)); n < len(want) {
		t.Fatalf("%d members", n)
	}
}

func compact(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// objectOf builds with maps what nest writes in one pass; a name that appears
// twice fails the test. It returns the fields after the object's end.
func objectOf(t *testing.T, fields []records.Field) (map[string]any, []records.Field) {
	t.Helper()
	top := map[string]any{}
	for len(fields) > 0 {
		f := fields[0]
		if f.Type == records.Next || f.Type == records.End {
			return top, fields
		}
		fields = fields[1:]
		v := valueOf(f)
		if f.Type == records.Begin {
			list := []any{}
			for {
				var o map[string]any
				if o, fields = objectOf(t, fields); len(o) > 0 {
					list = append(list, o)
				}
				end := fields[0].Type == records.End
				if fields = fields[1:]; end {
					break
				}
			}
			v = list
		}
		o, parts := top, strings.Split(f.Name, ".")
		for _, p := range parts[:len(parts)-1] {
			if o[p] == nil {
				o[p] = map[string]any{}
			}
			o = o[p].(map[string]any)
		}
		last := parts[len(parts)-1]
		if _, twice := o[last]; twice {
			t.Fatalf("field %s appears twice", f.Name)
		}
		o[last] = v
	}
	return top, nil
}

func valueOf(f records.Field) any {
	utf8 := func(s string) string { return string([]rune(s)) }
	switch f.Type {
	case records.String:
		return utf8(f.Str)
	case records.Strings:
		var l []any
		for _, s := range f.Strs {
			l = append(l, utf8(s))
		}
		return l
	case records.Int:
		return json.Number(fmt.Sprint(f.Num))
	case records.Bool:
		return f.Num != 0
	case records.Float:
		b, _ := json.Marshal(f.Flt)
		return json.Number(b)
	case records.Time:
		return time.Unix(0, f.Num).UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
	case records.IP:
		return f.Addr.String()
	case records.IPs:
		var l []any
		for _, a := range f.Addrs {
			l = append(l, a.String())
		}
		return l
	}
	return nil
}

// TestNestProperty: any tree of names, written in depth-first order, comes back.
func TestNestProperty(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var fields []records.Field
		var grow func(prefix string, depth int)
		grow = func(prefix string, depth int) {
			for i := range 1 + rnd.IntN(3) {
				name := fmt.Sprintf("%sk%d", prefix, i)
				switch k := rnd.IntN(6); {
				case k < 2 && depth < 4:
					grow(name+".", depth+1)
				case k == 2 && depth < 4:
					fields = append(fields, records.Field{Name: name, Type: records.Begin})
					grow("", depth+1)
					for range rnd.IntN(3) {
						fields = append(fields, records.Field{Name: name, Type: records.Next})
						grow("", depth+1)
					}
					fields = append(fields, records.Field{Name: name, Type: records.End})
				default:
					fields = append(fields, records.Field{Name: name, Str: fmt.Sprint(rnd.Uint32())})
				}
			}
		}
		grow("", 0)
		var n nest
		line := n.append(nil, fields)
		var got any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if want, _ := objectOf(t, fields); !reflect.DeepEqual(got, any(want)) {
			t.Fatalf("\nline %s\nwant %v", line, want)
		}
	}
}
