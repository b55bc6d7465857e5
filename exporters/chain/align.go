package chain

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strconv"
	"strings"
)

// tagList is what accounts say of a log: the short tags of all its lines.
type tagList struct {
	tags     []byte // shortTag octets each
	segments []segment
	full     bool   // it had to drop its oldest lines, or is about to
	last     *Claim // the last one
}

// segment is a run of tags with numbers of their own.
type segment struct {
	at     int // index of its first tag
	stream uint32
	first  uint64
}

func (l *tagList) len() int        { return len(l.tags) / shortTag }
func (l *tagList) at(i int) []byte { return l.tags[i*shortTag : (i+1)*shortTag] }
func (l *tagList) seg(i int) segment {
	k := sort.Search(len(l.segments), func(k int) bool { return l.segments[k].at > i })
	return l.segments[k-1]
}

// readAccount reads the account at path and what it was before it was renamed;
// claims are handed on.
func (v *verifier) readAccount(path string) (*tagList, error) {
	l := &tagList{}
	for i := accountFiles - 1; i >= 0; i-- {
		name := path
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		if _, err := os.Stat(name); i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		l.full = l.full || i == accountFiles-1
		r, err := openInput(name, nil)
		if err != nil {
			return nil, fmt.Errorf("open account: %w", err)
		}
		at := v.input(name)
		err = lines(r, func(n uint64, line []byte, whole, long bool) error {
			v.accountLine(l, line, placeOf(at, n), whole)
			return nil
		})
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("read account %q: %w", name, err)
		}
	}
	return l, nil
}

func (v *verifier) accountLine(l *tagList, line []byte, where place, whole bool) {
	if text := FindClaim(line); text != nil && len(text) == len(line) {
		c, err := ParseClaim(text)
		if v.claim(c, text, err, nil, where) != 0 {
			l.last = c
		}
		return
	}
	words := strings.Fields(string(line))
	if len(words) == 6 && words[0]+" " == tagsOpen[:5] && strings.HasPrefix(words[1], "sensor:") {
		sensor, boot, name := words[1][7:], strings.TrimPrefix(words[2], "boot:"), strings.TrimPrefix(words[3], "name:")
		first, err1 := strconv.ParseUint(strings.TrimPrefix(words[4], "first:"), 10, 64)
		tags, err2 := base64.StdEncoding.DecodeString(words[5])
		if err1 == nil && err2 == nil && first > 0 && len(tags)%shortTag == 0 && isName(sensor) && isName(boot) && isName(name) {
			if id, ok := v.stream(Stream{sensor, boot, name}); ok {
				l.segments = append(l.segments, segment{l.len(), id, first})
				l.tags = append(l.tags, tags...)
				return
			}
		}
	}
	if len(line) > 0 {
		v.damaged(where)
	}
}

// aligner gives the lines of a log the numbers that its account has for them.
// While lines and tags agree, each line is one step; where they do not, a few
// lines are held until two in a row agree again.
type aligner struct {
	v     *verifier
	list  *tagList
	at    int // of the next tag
	hash  *leafHash
	names Stream
	held  []heldLine
	vain  int // lines given up in a row, by holdLines

	behind uint64 // lines behind the last tag
	first  place  // of the first of them
	before uint64 // lines of the file at hand that may be older than the account
	older  uint64 // and of all files
	oldest place  // the first of them
	met    bool   // a line of the file at hand was in the account
}

type heldLine struct {
	leaf  Leaf
	where place
}

const (
	holdLines = 128 // before they are given up
	near      = 128 // tags that are looked at first
	farTries  = 4   // pairs of lines that are looked for everywhere
)

func (v *verifier) newAligner(l *tagList) *aligner {
	a := &aligner{v: v, list: l}
	if len(l.segments) > 0 {
		a.names = bare(v.streams[l.segments[len(l.segments)-1].stream].Stream)
	}
	a.hash = newLeafHash(a.names)
	return a
}

// add takes the log's next line.
func (a *aligner) add(line []byte, where place) error {
	leaf := a.hash.of(0, line)
	if len(a.held) == 0 && a.at < a.list.len() && bytes.Equal(a.list.at(a.at), leaf[:shortTag]) {
		err := a.emit(a.at, heldLine{*leaf, where}, 0)
		a.at++
		return err
	}
	a.held = append(a.held, heldLine{*leaf, where})
	if n := len(a.held); n >= 2 && (n <= 8 || n%16 == 0) {
		return a.settle(n >= holdLines)
	}
	return nil
}

// settle finds where lines and tags agree again. all: held lines must go.
func (a *aligner) settle(all bool) error {
	skip, tag, ok := a.meet()
	if !ok && (len(a.held) == 8 || all) && (a.vain%16 == 0 || a.vain&(a.vain-1) == 0) { // ever more rarely where it was in vain
		skip, tag, ok = a.meetFar()
	}
	if ok {
		a.vain = 0
	} else {
		if !all {
			return nil
		}
		a.vain++
		skip, tag = len(a.held), min(a.at+len(a.held), a.list.len())
		if a.list.full && !a.met {
			tag = a.at
		}
	}
	if a.list.full && !a.met {
		a.outgrown(a.held[:skip])
	} else if err := a.between(a.held[:skip], a.at, max(tag, a.at)); err != nil {
		return err
	}
	a.at = tag
	rest := append([]heldLine(nil), a.held[skip:]...)
	a.held = a.held[:0]
	for i, h := range rest {
		if a.at < a.list.len() && bytes.Equal(a.list.at(a.at), h.leaf[:shortTag]) {
			if err := a.emit(a.at, h, 0); err != nil {
				return err
			}
			a.at++
			continue
		}
		a.held = append(a.held, rest[i:]...)
		break
	}
	return nil
}

// meet looks nearby for two lines in a row that agree, the fewest skipped.
func (a *aligner) meet() (skip, tag int, ok bool) {
	for skip = 1; skip <= len(a.held)-2; skip++ { // altered lines, neither more nor fewer
		if tag = a.at + skip; tag+2 <= a.list.len() && a.agree(skip, tag) {
			return skip, tag, true
		}
	}
	for sum := 1; sum <= near+len(a.held); sum++ {
		for skip = 0; skip <= min(sum, len(a.held)-2); skip++ {
			if tag = a.at + sum - skip; tag+2 <= a.list.len() && a.agree(skip, tag) {
				return skip, tag, true
			}
		}
	}
	return 0, 0, false
}

func (a *aligner) agree(skip, tag int) bool {
	return bytes.Equal(a.list.at(tag), a.held[skip].leaf[:shortTag]) && bytes.Equal(a.list.at(tag+1), a.held[skip+1].leaf[:shortTag])
}

// meetFar looks everywhere, behind the place at hand first: an hour may be
// missing, or the log's files may have been given in another order. The last held
// lines tell where, those before them whether it was so earlier.
func (a *aligner) meetFar() (skip, tag int, ok bool) {
	for skip = len(a.held) - 2; skip >= max(0, len(a.held)-farTries-1); skip-- {
		pair := append(append([]byte(nil), a.held[skip].leaf[:shortTag]...), a.held[skip+1].leaf[:shortTag]...)
		tag, ok = a.find(pair, a.at, a.list.len())
		if !ok {
			tag, ok = a.find(pair, 0, min(a.at+1, a.list.len()))
		}
		if !ok {
			continue
		}
		for skip > 0 && tag > 0 && bytes.Equal(a.list.at(tag-1), a.held[skip-1].leaf[:shortTag]) {
			skip, tag = skip-1, tag-1
		}
		return skip, tag, true
	}
	return 0, 0, false
}

// find looks for two tags among those from..to.
func (a *aligner) find(pair []byte, from, to int) (int, bool) {
	tags := a.list.tags[:to*shortTag]
	for at := from * shortTag; at < len(tags); {
		i := bytes.Index(tags[at:], pair)
		if i < 0 {
			return 0, false
		}
		if (at+i)%shortTag == 0 {
			return (at + i) / shortTag, true
		}
		at += i + 1
	}
	return 0, false
}

// between tells what lines are that stand where the tags from..to should: the same
// in another order, altered ones, and ones that nobody wrote.
func (a *aligner) between(lines []heldLine, from, to int) error {
	to = min(to, from+4*holdLines) // an hour that is missing is not looked through
	taken := make([]bool, to-from)
	var left []heldLine
	for _, h := range lines {
		i := 0
		for i < len(taken) && (taken[i] || !bytes.Equal(a.list.at(from+i), h.leaf[:shortTag])) {
			i++
		}
		if i == len(taken) {
			left = append(left, h)
			continue
		}
		taken[i] = true
		if err := a.emit(from+i, h, 0); err != nil {
			return err
		}
	}
	i := 0
	for _, h := range left {
		for i < len(taken) && taken[i] {
			i++
		}
		if i < len(taken) {
			taken[i] = true
			if err := a.emit(from+i, h, flagAltered); err != nil {
				return err
			}
		} else if from >= a.list.len() {
			if a.behind++; a.behind == 1 {
				a.first = h.where
			}
		} else {
			a.v.inserted(h.where, a.names)
		}
	}
	return nil
}

func (a *aligner) emit(i int, h heldLine, flags uint8) error {
	if flags == 0 && !a.met {
		a.met = true
		if err := a.fit(i, h.where); err != nil {
			return err
		}
	}
	g := a.list.seg(i)
	return a.v.sorter.add(entry{stream: g.stream, flags: flags, seq: g.first + uint64(i-g.at), where: h.where, leaf: h.leaf})
}

// end settles what is held when a file ends.
func (a *aligner) end() error {
	for len(a.held) > 0 {
		if err := a.settle(true); err != nil {
			return err
		}
	}
	a.older += a.before
	a.before, a.met = 0, false
	return nil
}

// outgrown passes over lines at a file's beginning that an account knows nothing
// of which has dropped its oldest part.
func (a *aligner) outgrown(lines []heldLine) {
	if len(lines) > 0 && a.older+a.before == 0 {
		a.oldest = lines[0].where
	}
	a.before += uint64(len(lines))
}

// fit is told of a file's first line that is in the account, as tag i. As many
// lines before it as the account has tags before i are not older than it.
func (a *aligner) fit(i int, where place) error {
	for k := uint64(1); k <= min(a.before, uint64(i)); k++ {
		if err := a.emit(i-int(k), heldLine{where: where - place(k)}, flagAltered); err != nil {
			return err
		}
	}
	a.before -= min(a.before, uint64(i))
	return nil
}

// tell says what the account leaves open.
func (a *aligner) tell() {
	f := Finding{Kind: Fresh, Sensor: a.names.Sensor, Export: a.names.Name, Count: a.behind}
	if last := a.list.last; a.behind > 0 && last != nil {
		f.From = wall(last.At)
		if f.File, f.Line = a.v.at(a.first); last.End { // nobody wrote them then
			f.Kind = Inserted
			a.v.add(f)
		} else {
			a.v.note(f)
		}
	} else if a.behind > 0 {
		f.Kind = Unvouched
		a.v.add(f)
	}
	if a.older > 0 {
		f := Finding{Kind: Older, Sensor: a.names.Sensor, Export: a.names.Name, Count: a.older}
		f.File, f.Line = a.v.at(a.oldest)
		a.v.note(f)
	}
}
