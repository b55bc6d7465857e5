package exporters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// directorySink writes each log of a format of several logs into a file of its
// own, named after the log and made with the log's first line:
//
//	file:///var/log/kagami/zeek/
//
// with the options of a file's URL. A framer's header and footer begin and end
// each file. Lines of a file that cannot be written, fileBuffer octets at most,
// wait in memory and count as sent: those of other files need not wait for them.
type directorySink struct {
	dir     string
	options fileOptions
	files   FileMode
	framer  framer // nil = none
	logger  *slog.Logger
	archive *archive

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
	o, err := readFileOptions(u)
	if err != nil {
		return nil, err
	}
	s := &directorySink{dir: filepath.Clean(u.Path), options: o, files: env.Files, logger: env.Logger, logs: map[string]*fileSink{}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.framer, _ = f.(framer)
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if o.rotates() {
		s.archive = newArchive(s.dir, o, s.logger)
	}
	return s, nil
}

// Write implements Sink.
func (s *directorySink) Write(_ context.Context, lines []Line) (Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := range lines {
		f, err := s.log(&lines[i], now)
		if err == nil && len(f.pending) >= fileBuffer {
			f, err = s.makeRoom(f, lines[i].Log, now)
		}
		if err != nil {
			return Written{Sent: i}, err
		}
		f.pending = append(append(f.pending, lines[i].Text...), '\n')
		s.last = max(s.last, lines[i].At)
	}
	return Written{Sent: len(lines)}, s.putAll(s.options.sync == syncAlways)
}

// makeRoom writes what is pending of a log, to a new file if the one at hand is gone.
func (s *directorySink) makeRoom(f *fileSink, log string, now time.Time) (*fileSink, error) {
	err := f.put()
	if err == nil || !f.vanished() {
		return f, err
	}
	if err := s.anew(log, now); err != nil {
		return f, err
	}
	f = s.logs[log]
	return f, f.put()
}

// anew begins a new file for a log whose file is gone. What that takes no more goes
// to the new one.
func (s *directorySink) anew(log string, now time.Time) error {
	f := s.logs[log]
	if f.put() == nil {
		return s.end(log)
	}
	delete(s.logs, log)
	g, err := s.log(&Line{Log: log, At: s.last}, now)
	if err != nil {
		s.logs[log] = f
		return err
	}
	g.pending = append(g.pending, f.whole()...)
	f.f.Close()
	return nil
}

// putAll writes what is pending.
func (s *directorySink) putAll(sync bool) error {
	var errs []error
	for _, f := range s.logs {
		err := f.put()
		if sync && err == nil {
			err = f.syncNow()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// log is the file of a line's log, opened when it is not.
func (s *directorySink) log(l *Line, now time.Time) (*fileSink, error) {
	if f := s.logs[l.Log]; f != nil {
		if !f.due(now) || !s.archive.may(now) {
			return f, nil
		}
		if err := s.rotate(l.Log, now); err != nil {
			return nil, err
		}
	}
	f := newFileSink(filepath.Join(s.dir, l.Log+".log"), s.options, s.logger)
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if err := f.open(s.files); err != nil {
		return nil, err
	}
	if s.archive != nil {
		s.archive.resume(l.Log + ".log") // what an earlier run left
	}
	if s.framer != nil {
		f.frame(s.framer.appendHeader(s.text[:0], l.Log, l.At))
	}
	s.logs[l.Log] = f
	return f, nil
}

// frame adds a framer's text, if there is any.
func (s *fileSink) frame(text []byte) {
	if len(text) > 0 {
		s.pending = append(append(s.pending, text...), '\n')
	}
}

// rotate ends a log's file; the next line begins another.
func (s *directorySink) rotate(log string, now time.Time) error {
	if err := s.end(log); err != nil {
		return err
	}
	s.archive.take(log+".log", now)
	return nil
}

// end writes a log's footer and closes its file. If it cannot be written, the
// file stays open, without a footer.
func (s *directorySink) end(log string) error {
	f := s.logs[log]
	if err := f.put(); err != nil {
		return err
	}
	if s.framer != nil {
		f.frame(s.framer.appendFooter(s.text[:0], s.last))
	}
	delete(s.logs, log)
	return f.Close()
}

// Flush implements Sink. It also looks after the files: whether they are still
// there, due to end, due to be synced.
func (s *directorySink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	errs := []error{s.putAll(false)}
	for log, f := range s.logs {
		switch {
		case f.vanished():
			s.logger.Warn("file was moved or deleted: a new one is made", "file", f.path)
			errs = append(errs, s.anew(log, now))
		case f.due(now) && s.archive.may(now):
			errs = append(errs, s.rotate(log, now))
		case s.options.sync == syncTimed && now.Sub(f.synced) >= s.options.syncEvery:
			errs = append(errs, f.syncNow())
		}
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
	err := s.closeLogs()
	if s.archive != nil {
		s.archive.close()
	}
	return err
}

func (s *directorySink) closeLogs() error {
	var errs []error
	for log := range s.logs {
		errs = append(errs, s.end(log))
	}
	return errors.Join(errs...)
}
