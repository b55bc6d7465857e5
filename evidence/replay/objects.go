package replay

import (
	"bytes"
	"fmt"
	"mime"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxParts bounds the parts of a multipart/byteranges body, maxPieces the pieces of
	// one object.
	maxParts, maxPieces = 1024, 1 << 16
)

// objectKey is what the ranges of one object have in common.
type objectKey struct {
	url, validator string
	client         netip.Addr
	size           int64
}

// part is a range that was transferred.
type part struct {
	Piece
	data []byte
}

// join makes objects of the ranges that were transferred (RFC 9110 sections 14 and
// 15.3.7). A download that was cut off counts as a range when others go on with it.
func (r *reader) join() {
	parts := map[objectKey][]part{}
	objects := map[objectKey]*Object{}
	for _, t := range r.out.Transactions {
		if t.Response == nil || t.Response.Status != 206 || t.Request.URL == nil {
			continue
		}
		for _, p := range r.parts(t) {
			k := objectKey{t.Request.URL.String(), validator(t.Response), t.Flow.Client.Addr(), p.size}
			if objects[k] == nil {
				objects[k] = &Object{URL: t.Request.URL, Validator: k.validator, Client: k.client, Size: k.size, Declares: p.declares}
				r.out.Objects = append(r.out.Objects, objects[k])
			}
			if len(parts[k]) < maxPieces && r.afford(messageCost) {
				parts[k] = append(parts[k], p.part)
			}
		}
	}
	for _, t := range r.out.Transactions {
		if a := t.Response; len(objects) > 0 && a != nil && a.Status == 200 && t.Request.URL != nil && len(a.Body.Encodings) == 0 {
			k := objectKey{t.Request.URL.String(), validator(a), t.Flow.Client.Addr(), a.Body.Declared}
			if k.validator != "" && objects[k] != nil {
				parts[k] = append(parts[k], part{Piece: Piece{t, 0, int64(len(a.Body.Data))}, data: a.Body.Data})
			}
		}
	}
	for k, o := range objects {
		ps := parts[k]
		slices.SortStableFunc(ps, func(a, b part) int { return compare(a.Offset, a.Transaction.Number, b.Offset, b.Transaction.Number) })
		o.join(r, ps)
	}
	for _, o := range r.out.Objects { // the holes in order
		if n := len(o.Missing); n > 0 {
			t := o.Pieces[0].Transaction
			r.hole(Hole{Kind: HoleRange, Flow: t.Flow, Transaction: t, Time: t.Response.Time, Offset: o.Missing[0].Offset, Length: total(o.Missing),
				Text: fmt.Sprintf("%s: %s in %s %s not transferred or not captured", o.URL, plural(total(o.Missing), "octet"), plural(n, "range"), were(total(o.Missing)))})
		}
	}
}

func total(ss []Span) (n int64) {
	for _, s := range ss {
		n += s.Length
	}
	return n
}

func validator(a *Response) string {
	if v := a.Get("ETag"); v != "" {
		return v
	}
	return a.Get("Last-Modified")
}

// join puts the parts, which are in order of their offsets, together. Of octets that
// came twice the first count.
func (o *Object) join(r *reader, ps []part) {
	end := int64(0) // all before it is there, or in Missing
	for _, p := range ps {
		o.Pieces = append(o.Pieces, p.Piece)
		if p.Offset > end {
			o.Missing = append(o.Missing, Span{end, p.Offset - end})
			end = p.Offset
		}
		over := end - p.Offset
		if over >= int64(len(p.data)) {
			continue
		}
		fresh := p.data[over:]
		end += int64(len(fresh))
		switch {
		case len(o.Missing) > 0 || len(o.Limits) > 0:
		case !r.room(int64(len(fresh)), false):
			o.Limits = append(o.Limits, "no more octets are kept in all")
		default:
			o.Data = append(o.Data, fresh...)
			r.used += int64(len(fresh))
		}
	}
	if o.Size > end {
		o.Missing = append(o.Missing, Span{end, o.Size - end})
	}
	o.Complete = len(o.Missing) == 0 && len(o.Limits) == 0 && o.Size >= 0
	if len(o.Data) > 0 {
		o.MD5, o.SHA1, o.SHA256 = hashes(o.Data)
		o.Magic = magic(o.Data)
	}
}

// ranged is a part, and what it says of the whole.
type ranged struct {
	part
	size     int64
	declares string
}

// parts are the ranges that a 206 bears.
func (r *reader) parts(t *Transaction) []ranged {
	a := t.Response
	if a.Body.Declares != "multipart/byteranges" {
		first, n, size, ok := contentRange(a.Get("Content-Range"))
		if !ok {
			r.badRange(t, "a partial answer without a range that makes sense")
			return nil
		}
		return []ranged{{newPart(t, first, n, a.Body.Data), size, a.Body.Declares}}
	}
	_, params, err := mime.ParseMediaType(a.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		r.badRange(t, "multipart/byteranges without a boundary")
		return nil
	}
	var all []ranged
	for i, b := range split(a.Body.Data, params["boundary"]) {
		if i == maxParts {
			r.hole(Hole{Kind: HoleLimit, Flow: t.Flow, Transaction: t, Time: a.Time, Text: fmt.Sprintf("more than %d parts", maxParts)})
			break
		}
		h := readHead(append([]byte("\r\n"), b...), r.limits.Header, false, false)
		first, n, size, ok := contentRange(get(h.fieldsOf(), "Content-Range"))
		if !h.whole || !ok {
			r.badRange(t, "a part of multipart/byteranges without a range that makes sense")
			continue
		}
		declares, _, _ := strings.Cut(strings.ToLower(get(h.fieldsOf(), "Content-Type")), ";")
		all = append(all, ranged{newPart(t, first, n, b[len(h.raw):]), size, strings.TrimSpace(declares)})
	}
	return all
}

// newPart is a range of n octets, of which b holds some or more.
func newPart(t *Transaction, first, n int64, b []byte) part {
	b = b[:min(n, int64(len(b)))]
	return part{Piece: Piece{t, first, int64(len(b))}, data: b}
}

func (r *reader) badRange(t *Transaction, why string) {
	r.hole(Hole{Kind: HoleSyntax, Flow: t.Flow, Transaction: t, Time: t.Response.Time, Text: why})
}

// fieldsOf are a part's fields: it has no start line.
func (h *head) fieldsOf() []Field {
	return append(appendField(nil, append([]byte(nil), h.line...)), h.fields...)
}

// split divides a multipart body (RFC 2046 section 5.1.1). What comes before the first
// boundary and behind the last is left out; a last part that is cut off is not.
func split(b []byte, boundary string) [][]byte {
	mark := []byte("\r\n--" + boundary)
	var all [][]byte
	if bytes.HasPrefix(b, mark[2:]) {
		b = b[len(mark)-2:]
	} else if i := bytes.Index(b, mark); i >= 0 {
		b = b[i+len(mark):]
	} else {
		return nil
	}
	for len(all) <= maxParts {
		if bytes.HasPrefix(b, []byte("--")) {
			break
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		b = b[i+1:]
		j := bytes.Index(b, mark)
		if j < 0 {
			return append(all, b)
		}
		all = append(all, b[:j])
		b = b[j+len(mark):]
	}
	return all
}

// contentRange reads "bytes 0-499/1234" (RFC 9110 section 14.4): where the range
// begins, its length, and the size of the whole, -1 when it says "*".
func contentRange(v string) (first, n, size int64, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(v)), "bytes")
	span, whole, ok2 := strings.Cut(strings.TrimLeft(rest, " ="), "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, 0, false
	}
	first, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	last, err2 := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	if err != nil || err2 != nil || first < 0 || last < first || last >= 1<<62 {
		return 0, 0, 0, false
	}
	size = -1
	if whole = strings.TrimSpace(whole); whole != "*" {
		if size, err = strconv.ParseInt(whole, 10, 64); err != nil || size <= last {
			return 0, 0, 0, false
		}
	}
	return first, last - first + 1, size, true
}
