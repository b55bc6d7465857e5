package decoders

import (
	"io"
	"iter"
)

const (
	maxCodings  = 3        // content codings of one file; more are not undone
	decodedRoom = 16 << 10 // octets decoded at a time
	uncoderCost = 32 << 10 // of FilesConfig.MaxMemory: the above, a coroutine's stack
)

// Why content codings were not undone, or not to the end.
const (
	oddFileCoding   = "unknown content coding"
	oddFileCodings  = "too many content codings" // maxCodings
	oddFileNotCoded = "not coded as declared"
	oddFileData     = "bad coded data"
	oddFileTrailing = "octets after the coded data"
	oddFileDecoded  = "too much decoded"   // FilesConfig.MaxDecoded
	oddFileRatio    = "decompression bomb" // FilesConfig.MaxRatio
)

// uncoder undoes the content codings of one file. The decoders read when they
// want to, and octets come when they come: the decoders run as a coroutine that
// rests whenever it wants octets that have not come yet.
type uncoder struct {
	body    *fileBody
	in      []byte // octets to be read, borrowed
	taken   int64  // octets read
	stages  []*stage
	out     io.Reader
	resume  func() (struct{}, bool)
	stop    func()
	rest    func(struct{}) bool
	closing bool // no more octets come
	done    bool // the coroutine has ended
	plain   bool // the codings are not undone: the file is what is transferred
	cut     bool // the coded data have no end
	failed  bool // not everything was decoded
}

// decode begins to undo the file's codings, nil if they cannot be.
func (b *fileBody) decode() *uncoder {
	codings := b.of.Codings
	if len(codings) > maxCodings {
		b.note(oddFileCodings)
		return nil
	}
	for _, c := range codings {
		if b.files.stages.of(c) == nil {
			b.note(oddFileCoding)
			return nil
		}
	}
	if !b.take(uncoderCost) {
		return nil
	}
	u := &uncoder{body: b}
	u.out = u
	for _, c := range codings {
		s := b.files.stages.get(c)
		s.begin(u, u.out)
		u.stages = append(u.stages, s)
		u.out = s
	}
	u.resume, u.stop = iter.Pull(u.run)
	return u
}

// push gives octets to the decoders.
func (u *uncoder) push(p []byte) {
	if u.done {
		if !u.failed && !u.closing {
			u.body.note(oddFileTrailing)
		}
		return
	}
	u.in = p
	u.resume()
	u.in = nil
}

// Read implements io.Reader for the first decoder. It fills p but at the end: how
// far decoders get before an error must not depend on how the octets came.
func (u *uncoder) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(u.in) == 0 {
			if u.closing || !u.rest(struct{}{}) {
				u.closing = true
				break
			}
		}
		k := copy(p[n:], u.in)
		u.in = u.in[k:]
		n += k
	}
	u.taken += int64(n)
	if n == 0 {
		err = io.EOF
	}
	return n, err
}

// run is the coroutine: it decodes until the coded data end or no more come.
func (u *uncoder) run(rest func(struct{}) bool) {
	u.rest = rest
	defer func() { u.done = true }()
	buf := u.body.files.stages.buffer()
	defer u.body.files.stages.buffers.Put(buf)
	err := u.decode(buf[:])
	switch {
	case err == io.EOF:
	case err == io.ErrUnexpectedEOF && u.closing:
		u.cut = true
	default:
		u.failed = true
		u.body.note(oddFileData) // unless a limit was noted before
	}
}

// decode reads to the end of all codings.
func (u *uncoder) decode(buf []byte) error {
	for {
		n, err := u.out.Read(buf)
		if n > 0 {
			u.body.content(buf[:n])
		}
		if err == nil {
			continue
		}
		if err != io.EOF {
			return err
		}
		break
	}
	for i := len(u.stages) - 1; i > 0; i-- { // the outer ones may go on
		if err := u.drain(u.stages[i], buf); err != io.EOF {
			return err
		}
	}
	if u.stages[0].in.Buffered() > 0 || len(u.in) > 0 {
		u.body.note(oddFileTrailing)
	}
	return io.EOF
}

// drain reads what comes to a stage after the end of its coded data.
func (u *uncoder) drain(s *stage, buf []byte) error {
	for {
		n, err := s.in.Read(buf)
		if n > 0 {
			u.body.note(oddFileTrailing)
		}
		if err != nil {
			return err
		}
	}
}

// close lets out what the decoders hold back and frees them.
func (u *uncoder) close() {
	if u.stop == nil {
		return
	}
	u.stop()
	u.stop = nil
	for _, s := range u.stages {
		u.plain = u.plain || s.plain
		u.body.files.stages.put(s)
	}
	u.stages, u.out = nil, nil
}

// outer is the type of the file as it is transferred.
func (u *uncoder) outer() fileType {
	switch u.body.of.Codings[0] {
	case "gzip":
		return magic([]byte("\x1f\x8b\x08"))
	case "zstd":
		return magic([]byte("\x28\xb5\x2f\xfd"))
	}
	return fileType{}
}

// empty tells that the coded data are whole, and of nothing.
func (u *uncoder) empty() bool { return u.done && u.whole() && u.body.seen == 0 }

func (u *uncoder) undone() bool { return !u.plain && !u.failed }
func (u *uncoder) whole() bool  { return !u.failed && !u.cut }
func (u *uncoder) broken() bool { return u.failed }
