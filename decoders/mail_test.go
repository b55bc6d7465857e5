package decoders

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// mailRun plays a conversation to a mail decoder.
type mailRun struct {
	flow    *sensor.Flow
	decoder sensor.Decoder
	verdict sensor.Verdict
	out     []records.Record
}

func newMailRun(p sensor.Protocol) *mailRun {
	return &mailRun{flow: sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol()), decoder: p.New()}
}

func (r *mailRun) emit(rec records.Record) { r.out = append(r.out, rec) }

func (r *mailRun) play(steps []octets, cut func(rest int) int) {
	now := int64(0)
	for _, s := range steps {
		now += step
		if s.gap > 0 {
			r.flow.TestSent(s.side, s.gap, now)
			if r.verdict == sensor.More {
				r.verdict = r.decoder.Gap(r.flow, s.side, s.gap)
			}
		}
		for data := []byte(s.data); len(data) > 0; {
			n := cut(len(data))
			r.flow.TestSent(s.side, n, now)
			piece := append([]byte(nil), data[:n]...)
			if r.verdict == sensor.More {
				r.verdict = r.decoder.Data(r.flow, s.side, piece, r.emit)
			}
			clear(piece) // it was only borrowed
			data = data[n:]
		}
	}
	r.decoder.Close(r.flow, r.emit)
}

// playMail returns what a conversation is told as, and checks that it is the same
// however it comes in segments.
func playMail(t testing.TB, p sensor.Protocol, steps []octets) []records.Record {
	t.Helper()
	whole := newMailRun(p)
	whole.play(steps, uncut)
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, cut := range map[string]func(int) int{
		"single octets": func(int) int { return 1 },
		"random cuts":   func(rest int) int { return 1 + rnd.IntN(rest) },
	} {
		r := newMailRun(p)
		r.play(steps, cut)
		if !reflect.DeepEqual(r.out, whole.out) {
			t.Errorf("%s: told otherwise:\n%s\nwant\n%s", name, strings.Join(toldAs(r.out), "\n"), strings.Join(toldAs(whole.out), "\n"))
		}
	}
	return whole.out
}

// toldAs writes records as the tables below have them.
func toldAs(rs []records.Record) (out []string) {
	for _, r := range rs {
		switch r := r.(type) {
		case *records.Mail:
			out = append(out, toldMail(r))
		case *records.Auth:
			s := fmt.Sprintf("auth %s %s %s %s %q", r.Protocol, r.Mechanism, r.Method, r.Result, r.User)
			if r.Domain != "" || r.ActingFor != "" {
				s += fmt.Sprintf(" domain=%q acting=%q", r.Domain, r.ActingFor)
			}
			out = append(out, s)
		case *records.File:
			out = append(out, fmt.Sprintf("file %s %q %d", r.Source, r.Name, r.Seen))
		case *records.TLS:
			out = append(out, "tls "+r.ServerName)
		default:
			out = append(out, fmt.Sprintf("%T", r))
		}
	}
	return out
}

func toldMail(r *records.Mail) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", r.State, r.Depth)
	put := func(format string, v any) {
		if !reflect.ValueOf(v).IsZero() {
			fmt.Fprintf(&b, " "+format, v)
		}
	}
	put("helo=%s", r.Helo)
	if r.Envelope.Seen {
		fmt.Fprintf(&b, " from=<%s>", r.Envelope.From)
	}
	if to := r.Accepted(); to != nil {
		fmt.Fprintf(&b, " to=%v", to)
	}
	if to := r.Refused(); to != nil {
		fmt.Fprintf(&b, " refused=%v", to)
	}
	put("status=%d", r.Status)
	put("id=%s", r.QueueID)
	put("user=%s", r.User)
	put("subject=%q", r.Header.Subject)
	put("size=%d", r.Size)
	put("missing=%d", r.Missing)
	put("complete=%v", r.Complete)
	put("pipelined=%v", r.Envelope.Pipelined)
	put("encryption=%s", r.Encryption)
	put("dropped=%d", r.Dropped)
	put("odd=%q", r.Odd)
	for i := range r.Parts {
		p := &r.Parts[i]
		fmt.Fprintf(&b, " [%s %s %q %d]", p.Path, p.Type, p.Name, p.Size)
	}
	return b.String()
}

type mailCase struct {
	name  string
	steps []octets
	want  []string
}

func runMailCases(t *testing.T, p sensor.Protocol, cases []mailCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := toldAs(playMail(t, p, c.steps)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func mailFiles() *files { return newFiles(Default().Files) }

func testSMTP() sensor.Protocol { return smtpProtocol(mailFiles()) }
