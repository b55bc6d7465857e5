package chain

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// AccountFile is where the claims about a log stand that has no room for them:
// NAME.account beside NAME. Between two claims it has the tags of the lines that
// they are about, 3 octets of each, so that the very line can be named that was
// altered, removed or put in:
//
//	tags sensor:fw1 boot:5f0c... name:access first:1 BASE64
//
// It grows by 4 octets a line, and is renamed to NAME.account.1 and so on when it
// has 64 MiB; the oldest of eight goes: 134 million lines, a week of 200 a second.
type AccountFile struct {
	path   string
	stream Stream
	f      *os.File
	size   int64
	first  uint64
	tags   []byte
	wait   []byte // to be written
	err    error  // of a write between two claims

	out     []byte         // is being written
	writing chan wroteSome // nil: nothing is
}

// wroteSome is what became of a write.
type wroteSome struct {
	n   int
	err error
}

const (
	shortTag     = 3       // octets of a tag in an account
	tagsALine    = 3 << 10 // then a line of tags is full
	accountBytes = 64 << 20
	accountWaits = 1 << 20 // octets kept while the disk is full, or hangs
	accountFiles = 8
	tagsOpen     = "tags sensor:"

	// How long a write is waited for, and the last one: records wait meanwhile, and a
	// log may lie on a disk, or a server, that does not answer.
	writeWait = 250 * time.Millisecond
	closeWait = 5 * time.Second
)

var errHangs = errors.New("the disk does not answer")

// OpenAccount goes on with the account beside the log at path, or begins it. The
// stream's first line is number 1.
func OpenAccount(path string, s Stream) (*AccountFile, error) {
	a := &AccountFile{path: path + accountSuffix, stream: s, first: 1}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("open account: %w", err)
	}
	return a, nil
}

func (a *AccountFile) open() error {
	f, err := os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	a.f, a.size = f, st.Size()
	var last [1]byte
	if a.size > 0 && st.Mode().IsRegular() { // a power cut may have torn the last line
		if _, err := f.ReadAt(last[:], a.size-1); err != nil {
			return errors.Join(err, f.Close())
		}
		if last[0] != '\n' {
			a.wait = append(a.wait, '\n')
			if err := a.write(writeWait); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) { // these pass
				return errors.Join(err, f.Close())
			}
		}
	}
	return nil
}

// Add takes the next line's tag.
func (a *AccountFile) Add(t Tag) {
	a.tags = append(a.tags, t[:shortTag]...)
	if len(a.tags) == tagsALine*shortTag {
		a.flush()
	}
}

func (a *AccountFile) flush() {
	if len(a.tags) == 0 {
		return
	}
	s := a.stream
	a.wait = append(append(a.wait, tagsOpen...), s.Sensor+" boot:"+s.Boot+" name:"+s.Name+" first:"...)
	a.wait = append(strconv.AppendUint(a.wait, a.first, 10), ' ')
	a.wait = append(base64.StdEncoding.AppendEncode(a.wait, a.tags), '\n')
	a.first += uint64(len(a.tags) / shortTag)
	a.tags = a.tags[:0]
	if err := a.write(writeWait); err != nil && a.err == nil {
		a.err = err
	}
}

// write writes what waits. What a disk does not take, because it is full or hangs, is
// kept for the next time, up to accountWaits; beyond that it is lost, which Verify tells.
func (a *AccountFile) write(patience time.Duration) error {
	switch err := a.wrote(0); {
	case err == errHangs:
		if len(a.wait) > accountWaits {
			a.wait = a.wait[:0]
		}
		return err
	case err != nil && a.err == nil:
		a.err = err
	}
	a.out, a.wait = a.wait, a.out[:0]
	done := make(chan wroteSome, 1)
	go func(f *os.File, out []byte) {
		n, err := f.Write(out)
		done <- wroteSome{n, err}
	}(a.f, a.out)
	a.writing = done
	return a.wrote(patience)
}

// wrote waits for the write under way.
func (a *AccountFile) wrote(patience time.Duration) error {
	if a.writing == nil {
		return nil
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	var w wroteSome
	select {
	case w = <-a.writing:
	case <-late.C:
		select {
		case w = <-a.writing: // without patience, either may be looked at first
		default:
			return errHangs
		}
	}
	a.writing = nil
	a.size += int64(w.n)
	if rest := a.out[w.n:]; len(rest) > 0 {
		if a.wait = append(rest, a.wait...); len(a.wait) > accountWaits {
			a.wait = append(a.wait[:0], '\n') // ends a line that was written in part
		}
		a.out = nil
	}
	return w.err
}

// Claim writes the claim about the lines added since the last one. After an error,
// the first of the writes since then, it goes on.
func (a *AccountFile) Claim(text []byte) error {
	a.flush()
	a.wait = append(append(a.wait, text...), '\n')
	err := errors.Join(a.err, a.write(writeWait))
	if a.err = nil; a.size > accountBytes && a.writing == nil {
		err = errors.Join(err, a.roll())
	}
	if err != nil {
		return fmt.Errorf("write account: %w", err)
	}
	return nil
}

func (a *AccountFile) roll() error {
	for i := accountFiles - 1; i > 0; i-- {
		from := a.path + "." + strconv.Itoa(i-1)
		if i == 1 {
			from = a.path
		}
		if err := os.Rename(from, a.path+"."+strconv.Itoa(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	err := a.f.Close()
	return errors.Join(err, a.open())
}

// Close writes what it holds.
func (a *AccountFile) Close() error {
	a.flush()
	err := a.wrote(closeWait)
	if len(a.wait) > 0 && err != errHangs {
		err = a.write(closeWait)
	}
	return errors.Join(a.err, err, a.f.Close())
}
