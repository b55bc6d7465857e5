package capture

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"kagami/packet"
	"kagami/sensor"
)

const (
	defaultFrames = 4096      // frames in a batch
	defaultBlock  = 256 << 10 // octets in a batch: fits a level-2 cache, larger than nearly any record

	// minSnap is the record length that every file may use, as in libpcap
	// (MAXIMUM_SNAPLEN); maxRecord is the most that its header may ask for.
	minSnap   = 256 << 10
	maxRecord = 1 << 20
)

// Matcher decides which frames of a file are read. wireLen is the frame's length
// on the wire, which the file may not hold in full.
type Matcher interface {
	Match(frame []byte, wireLen uint32) bool
}

// FileOptions tune the reading of capture files. The zero value is ready.
type FileOptions struct {
	// Filter makes the matcher for frames of one link type; nil keeps all. It is
	// called once for every link type in a file.
	Filter func(packet.LinkType) (Matcher, error)
	Frames int       // most frames in a batch; default 4096
	Block  int       // octets read at a time; default 256 KiB
	Stdin  io.Reader // what the path "-" reads; default os.Stdin
}

// format reads the records of one file format out of memory.
type format interface {
	// decode appends the frames of the whole records at the start of data, whose
	// offset in the stream is at, to frames. It returns the frames, the octets
	// used, and how many octets the record after them needs at least (0: it
	// stopped because the batch is full). eof says that no more octets follow.
	decode(f *File, frames []sensor.Frame, data []byte, at int64, eof bool) (_ []sensor.Frame, used, need int, _ error)
}

// File is a capture file. It implements sensor.Source: every Batch owns its
// memory (Batch.Buf), so several may be under way at once.
type File struct {
	path    string
	o       FileOptions
	in      *input
	format  format
	filters map[packet.LinkType]Matcher

	rest []byte // octets read but not yet used
	at   int64  // offset of rest in the stream
	need int    // octets that the record at rest needs
	eof  bool
	fail error // the read error that ended the stream, if it was not io.EOF
	err  error // what every further Next returns
	now  int64 // time of the last record

	received, filtered, damaged atomic.Uint64
	firstDamage                 string
}

// Open opens a capture file; "-" is stdin. The error says what was found when
// it is no capture file (*FormatError).
func Open(path string, o FileOptions) (*File, error) {
	if o.Frames <= 0 {
		o.Frames = defaultFrames
	}
	if o.Block <= 0 {
		o.Block = defaultBlock
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	in, err := openInput(path, o.Stdin)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, o: o, in: in, filters: map[packet.LinkType]Matcher{}}
	if err := f.start(); err != nil {
		in.Close()
		return nil, err
	}
	return f, nil
}

// start reads the file header and chooses the format.
func (f *File) start() error {
	head := make([]byte, pcapHeaderLen)
	n, err := io.ReadFull(f.in, head)
	if truncated := err == io.ErrUnexpectedEOF && n > 0; err != nil && err != io.EOF && !truncated {
		return f.ended(fmt.Sprintf("file header needs %d octets", pcapHeaderLen), n, err)
	}
	head = head[:n]
	switch {
	case isPcapng(head):
		f.format, f.rest = &pcapng{}, head
	case isPcap(head):
		if n < pcapHeaderLen {
			return f.ended(fmt.Sprintf("file header needs %d octets", pcapHeaderLen), n, nil)
		}
		p, err := newPcap(f, head)
		if err != nil {
			return err
		}
		f.format, f.at = p, pcapHeaderLen
	default:
		return &FormatError{Path: f.path, Found: found(head)}
	}
	return nil
}

// Next fills b. Frames that came before an error are handed over first.
func (f *File) Next(b *sensor.Batch) error {
	b.Frames = b.Frames[:0]
	for len(b.Frames) == 0 && f.err == nil {
		data := f.fill(b)
		frames, used, need, err := f.format.decode(f, b.Frames, data, f.at, f.eof)
		b.Frames = frames
		f.rest = append(f.rest[:0], data[used:]...)
		f.at += int64(used)
		f.need = need
		switch {
		case err != nil:
			f.err = err
		case f.eof && need > len(f.rest):
			f.err = f.end()
		}
	}
	b.Now = f.now
	if len(b.Frames) == 0 {
		return f.err
	}
	return nil
}

// fill puts what is left over and the next octets of the file into b.Buf.
func (f *File) fill(b *sensor.Batch) []byte {
	// Room for twice what is needed: a search through damaged octets (resync)
	// then moves every octet a bounded number of times.
	size := max(f.o.Block, 2*f.need, len(f.rest))
	if cap(b.Buf) < size {
		b.Buf = make([]byte, size)
	}
	buf := b.Buf[:size]
	n := copy(buf, f.rest)
	for n < len(buf) && !f.eof && (f.in.patient || n < f.need) {
		m, err := f.in.Read(buf[n:])
		n += m
		if err != nil {
			f.eof = true
			if err != io.EOF {
				f.fail = err
			}
		}
	}
	return buf[:n]
}

// end is the error that ends the file when its last record is incomplete or absent.
func (f *File) end() error {
	if f.fail == nil && len(f.rest) == 0 {
		return io.EOF
	}
	return f.ended(fmt.Sprintf("packet record needs %d octets", f.need), len(f.rest), f.fail)
}

// ended words the end of the stream inside something that needs more octets.
func (f *File) ended(needs string, have int, cause error) error {
	e := &RecordError{Path: f.path, Offset: f.at, Compressed: f.in.compressed, Err: cause}
	if cause != nil {
		e.What, e.Torn = readError(cause)
		return e
	}
	e.Torn, e.What = true, fmt.Sprintf("%s, file ends after %d", needs, have)
	return e
}

func (f *File) corrupt(at int64, what string) error {
	return &RecordError{Path: f.path, Offset: at, Compressed: f.in.compressed, What: what}
}

// damage counts a place that had to be skipped and keeps the first description.
func (f *File) damage(at int64, what string) {
	if f.damaged.Add(1) == 1 {
		f.firstDamage = fmt.Sprintf("byte %d: %s", at, what)
	}
}

// Damage is the number of places in the file that were skipped because their
// content is impossible, and a description of the first. Not for use while
// another goroutine is in Next.
func (f *File) Damage() (places uint64, first string) { return f.damaged.Load(), f.firstDamage }

// matcher is the filter for one link type, nil to keep all.
func (f *File) matcher(link packet.LinkType) (Matcher, error) {
	if f.o.Filter == nil {
		return nil, nil
	}
	if m, ok := f.filters[link]; ok {
		return m, nil
	}
	m, err := f.o.Filter(link)
	if err != nil {
		return nil, fmt.Errorf("capture: %s: filter for link type %d: %w", f.path, link, err)
	}
	f.filters[link] = m
	return m, nil
}

// Stats may be called from any goroutine. Received counts filtered frames too.
func (f *File) Stats() sensor.SourceStats {
	return sensor.SourceStats{
		Received: f.received.Load(),
		Filtered: f.filtered.Load(),
		Bytes:    f.in.read.Load(),
		Size:     f.in.size,
	}
}

// Close closes the file; batches stay valid.
func (f *File) Close() error {
	if err := f.in.Close(); err != nil {
		return fmt.Errorf("capture: close %s: %w", f.path, err)
	}
	return nil
}

// count adds what one decode saw.
func (f *File) count(received, filtered int) {
	f.received.Add(uint64(received))
	f.filtered.Add(uint64(filtered))
}

var _ sensor.Source = (*File)(nil)
