package exporters

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"kagami/records"
)

// What the sinks of message brokers have in common: a place's name that depends
// on the line, an identity by which a line is known again, and the account of
// acknowledgements that come for each line by itself.

// stampHeader is the header of a message that bears the stamp of a plain line, as
// structured data: [kagami@32473 sensor="fw1" ... tag="..."].
const stampHeader = "kagami-stamp"

// brokerPatience is how long a Write waits for acknowledgements. A broker's
// restart or a change of leaders is mostly over by then, so that the client sends
// again what it must, and nothing arrives twice.
const brokerPatience = 30 * time.Second

// nameTemplate is a topic or subject:
//
//	kagami           for all lines
//	kagami.{kind}    one for each kind of record: kagami.dns
//	kagami.{log}     one for each of the format's logs: kagami.conn; as {kind} in a format with one log
type nameTemplate struct {
	text  string
	names map[nameKey]string // those made so far: kinds and logs are few
}

type nameKey struct {
	kind records.Kind
	log  string
}

func newNameTemplate(text string) nameTemplate {
	return nameTemplate{text: text, names: map[nameKey]string{}}
}

// of is the name for a line.
func (t *nameTemplate) of(l *Line) string {
	key := nameKey{l.Kind, l.Log}
	if name, ok := t.names[key]; ok {
		return name
	}
	log := l.Log
	if log == "" {
		log = kindName(l.Kind)
	}
	name := t.fill(kindName(l.Kind), log)
	t.names[key] = name
	return name
}

func (t *nameTemplate) fill(kind, log string) string {
	return strings.NewReplacer("{kind}", kind, "{log}", log).Replace(t.text)
}

// identity names lines so that a receiver knows one that it gets again:
//
//	SENSOR/SEQID/SEQ
type identity struct{ prefix string }

// newIdentity has no name for any line when the numbering has none: a number
// that was used before under the same name would make a new line look known.
func newIdentity(env Env) identity {
	if env.SeqID == "" {
		return identity{}
	}
	return identity{hostName(sensorName(env)) + "/" + string(nameChars.appendReplaced(nil, env.SeqID, "", maxHostName)) + "/"}
}

// append appends a line's name, or nothing if it has none.
func (id identity) append(dst []byte, l *Line) []byte {
	if id.prefix == "" || l.Seq == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, id.prefix...), l.Seq, 10)
}

// hostName is a host's name without what could break a header, "-" if unknown.
func hostName(name string) string {
	if name == "" {
		return "-"
	}
	return string(nameChars.appendReplaced(nil, name, "", maxHostName))
}

// appendClient appends the address that a line is about, or host if it is about
// none.
func appendClient(dst []byte, a netip.Addr, host string) []byte {
	if !a.IsValid() || a.IsUnspecified() {
		return append(dst, host...)
	}
	return a.AppendTo(dst)
}

// receipt is what became of a line.
type receipt uint8

const (
	lineWaiting  receipt = iota
	lineDoubted          // the batch it was in is refused: it has to be sent by itself
	lineAccepted         // the broker has it
	lineRefused          // the broker never takes it
	lineFailed           // it may be taken another time
)

// receipts is the account of one Write. A client's goroutines write it, also
// after Write returned.
type receipts struct {
	mu   sync.Mutex
	of   []receipt
	open int           // lines that wait
	err  error         // of the first that failed
	done chan struct{} // closed when none waits

	refused []refusal // in this Write
}

type refusal struct {
	line int
	why  error
}

// settle says what became of line i; what is settled stays so, a doubted line is
// not.
func (r *receipts) settle(i int, o receipt, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.of[i]
	if was > lineDoubted {
		return
	}
	r.of[i] = o
	switch {
	case o == lineFailed && r.err == nil:
		r.err = err
	case o == lineRefused:
		r.refused = append(r.refused, refusal{i, err})
	}
	if was == lineDoubted {
		return
	}
	if r.open--; r.open == 0 {
		close(r.done)
	}
}

// fail settles all lines that are not.
func (r *receipts) fail(err error) {
	for i := range r.of {
		r.settle(i, lineFailed, err)
	}
}

func (r *receipts) at(i int) receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[i]
}

// wait waits for all lines, at most until ctx ends. It returns why some have no
// answer.
func (r *receipts) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withPatience bounds how long answers are waited for.
func withPatience(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no acknowledgement within %v", d))
}

// settled remembers lines that were settled behind one that was not: the caller
// offers them again, and they must not arrive twice. Only a numbered line can be
// known again.
type settled map[uint64]receipt

// maxSettled bounds what is remembered of lines that never come back.
const maxSettled = 4 * batchLines

// begin opens the account of lines.
func (s settled) begin(lines []Line) *receipts {
	r := &receipts{of: make([]receipt, len(lines)), open: len(lines), done: make(chan struct{})}
	for i := range lines {
		if o, ok := s[lines[i].Seq]; ok {
			r.of[i] = o
			r.open--
		}
	}
	if r.open == 0 {
		close(r.done)
	}
	return r
}

// end closes the account: what became of the first lines, and why the next one
// failed.
func (s settled) end(lines []Line, r *receipts, l *refusals) (w Written, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.refused {
		l.add(&lines[f.line], f.why.Error())
	}
	for i := range lines {
		first := w.done() == i
		switch {
		case first && r.of[i] == lineAccepted:
			w.Sent++
		case first && r.of[i] == lineRefused:
			w.Refused++
		case !first && (r.of[i] == lineAccepted || r.of[i] == lineRefused) && lines[i].Seq != 0:
			s[lines[i].Seq] = r.of[i]
		}
		if first && w.done() > i {
			delete(s, lines[i].Seq)
		}
	}
	if len(s) > maxSettled {
		clear(s)
	}
	if w.done() < len(lines) {
		err = r.err
		if err == nil {
			err = errors.New("no acknowledgement")
		}
	}
	return w, err
}
