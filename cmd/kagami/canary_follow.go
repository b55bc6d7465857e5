package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// followed is a file that somebody else appends to, and may replace or cut.
type followed struct {
	path string
	file *os.File // nil: there is none yet
	at   int64    // octets read of it
	rest []byte   // of a line that is not complete
}

// followFile begins at the end of a file; one that does not exist yet is read from
// its beginning when it does.
func followFile(path string) (*followed, error) {
	f := &followed{path: path}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	} else if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file that can be followed; a pipe is read with --arrives -", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	f.file, f.at = file, info.Size()
	return f, nil
}

func (f *followed) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// follow hands on what is appended until ctx ends.
func (f *followed) follow(ctx context.Context, each func(string)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		f.look(each)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look hands on what is new. Of a file that was replaced the rest is read first. An
// error is as good as nothing new: the file may be on its way.
func (f *followed) look(each func(string)) {
	for range 3 { // the rest of the old file, the new one
		f.read(each)
		if !f.replaced() {
			return
		}
		f.close()
		f.at, f.rest = 0, f.rest[:0]
		file, err := os.Open(f.path)
		if err != nil {
			return
		}
		f.file = file
	}
}

// read hands on the whole lines that are new.
func (f *followed) read(each func(string)) {
	if f.file == nil {
		return
	}
	if info, err := f.file.Stat(); err == nil && info.Size() < f.at { // cut: copytruncate
		f.at, f.rest = 0, f.rest[:0]
	}
	var block [64 << 10]byte
	for {
		n, err := f.file.ReadAt(block[:], f.at)
		f.at += int64(n)
		f.rest = append(f.rest, block[:n]...)
		if i := bytes.LastIndexByte(f.rest, '\n'); i >= 0 {
			for line := range bytes.Lines(f.rest[:i+1]) {
				each(string(line))
			}
			f.rest = append(f.rest[:0], f.rest[i+1:]...)
		}
		if len(f.rest) > maxArrival {
			each(string(f.rest))
			f.rest = f.rest[:0]
		}
		if err != nil || n == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				f.close() // it is opened anew
			}
			return
		}
	}
}

// replaced tells whether the path names another file than the one that is read.
func (f *followed) replaced() bool {
	now, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	if f.file == nil {
		return now.Mode().IsRegular()
	}
	old, err := f.file.Stat()
	return err != nil || !os.SameFile(old, now)
}
