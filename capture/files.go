package capture

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"kagami/sensor"
)

// Files reads capture files one after the other, as one sensor.Source. A file
// that is torn, corrupt or unreadable does not keep the next one from being
// read: the last Next returns all errors joined, each with its file's name, or
// io.EOF when there was none.
type Files struct {
	paths []string // still to open
	o     FileOptions
	cur   *File
	errs  []error
	final error

	done sums // of the files that are closed
	at   atomic.Pointer[File]
	size uint64

	damaged     uint64
	firstDamage string
}

// sums are the totals of closed files.
type sums struct{ received, filtered, bytes atomic.Uint64 }

// OpenFiles makes a source of the files in order. Each is opened when its turn
// comes; "-" is stdin.
func OpenFiles(paths []string, o FileOptions) *Files {
	fs := &Files{paths: paths, o: o}
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		fs.size += uint64(st.Size())
	}
	return fs
}

// Next fills b from the current file.
func (fs *Files) Next(b *sensor.Batch) error {
	for fs.final == nil {
		if fs.cur == nil && !fs.open() {
			break
		}
		err := fs.cur.Next(b)
		if err == nil {
			return nil
		}
		fs.leave(err)
	}
	b.Frames = b.Frames[:0]
	return fs.final
}

// open goes to the next file that can be opened; false when there is none.
func (fs *Files) open() bool {
	for len(fs.paths) > 0 {
		path := fs.paths[0]
		fs.paths = fs.paths[1:]
		f, err := Open(path, fs.o)
		if err == nil {
			fs.cur = f
			fs.at.Store(f)
			return true
		}
		fs.errs = append(fs.errs, err)
	}
	if fs.final = errors.Join(fs.errs...); fs.final == nil {
		fs.final = io.EOF
	}
	return false
}

// leave closes the current file, which ended with err.
func (fs *Files) leave(err error) {
	if err != io.EOF {
		fs.errs = append(fs.errs, err)
	}
	n, first := fs.cur.Damage()
	if fs.damaged += n; fs.firstDamage == "" && first != "" {
		fs.firstDamage = fs.cur.path + ": " + first
	}
	s := fs.cur.Stats()
	fs.at.Store(nil)
	fs.done.received.Add(s.Received)
	fs.done.filtered.Add(s.Filtered)
	fs.done.bytes.Add(s.Bytes)
	if err := fs.cur.Close(); err != nil {
		fs.errs = append(fs.errs, err)
	}
	fs.cur = nil
}

// Damage sums File.Damage over the files that were read to their end.
func (fs *Files) Damage() (places uint64, first string) { return fs.damaged, fs.firstDamage }

// Stats are totals over all files; Size is 0 when none is a regular file. It
// may be called from any goroutine; at the change of files a count may lag.
func (fs *Files) Stats() sensor.SourceStats {
	s := sensor.SourceStats{
		Received: fs.done.received.Load(),
		Filtered: fs.done.filtered.Load(),
		Bytes:    fs.done.bytes.Load(),
		Size:     fs.size,
	}
	if f := fs.at.Load(); f != nil {
		c := f.Stats()
		s.Received += c.Received
		s.Filtered += c.Filtered
		s.Bytes += c.Bytes
	}
	return s
}

// Close closes the file that is open.
func (fs *Files) Close() error {
	if fs.cur == nil {
		return nil
	}
	f := fs.cur
	fs.cur, fs.paths = nil, nil
	return f.Close()
}

var _ sensor.Source = (*Files)(nil)
