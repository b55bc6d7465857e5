package exporters

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kagami/records"
)

// zeek writes records as Zeek's logs, with Zeek's fields in Zeek's order: a file
// for each log, in Zeek's own form (tab-separated, with # lines) or as JSON. In
// Zeek a query and its answer are one line, as are a DHCP exchange's messages: join
// holds back what may still be completed.
type zeek struct {
	json   bool
	zone   *time.Location
	logs   []zeekLog
	row    zeekRow
	due    []zeekLine // lines to write; those before at are written
	at     int
	dns    zeekQueries
	leases zeekLeases
}

// zeekLine is a line that is due.
type zeekLine struct {
	log   int // index of zeekLogs
	rec   records.Record
	n     int          // which of the record's lines in this log
	query *records.DNS // of an answer, nil if it was not seen
}

func newZeek(e Env) Format     { return openZeek(e, false) }
func newZeekJSON(e Env) Format { return openZeek(e, true) }

func openZeek(e Env, json bool) *zeek {
	f := &zeek{json: json, zone: e.Location, logs: slices.Clone(zeekLogs[:])}
	f.row.json = json
	for i := range f.logs {
		f.logs[i].read()
	}
	return f
}

// Append implements Format, for whoever wants the record's first line only.
func (f *zeek) Append(dst []byte, r records.Record) ([]byte, bool) {
	f.add(r)
	dst, _, ok := f.next(dst)
	return dst, ok
}

// next implements joiner.
func (f *zeek) next(dst []byte) ([]byte, Line, bool) {
	if f.at == len(f.due) {
		clear(f.due)
		f.due, f.at = f.due[:0], 0
		return dst, Line{}, false
	}
	d := f.due[f.at]
	f.at++
	l := &f.logs[d.log]
	f.row.start(dst, l)
	f.row.query = d.query
	l.write(&f.row, d.rec, d.n)
	m := d.rec.Meta()
	f.leases.free(d.rec)
	return f.row.finish(), Line{At: m.At, Kind: m.Kind, Severity: severity(d.rec), Log: l.name, Client: originator(m)}, true
}

// appendHeader implements framer. The time is that of the first line, so that the
// same records always make the same file.
func (f *zeek) appendHeader(dst []byte, log string, at int64) []byte {
	if f.json {
		return dst
	}
	dst = append(dst, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t"...)
	dst = append(append(dst, log...), "\n#open\t"...)
	dst = f.appendStamp(dst, at)
	for i := range f.logs {
		if l := &f.logs[i]; l.name == log {
			dst = append(append(dst, "\n#fields\t"...), l.header...)
			dst = append(append(dst, "\n#types\t"...), l.types...)
		}
	}
	return dst
}

// appendFooter implements framer.
func (f *zeek) appendFooter(dst []byte, at int64) []byte {
	if f.json {
		return dst
	}
	return f.appendStamp(append(dst, "#close\t"...), at)
}

func (f *zeek) appendStamp(dst []byte, ns int64) []byte {
	t := time.Unix(0, ns)
	if f.zone != nil {
		t = t.In(f.zone)
	}
	return t.AppendFormat(dst, "2006-01-02-15-04-05")
}

// zeekLog is one of Zeek's logs.
type zeekLog struct {
	name    string
	columns string // "name:type", separated by blanks
	write   func(z *zeekRow, r records.Record, n int)

	header, types string   // of the # lines
	keys          []string // `"name":` of JSON
}

func (l *zeekLog) read() {
	var names, types []string
	for _, c := range strings.Fields(l.columns) {
		name, typ, _ := strings.Cut(c, ":")
		names, types = append(names, name), append(types, typ)
		l.keys = append(l.keys, `"`+name+`":`)
	}
	l.header, l.types = strings.Join(names, "\t"), strings.Join(types, "\t")
}

// zeekRow writes one line: each call is the next column. An absent value is "-"
// in Zeek's own form and left out of JSON.
type zeekRow struct {
	json    bool
	b       []byte
	log     *zeekLog
	column  int
	query   *records.DNS // see zeekLine
	scratch []byte
	hops    []netip.Addr // scratch
}

func (z *zeekRow) start(dst []byte, l *zeekLog) {
	z.b, z.log, z.column = dst, l, 0
	if z.json {
		z.b = append(append(append(z.b, `{"_path":"`...), l.name...), '"')
	}
}

func (z *zeekRow) finish() []byte {
	b := z.b
	z.b = nil
	if z.json {
		return append(b, '}')
	}
	return b
}

// next begins the next column; it returns set.
func (z *zeekRow) next(set bool) bool {
	i := z.column
	z.column++
	switch {
	case z.json && set:
		z.b = append(append(z.b, ','), z.log.keys[i]...)
	case z.json:
	default:
		if i > 0 {
			z.b = append(z.b, '\t')
		}
		if !set {
			z.b = append(z.b, '-')
		}
	}
	return set
}

// unset skips n columns.
func (z *zeekRow) unset(n int) {
	for range n {
		z.next(false)
	}
}

// str writes a string; "" is absent.
func (z *zeekRow) str(s string) {
	if z.next(s != "") {
		z.text(s, false)
	}
}

func (z *zeekRow) text(s string, element bool) {
	if z.json {
		z.b = appendJSONString(z.b, s)
	} else {
		z.b = appendZeekString(z.b, s, element)
	}
}

// part appends a string within one that quotation marks are put around.
func (z *zeekRow) part(s string, element bool) {
	switch {
	case z.json:
		z.b = appendJSONText(z.b, s)
	case s != "":
		z.b = appendZeekString(z.b, s, element)
	}
}

// word writes a string of ours, which needs no escape.
func (z *zeekRow) word(s string) {
	if z.next(s != "") {
		z.quote()
		z.b = append(z.b, s...)
		z.quote()
	}
}

func (z *zeekRow) quote() {
	if z.json {
		z.b = append(z.b, '"')
	}
}

func (z *zeekRow) count(v uint64) {
	z.next(true)
	z.b = strconv.AppendUint(z.b, v, 10)
}

// countIf writes a number if it is known.
func (z *zeekRow) countIf(v uint64, known bool) {
	if z.next(known) {
		z.b = strconv.AppendUint(z.b, v, 10)
	}
}

func (z *zeekRow) bool(v bool) { z.boolIf(v, true) }

func (z *zeekRow) boolIf(v, known bool) {
	switch {
	case !z.next(known):
	case z.json:
		z.b = strconv.AppendBool(z.b, v)
	case v:
		z.b = append(z.b, 'T')
	default:
		z.b = append(z.b, 'F')
	}
}

// time writes seconds since the epoch with six decimals.
func (z *zeekRow) time(ns int64) {
	z.next(true)
	z.seconds(ns)
}

// timeIf writes a time unless it is zero.
func (z *zeekRow) timeIf(ns int64) {
	if z.next(ns != 0) {
		z.seconds(ns)
	}
}

// interval writes a duration in seconds; below zero it is absent.
func (z *zeekRow) interval(ns int64) {
	if z.next(ns >= 0) {
		z.seconds(ns)
	}
}

func (z *zeekRow) seconds(ns int64) {
	if ns < 0 {
		z.b = append(z.b, '-')
		ns = -max(ns, -1<<63+1)
	}
	z.b = strconv.AppendInt(z.b, ns/1e9, 10)
	z.b = append(z.b, '.')
	z.b = appendPadded(z.b, ns%1e9/1e3, 6, '0')
}

func (z *zeekRow) addr(a netip.Addr) {
	if z.next(a.IsValid()) {
		z.address(a)
	}
}

func (z *zeekRow) address(a netip.Addr) {
	z.quote()
	z.b = a.Unmap().WithZone("").AppendTo(z.b)
	z.quote()
}

// set begins a set or vector of n elements; elements follow, and endSet. Without
// any it is empty or absent.
func (z *zeekRow) set(n int, known bool) bool {
	switch {
	case !z.next(known):
		return false
	case z.json:
		z.b = append(z.b, '[')
	case n == 0:
		z.b = append(z.b, "(empty)"...)
	}
	return true
}

// element begins the ith element.
func (z *zeekRow) element(i int) {
	if i > 0 {
		z.b = append(z.b, ',')
	}
}

func (z *zeekRow) endSet() {
	if z.json {
		z.b = append(z.b, ']')
	}
}

// strs writes a set or vector of strings; empty it is absent.
func (z *zeekRow) strs(v []string) { z.strsIf(v, len(v) > 0) }

func (z *zeekRow) strsIf(v []string, known bool) {
	if !z.set(len(v), known) {
		return
	}
	for i, s := range v {
		z.element(i)
		z.text(s, true)
	}
	z.endSet()
}

// addrs writes a set or vector of addresses; empty it is absent.
func (z *zeekRow) addrs(v []netip.Addr) {
	if !z.set(len(v), len(v) > 0) {
		return
	}
	for i, a := range v {
		z.element(i)
		z.address(a)
	}
	z.endSet()
}

// appendZeekString escapes as Zeek's ASCII writer does: UTF-8 stays, but controls,
// what is not UTF-8, and what would be taken for a separator or an absent value
// become \xNN octet by octet, and a backslash is doubled.
func appendZeekString(dst []byte, s string, element bool) []byte {
	switch {
	case s == "":
		return append(dst, "(empty)"...)
	case s == "-":
		return append(dst, `\x2d`...)
	case s == "(empty)":
		return append(dst, `\x28empty)`...)
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '\\' && !(element && c == ',') {
			dst = append(dst, c)
			i++
			continue
		}
		if c == '\\' {
			dst = append(dst, '\\', '\\')
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		bad := r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError && n == 1
		for _, b := range []byte(s[i : i+n]) {
			if bad {
				dst = append(dst, '\\', 'x', lowerHex[b>>4], lowerHex[b&15])
			} else {
				dst = append(dst, b)
			}
		}
		i += n
	}
	return dst
}
