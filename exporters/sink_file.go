package exporters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// fileSink appends lines to a file:
//
//	file:///var/log/kagami/access.log
//	file:///var/log/kagami/records.jsonl?rotate=24h&rotate_bytes=1G&keep=30&fsync=5s
//
// The file is created with mode 0640 (mode=) and its directories with 0750. Lines
// count as sent when the kernel has them: they outlive the program, and power
// according to fsync=never|rotate|5s|always. Of a line that a full disk cut, the
// rest comes first when there is room again. A file that was moved or
// deleted, with its directory or without, is made anew within a second.
//
// With rotate_bytes= or rotate= the file ends by itself and becomes
// records.jsonl.20261122T064500.000Z.zst (archive).
type fileSink struct {
	path string
	fileOptions
	logger *slog.Logger

	mu      sync.Mutex
	f       *os.File
	size    int64
	began   time.Time // of the period that the file belongs to
	cut     []byte    // what a failed write wrote of a line
	pending []byte    // of directories: lines not yet written
	torn    bool      // pending begins within a line
	unended bool      // the file ends within a line that comes no more
	out     []byte    // scratch
	ends    []int     // scratch
	regular bool      // no device or pipe, which never ends
	lost    bool      // the path does not lead to f any more
	dirty   bool      // written since the last sync
	synced  time.Time
	archive *archive // nil = no rotation
}

// fileBuffer is how many octets are collected before they are written.
const fileBuffer = 64 << 10

func openFile(u *url.URL, env Env) (Sink, error) {
	o, err := readFileOptions(u)
	if err != nil {
		return nil, err
	}
	s := newFileSink(filepath.Clean(u.Path), o, env.Logger)
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if err := s.open(env.Files); err != nil {
		return nil, err
	}
	if o.rotates() {
		s.archive = newArchive(filepath.Dir(s.path), o, s.logger)
		s.archive.resume(filepath.Base(s.path))
	}
	return s, nil
}

func newFileSink(path string, o fileOptions, l *slog.Logger) *fileSink {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &fileSink{path: path, fileOptions: o, logger: l}
}

// open opens the file and goes on at its end, in a line of its own.
func (s *fileSink) open(mode FileMode) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if mode == TruncateFiles {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(s.path, flags, s.mode)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	if s.unended = tornEnd(s.path); s.unended {
		if _, err = f.Write([]byte{'\n'}); err == nil || noRoom(err) { // no reason not to start
			s.unended, err = err != nil, nil
		}
	}
	st, statErr := f.Stat()
	if err := errors.Join(err, statErr); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), f.Close())
	}
	s.f, s.size, s.lost, s.regular, s.cut = f, st.Size(), false, st.Mode().IsRegular(), s.cut[:0]
	s.began = s.period(time.Now())
	if s.size > 0 {
		s.began = s.period(st.ModTime())
	}
	return nil
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

// Write implements Sink.
func (s *fileSink) Write(_ context.Context, lines []Line) (w Written, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(time.Now()); err != nil {
		return w, err
	}
	for w.Sent < len(lines) {
		n, err := s.writeSome(lines[w.Sent:])
		if w.Sent += n; err != nil {
			return w, err
		}
	}
	if s.sync == syncAlways {
		err = s.syncNow()
	}
	return w, err
}

// writeSome writes the next lines, fileBuffer octets and a line more at most. It
// returns how many of them the kernel has whole; of one that it has in part, only
// the rest is written when it is offered again.
func (s *fileSink) writeSome(lines []Line) (int, error) {
	s.out, s.ends = s.out[:0], s.ends[:0]
	for i := range lines {
		s.out = append(append(s.out, lines[i].Text...), '\n')
		s.ends = append(s.ends, len(s.out))
		if len(s.out) >= fileBuffer {
			break
		}
	}
	if !bytes.HasPrefix(s.out, s.cut) {
		s.unended, s.cut = true, s.cut[:0]
	}
	if err := s.endLine(); err != nil {
		return 0, err
	}
	began := s.size - int64(len(s.cut))
	err := s.append(s.out[len(s.cut):])
	s.cut = s.cut[:0]
	if err == nil {
		return len(s.ends), nil
	}
	n, whole, end := int(s.size-began), 0, 0
	for whole < len(s.ends) && s.ends[whole] <= n {
		end = s.ends[whole]
		whole++
	}
	s.cut = append(s.cut, s.out[end:n]...)
	return whole, err
}

// endLine ends a line that the file has in part, and that comes no more.
func (s *fileSink) endLine() error {
	if !s.unended {
		return nil
	}
	err := s.append([]byte{'\n'})
	s.unended = err != nil
	return err
}

// noRoom tells whether a disk is full, or a quota used up.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// append writes to the file. One that was deleted, perhaps to make room, makes none
// while it is open: it is let go of.
func (s *fileSink) append(text []byte) error {
	n, err := s.f.Write(text)
	s.size += int64(n)
	s.dirty = true
	if err == nil {
		return nil
	}
	s.lost = s.lost || s.vanished()
	return fmt.Errorf("write file: %w", err)
}

// put writes what is pending; after an error the rest still is.
func (s *fileSink) put() error {
	if len(s.pending) == 0 {
		return nil
	}
	if err := s.endLine(); err != nil {
		return err
	}
	began := s.size
	if err := s.append(s.pending); err != nil {
		n := s.size - began
		s.torn = n > 0 && s.pending[n-1] != '\n' || n == 0 && s.torn
		s.pending = s.pending[n:]
		return err
	}
	s.pending, s.torn = s.pending[:0], false
	return nil
}

// whole takes what is pending, but for the rest of a line that the file has the
// beginning of.
func (s *fileSink) whole() []byte {
	text := s.pending
	if s.torn {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	s.pending, s.torn = nil, false
	return text
}

// ready opens the file again if its path lost it, and ends it when it is time.
func (s *fileSink) ready(now time.Time) error {
	if s.lost {
		if err := s.renew(); err != nil {
			return err
		}
	}
	if s.due(now) && s.archive.may(now) {
		return s.rotate(now)
	}
	return nil
}

// renew opens the path's file instead of the one at hand.
func (s *fileSink) renew() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	old := s.f
	if err := s.open(AppendFiles); err != nil {
		return err
	}
	return old.Close()
}

// vanished tells whether the path leads elsewhere than to the file at hand.
func (s *fileSink) vanished() bool {
	mine, err := s.f.Stat()
	if err != nil {
		return true
	}
	st, err := os.Stat(s.path)
	return err != nil || !os.SameFile(mine, st)
}

// due tells whether the file has to end. When the clock is set back the file goes
// on: the period that it belongs to is another one then.
func (s *fileSink) due(now time.Time) bool {
	period := s.period(now)
	if s.size == 0 || period.Before(s.began) {
		s.began = period
	}
	return s.regular && s.size > 0 && (s.rotateBytes > 0 && s.size >= s.rotateBytes || period.After(s.began))
}

// period is when the period began that a time belongs to.
func (s *fileSink) period(t time.Time) time.Time {
	if s.rotateEvery == 0 {
		return time.Time{}
	}
	return t.UTC().Truncate(s.rotateEvery)
}

// rotate ends the file and begins the next one.
func (s *fileSink) rotate(now time.Time) error {
	if err := s.put(); err != nil {
		return err
	}
	if s.sync != syncNever {
		if err := s.syncNow(); err != nil {
			return err
		}
	}
	if !s.archive.take(filepath.Base(s.path), now) {
		return nil // it goes on
	}
	s.lost = true
	return s.renew()
}

func (s *fileSink) syncNow() error {
	s.synced = time.Now()
	if !s.dirty {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	s.dirty = false
	return nil
}

// Flush implements Sink. It also looks after the file: whether it is still there,
// due to end, due to be synced.
func (s *fileSink) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.lost && s.vanished() {
		s.lost = true
		s.logger.Warn("file was moved or deleted: a new one is made", "file", s.path)
	}
	err := s.ready(now)
	if err == nil {
		err = s.put()
	}
	if s.sync == syncTimed && now.Sub(s.synced) >= s.syncEvery {
		err = errors.Join(err, s.syncNow())
	}
	return err
}

// Reopen implements Sink: what is pending goes to the old file. If the new one
// cannot be opened, the old one stays in use.
func (s *fileSink) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.put(), s.renew())
}

// Close implements Sink.
func (s *fileSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.put()
	if s.sync != syncNever {
		err = errors.Join(err, s.syncNow())
	}
	err = errors.Join(err, s.f.Close())
	if s.archive != nil {
		s.archive.close()
	}
	return err
}
