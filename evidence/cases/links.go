package cases

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// links walks a chain and collects what is wrong with it, by line.
//
// A line whose content was changed breaks the link into the next line alone; one
// whose prev was changed breaks the link before it, too. So two broken links in a
// row point at the line between them, and one broken link at the line before it.
type links struct {
	lines    int
	head     string // hash of the last line
	problems []Problem
	name     string // file
	open     int    // line whose content may have changed: its successor does not match; 0 = none
}

// maxProblems is how many problems of one file are listed; the last says that there are more.
const maxProblems = 200

// walk reads lines from r and calls visit for each whose form is right.
func (w *links) walk(r io.Reader, visit func(n int, l line)) error {
	b := bufio.NewReaderSize(r, 64<<10)
	w.head = origin
	for {
		raw, err := readLine(b)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %q: %w", w.name, err)
		}
		if len(raw) == 0 {
			break
		}
		w.lines++
		l, bad := parseLine(raw)
		if bad != nil {
			w.settle()
			w.add(w.lines, "line "+itoa(w.lines)+" is damaged: "+bad.Error())
			w.head = "" // what it was is not known: the next link is not judged
			continue
		}
		w.link(l)
		visit(w.lines, l)
		w.head = sum(raw)
	}
	w.settle()
	return nil
}

// link compares a line's prev with the line before it.
func (w *links) link(l line) {
	matches := w.head == "" || l.prev == w.head
	if w.open > 0 && !matches {
		// The line before matches neither of its neighbours: it was changed itself.
		w.add(w.lines-1, fmt.Sprintf("line %d was changed, or lines were put in or taken out there: neither its link to line %d nor that of line %d to it holds", w.lines-1, w.lines-2, w.lines))
		w.open = 0
		return
	}
	w.settle()
	if matches {
		return
	}
	if w.lines == 1 {
		w.add(1, "line 1 was changed, or lines before it are missing: it does not begin the chain")
		return
	}
	w.open = w.lines
}

// settle reports a broken link once the line behind it proved sound.
func (w *links) settle() {
	if w.open == 0 {
		return
	}
	w.add(w.open-1, fmt.Sprintf("line %d was changed, or lines between it and line %d are missing or out of order: line %d has another SHA-256 for it", w.open-1, w.open, w.open))
	w.open = 0
}

func (w *links) add(n int, text string) {
	switch len(w.problems) {
	case maxProblems:
		return
	case maxProblems - 1:
		text += "; more lines than are listed are not as they were"
	}
	w.problems = append(w.problems, Problem{File: w.name, Line: n, Text: w.name + ": " + text})
}

// readLine reads up to a newline, which is part of the result; a line longer than
// maxLine is cut there, which its form then shows.
func readLine(b *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := b.ReadSlice('\n')
		if len(out)+len(part) > maxLine+1 {
			part = part[:maxLine+1-len(out)]
		}
		out = append(out, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
	}
}
