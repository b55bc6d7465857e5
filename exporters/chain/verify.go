package chain

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options say what to verify, and against what.
type Options struct {
	Inputs   []string // files, plain, gzip or zstd; "-" is Stdin
	Against  []string // files of the sensor itself: what the inputs say of them must hold
	Keys     []Key    // that heartbeats must be signed with; none: the ones that the records name themselves
	Expect   []string // SENSOR or SENSOR/EXPORT: must be there
	AnyOrder bool     // the inputs are in no order, as a database gives them
	Strict   bool     // every line must bear a stamp
	Since    int64    // nanoseconds since the epoch: heartbeats must begin by then; 0 = not asked
	Until    int64    // and reach there
	Now      int64    // none may be later
	Stdin    io.Reader
	TempDir  string // for more lines than memory is taken for; "" is the system's
}

// Report is what Verify found.
type Report struct {
	Lines    uint64 `json:"lines"`
	Bytes    uint64 `json:"bytes"`
	Stamped  uint64 `json:"stamped"`  // lines with a stamp, or found in an account
	Records  uint64 `json:"records"`  // different ones
	Repeated uint64 `json:"repeated"` // delivered again, unchanged
	Missing  uint64 `json:"missing"`
	Altered  uint64 `json:"altered"`
	Vouched  uint64 `json:"vouched"`  // records under the signed digest of a heartbeat
	Alone    uint64 `json:"alone"`    // records with their own tag only: something near them is missing or altered
	Admitted uint64 `json:"admitted"` // records that the sensor itself says it lost
	Beats    uint64 `json:"heartbeats"`

	Keys     []KeyReport    `json:"keys"`
	Streams  []StreamReport `json:"streams"`
	Findings []Finding      `json:"findings"`
	More     uint64         `json:"more_findings"` // beyond those listed
	Notes    []Finding      `json:"notes"`
}

// Good tells that nothing is wrong.
func (r *Report) Good() bool { return len(r.Findings) == 0 }

// StreamReport sums up one export's records between a start and an end.
type StreamReport struct {
	Sensor  string `json:"sensor"`
	Export  string `json:"export"`
	Boot    string `json:"boot"`
	Start   uint64 `json:"start,omitempty"`
	Records uint64 `json:"records"`
	First   uint64 `json:"first,omitempty"`
	Last    uint64 `json:"last,omitempty"`
	Missing uint64 `json:"missing"`
	Lost    uint64 `json:"lost"` // that the sensor itself admits
	Beats   int    `json:"heartbeats"`
	From    string `json:"from,omitempty"` // of the first and the last heartbeat
	To      string `json:"to,omitempty"`
	Ended   bool   `json:"ended"` // in good order
}

// Limits of what a verification keeps in memory.
const (
	maxStreams  = 1 << 16
	maxBeats    = 4 << 20 // eight years of one export
	maxFindings = 1000
)

type verifier struct {
	o        Options
	report   Report
	inputs   []string
	against  bool // what is read now is one of Options.Against
	ids      map[Stream]uint32
	streams  []*stream
	exports  []*export
	beats    int
	sorter   *sorter
	finder   finder
	hashes   []*leafHash                  // by stream
	keys     map[string]ed25519.PublicKey // by sensor, as its first heartbeat named it
	accounts map[string]*aligner
	unmarked uint64           // lines that bear nothing of ours
	bare     place            // the first of them
	earliest map[string]int64 // heartbeat of a sensor in Options.Inputs
}

// export is one export over all starts of the program.
type export struct {
	sensor, name string
	starts       []*stream // in their order; those without a heartbeat first
}

// stream is what is known of one stream.
type stream struct {
	Stream
	id       uint32
	export   *export
	beats    []beat
	marks    []sighting // what other exports' claims say of it
	kept     int        // of marks when they were last sifted
	doubts   []doubt
	against  bool   // it was in one of Options.Against
	entries  bool   // lines of it were there
	genuine  bool   // and one of them was as it was written
	start    uint64 // 0 without a heartbeat of its own
	told     uint64 // the same as other exports tell
	low, top place  // where its lines stand
	report   StreamReport
}

// beat is a claim as far as it is needed later.
type beat struct {
	start, n     uint64
	at           int64
	every        time.Duration
	first, last  uint64
	digest, hash Leaf
	previous     Mark
	uptime       time.Duration // of the program; 0 = not said
	end          bool
	lost         uint64
	where        place
}

// doubt is something like a claim in line seq, to be told unless a heartbeat
// vouches for that line: then it is what the sensor saw on the wire.
type doubt struct {
	seq uint64
	Finding
}

// Verify reads everything and tells what is wrong. Its memory does not grow with
// the number of lines; a heartbeat takes 400 octets.
func Verify(o Options) (*Report, error) {
	return newVerifier(o).run()
}

func newVerifier(o Options) *verifier {
	return &verifier{o: o, ids: map[Stream]uint32{}, keys: map[string]ed25519.PublicKey{}, accounts: map[string]*aligner{}, earliest: map[string]int64{},
		sorter: newSorter(o.TempDir, sortEntries)}
}

func (v *verifier) run() (r *Report, err error) {
	defer func() { err = errors.Join(err, v.sorter.close()) }()
	o := &v.o
	if err := v.withoutAccounts(); err != nil {
		return nil, err
	}
	for i, path := range append(append([]string(nil), o.Inputs...), o.Against...) {
		v.against = i >= len(o.Inputs)
		if err := v.read(path); err != nil {
			return nil, fmt.Errorf("verify %q: %w", path, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(v.accounts)) {
		v.accounts[path].tell()
	}
	if v.report.Stamped == 0 && v.beats == 0 && v.nothing() {
		return nil, errors.New("verify: no line bears a stamp, and no file has an account (NAME.account) beside it")
	}
	if err := v.judge(); err != nil {
		return nil, err
	}
	return &v.report, nil
}

// input numbers an input.
func (v *verifier) input(path string) int {
	v.inputs = append(v.inputs, path)
	return len(v.inputs) - 1
}

func (v *verifier) read(path string) error {
	r, err := openInput(path, v.o.Stdin)
	if err != nil {
		return err
	}
	before := v.report
	if account := accountOf(path); account != "" {
		err = v.readBeside(r, path, account)
	} else {
		at := v.input(path)
		err = lines(r, func(n uint64, line []byte, whole, long bool) error { return v.line(line, placeOf(at, n), whole, long) })
		if now := &v.report; now.Stamped == before.Stamped && (now.Lines > before.Lines || v.against) {
			v.add(Finding{Kind: Unstamped, File: path})
		}
	}
	return errors.Join(err, r.Close())
}

// nothing tells whether all that was found is that there is nothing to verify.
func (v *verifier) nothing() bool {
	return !slices.ContainsFunc(v.report.Findings, func(f Finding) bool { return f.Kind != Unstamped })
}

// readBeside reads a log whose account stands beside it.
func (v *verifier) readBeside(r io.Reader, path, account string) error {
	list, ok := v.accounts[account]
	if !ok {
		tags, err := v.readAccount(account)
		if err != nil {
			return err
		}
		list = v.newAligner(tags)
		v.accounts[account] = list
	}
	at := v.input(path)
	err := lines(r, func(n uint64, line []byte, whole, long bool) error {
		v.report.Lines++
		v.report.Bytes += uint64(len(line)) + 1
		switch {
		case !whole:
			v.add(Finding{Kind: Torn, File: path, Line: n})
		case bytes.HasPrefix(line, []byte("#")): // Zeek's header
			return nil
		}
		return list.add(line, placeOf(at, n))
	})
	if err == nil {
		err = list.end()
	}
	return err
}

// stream is the number of a stream; false when there are too many.
func (v *verifier) stream(s Stream) (uint32, bool) {
	if id, ok := v.ids[s]; ok {
		return id, true
	}
	if len(v.streams) == maxStreams {
		return 0, false
	}
	id := uint32(len(v.streams))
	s = Stream{strings.Clone(s.Sensor), strings.Clone(s.Boot), strings.Clone(s.Name)} // else it would keep a whole heartbeat
	v.ids[s] = id
	v.streams = append(v.streams, &stream{Stream: s, id: id})
	v.hashes = append(v.hashes, nil)
	return id, true
}

// line takes a line that bears its stamp itself.
func (v *verifier) line(line []byte, where place, whole, long bool) error {
	v.report.Lines++
	v.report.Bytes += uint64(len(line)) + 1
	if long {
		v.damaged(where)
		return nil
	}
	s, ok := v.finder.find(line)
	if !ok {
		switch {
		case isDamaged(line):
			v.damaged(where)
		case !whole:
			v.add(Finding{Kind: Torn, File: v.inputs[where.input()], Line: where.line()})
		default:
			v.bareLine(where)
		}
		return nil
	}
	e, ok := v.entry(&s, where)
	if ok && e.flags&flagAltered != 0 { // the line as it was sent may stand beside what somebody made of it
		if inner, found := v.finder.within(line, 0); found {
			if other, fits := v.entry(&inner, where); fits && other.flags&flagAltered == 0 {
				s, e = inner, other
			}
		}
	}
	if !ok {
		v.damaged(where)
		return nil
	}
	v.report.Stamped++
	v.streams[e.stream].against = v.streams[e.stream].against || v.against
	if text := claimOf(s.text); text != nil {
		c, err := ParseClaim(text)
		if c == nil || c.Stream == s.Stream {
			e.flags |= v.claim(c, text, err, &s.Stamp, where)
		}
	}
	return v.sorter.add(e)
}

// bareLine is one without a stamp: another program's, where several write.
func (v *verifier) bareLine(where place) {
	if v.unmarked++; v.unmarked == 1 {
		v.bare = where
	}
}

// entry is what is kept of a stamped line; false: of too many streams.
func (v *verifier) entry(s *found, where place) (e entry, ok bool) {
	id, ok := v.stream(s.Stream)
	if !ok {
		return e, false
	}
	e = entry{stream: id, seq: s.Seq, where: where, leaf: v.leaf(id, s)}
	if e.leaf.Tag() != s.Tag {
		if e.flags = flagAltered; isShed(s.text) {
			e.flags |= flagShed
		}
	}
	return e, true
}

func (v *verifier) leaf(id uint32, s *found) Leaf {
	h := v.hashes[id]
	if h == nil {
		h = newLeafHash(s.Stream)
		v.hashes[id] = h
	}
	l := *h.of(s.Seq, s.text)
	if l.Tag() == s.Tag {
		return l
	}
	for _, other := range [...]func() []byte{s.again, s.untimed} {
		if text := other(); text != nil {
			if again := h.of(s.Seq, text); again.Tag() == s.Tag {
				return *again
			}
		}
	}
	return l
}

// damaged is a line whose stamp or claim cannot be read.
func (v *verifier) damaged(where place) {
	v.add(Finding{Kind: Damaged, File: v.inputs[where.input()], Line: where.line()})
}

// inserted is a line that no account knows.
func (v *verifier) inserted(where place, s Stream) {
	f := Finding{Kind: Inserted, File: v.inputs[where.input()], Line: where.line(), Count: 1}
	f.Sensor, f.Export = s.Sensor, s.Name
	if n := len(v.report.Findings); n > 0 {
		if last := &v.report.Findings[n-1]; last.Kind == Inserted && last.File == f.File && last.Line+last.Count == f.Line {
			last.Count++
			return
		}
	}
	v.add(f)
}

// add notes what is wrong.
func (v *verifier) add(f Finding) {
	if len(v.report.Findings) == maxFindings {
		v.report.More++
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}

// note notes what a reader should know, but what is not wrong.
func (v *verifier) note(f Finding) {
	if len(v.report.Notes) < maxFindings {
		v.report.Notes = append(v.report.Notes, f)
	}
}
