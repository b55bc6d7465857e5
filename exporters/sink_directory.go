package exporters

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// directorySink writes each log of a format of several logs into a file of its
// own, named after the log and made with the log's first line:
//
//	file:///var/log/kagami/zeek/
//
// A framer's header and footer begin and end each file.
type directorySink struct {
	dir    string
	files  FileMode
	framer framer // nil = none

	mu   sync.Mutex
	logs map[string]*fileSink
	last int64 // time of the latest line
	text []byte
}

// framer is a format whose files begin and end with lines of their own. The
// methods are called by the sink's goroutine: they use nothing that Append does.
type framer interface {
	appendHeader(dst []byte, log string, at int64) []byte
	appendFooter(dst []byte, at int64) []byte
}

// isDirectory tells whether a file URL means a directory: it ends in a slash.
func isDirectory(u *url.URL) bool { return u.Scheme == "file" && strings.HasSuffix(u.Path, "/") }

func openDirectory(u *url.URL, env Env, f Format) (Sink, error) {
	s := &directorySink{dir: filepath.Clean(u.Path), files: env.Files, logs: map[string]*fileSink{}}
	s.framer, _ = f.(framer)
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	return s, nil
}

// Write implements Sink.
func (s *directorySink) Write(ctx context.Context, lines []Line) (Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range lines {
		f, err := s.log(ctx, &lines[i])
		if err == nil {
			_, err = f.Write(ctx, lines[i:i+1])
		}
		if err != nil {
			return Written{Sent: i}, err
		}
		s.last = max(s.last, lines[i].At)
	}
	return Written{Sent: len(lines)}, nil
}

// log is the file of a line's log, opened when it is not.
func (s *directorySink) log(ctx context.Context, l *Line) (*fileSink, error) {
	if f := s.logs[l.Log]; f != nil {
		return f, nil
	}
	f := &fileSink{path: filepath.Join(s.dir, l.Log+".log")}
	var err error
	if f.f, err = f.open(s.files); err != nil {
		return nil, err
	}
	if s.framer != nil {
		s.text = s.framer.appendHeader(s.text[:0], l.Log, l.At)
		if err := f.frame(ctx, s.text); err != nil {
			return nil, errors.Join(err, f.f.Close())
		}
	}
	s.logs[l.Log] = f
	return f, nil
}

// frame writes a framer's text, if there is any.
func (s *fileSink) frame(ctx context.Context, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := s.Write(ctx, []Line{{Text: text}})
	return err
}

// Flush implements Sink.
func (s *directorySink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.logs {
		errs = append(errs, f.Flush())
	}
	return errors.Join(errs...)
}

// Reopen implements Sink: the files end here, and begin anew with their next line.
func (s *directorySink) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = AppendFiles
	return s.closeLogs()
}

// Close implements Sink.
func (s *directorySink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeLogs()
}

func (s *directorySink) closeLogs() error {
	var errs []error
	for name, f := range s.logs {
		if s.framer != nil {
			s.text = s.framer.appendFooter(s.text[:0], s.last)
			errs = append(errs, f.frame(context.Background(), s.text))
		}
		errs = append(errs, f.Close())
		delete(s.logs, name)
	}
	return errors.Join(errs...)
}
