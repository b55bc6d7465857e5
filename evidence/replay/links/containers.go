package links

import (
	"io"
	"strings"
)

// sizeFree is what any stream may decompress to before its ratio counts.
const sizeFree = 1 << 20

// inflate reads a decompressor within the limits. What could be read before an
// error or a limit is returned.
func (f *finder) inflate(r io.Reader, compressed, off int) []byte {
	limit, what := max(sizeFree, compressed*f.lim.Ratio), NoteRatio
	value := f.lim.Ratio
	if f.budget < limit {
		limit, what, value = f.budget, NoteDecoded, f.lim.Decoded
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case len(out) > limit:
		out = out[:limit]
		f.note(what, value, off)
	case err != nil:
		f.note(NoteDamaged, 0, off)
	}
	f.budget -= len(out)
	return out
}

// unpacked is a decompressed text: its octets are paid for by inflate, and once
// more when it is read.
func (t *text) unpacked(at int, b []byte) text {
	d := t.derived(at, b, StepDecompress)
	d.inferred = true
	return d
}

// readConstant looks at a string that a program holds.
func (f *finder) readConstant(t *text, b []byte, at int, where string) {
	switch {
	case len(b) < minExamined:
	case holdsMarkup(b):
		d := t.derived(at, b, StepMarkup)
		d.inferred = true
		f.read(d, formatHTML)
	case holdsReversed(b):
		b = reversed(b)
		fallthrough
	default:
		f.eachURL(b, func(i, n int) {
			f.add(t, found{ref: b[i : i+n], kind: KindString, where: where, at: at, inferred: true})
		})
	}
}

// extension is what follows the last dot of a file's name, in lower case.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 12 {
		return ""
	}
	return strings.ToLower(name[i+1:])
}
