package decoders

import (
	"errors"
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
		s.begin(b, u.out)
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

// Read implements io.Reader for the first decoder.
func (u *uncoder) Read(p []byte) (int, error) {
	for len(u.in) == 0 {
		if u.closing || !u.rest(struct{}{}) {
			u.closing = true
			return 0, io.EOF
		}
	}
	n := copy(p, u.in)
	u.in = u.in[n:]
	return n, nil
}

// run is the coroutine: it decodes until the coded data end or no more come.
func (u *uncoder) run(rest func(struct{}) bool) {
	u.rest = rest
	defer func() { u.done = true }()
	buf := u.body.files.stages.buffer()
	defer u.body.files.stages.buffers.Put(buf)
	for {
		n, err := u.out.Read(buf[:])
		if n > 0 {
			u.body.content(buf[:n])
		}
		switch {
		case err == nil:
			continue
		case err == io.EOF:
			if len(u.in) > 0 {
				u.body.note(oddFileTrailing)
			}
		case errors.Is(err, io.ErrUnexpectedEOF) && u.closing:
			u.cut = true
		default:
			u.failed = true
			u.body.note(oddFileData) // unless a limit was noted before
		}
		return
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

func (u *uncoder) undone() bool { return !u.plain && !u.failed }
func (u *uncoder) whole() bool  { return !u.failed && !u.cut }
func (u *uncoder) broken() bool { return u.failed }
