package exporters

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// fileSink appends lines to a file:
//
//	file:///var/log/kagami/access.log
//
// The file is created with mode 0640 and its directories with 0750. Lines are
// collected and written in large pieces, always whole ones, and at Flush. A write
// that fails keeps its lines for the next attempt.
type fileSink struct {
	path string

	mu  sync.Mutex
	f   *os.File
	buf []byte
}

// fileBuffer is how many octets are collected before they are written.
const fileBuffer = 64 << 10

func checkFile(u *url.URL) error {
	switch {
	case u.Host != "":
		return errors.New("a file URL has three slashes before its path, as in file:///var/log/kagami/access.log")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New(`a file URL has no options; write "?" as %3F and "#" as %23`)
	case u.Opaque != "" || !filepath.IsAbs(u.Path) || filepath.Base(u.Path) == "/":
		return errors.New("want the absolute path of a file, as in file:///var/log/kagami/access.log")
	}
	return nil
}

func openFile(u *url.URL, env Env) (Sink, error) {
	s := &fileSink{path: filepath.Clean(u.Path)}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	f, err := s.open(env.Files)
	if err != nil {
		return nil, err
	}
	s.f = f
	return s, nil
}

func (s *fileSink) open(mode FileMode) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if mode == TruncateFiles {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(s.path, flags, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	if tornEnd(s.path) {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return nil, errors.Join(fmt.Errorf("write file: %w", err), f.Close())
		}
	}
	return f, nil
}

// tornEnd tells whether a regular file ends within a line, as after a power cut.
func tornEnd(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], st.Size()-1)
	return err == nil && last[0] != '\n'
}

// Write implements Sink. Lines count as sent once they are collected.
func (s *fileSink) Write(_ context.Context, lines []Line) (Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range lines {
		if len(s.buf) >= fileBuffer {
			if err := s.flush(); err != nil {
				return Written{Sent: i}, err
			}
		}
		s.buf = append(append(s.buf, lines[i].Text...), '\n')
	}
	return Written{Sent: len(lines)}, nil
}

func (s *fileSink) flush() error {
	n, err := s.f.Write(s.buf)
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}

// Flush implements Sink.
func (s *fileSink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) == 0 {
		return nil
	}
	return s.flush()
}

// Reopen implements Sink: lines collected so far go to the old file. If the new
// one cannot be opened, the old one stays in use.
func (s *fileSink) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.flush()
	f, openErr := s.open(AppendFiles)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	old := s.f
	s.f = f
	return errors.Join(err, old.Close())
}

// Close implements Sink.
func (s *fileSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.flush(), s.f.Close())
}
