package page

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/wiretext"
)

// IncompleteName is the file that Incomplete writes.
const IncompleteName = "INCOMPLETE.json"

const incompleteFormat = "kagami-incomplete-1"

// Account is what INCOMPLETE.json holds.
type Account struct {
	Summary
	Holes []Missing `json:"holes"`
}

// Summary is what stands in front of the holes.
type Summary struct {
	Format       string         `json:"format"`
	Source       string         `json:"source"`
	From         string         `json:"from,omitempty"`
	To           string         `json:"to,omitempty"`
	Frames       int            `json:"frames"`
	Flows        int            `json:"flows"`
	OtherFlows   int            `json:"other_flows"`
	Transactions int            `json:"transactions"`
	Complete     bool           `json:"complete"`
	Counts       map[string]int `json:"counts"`
}

// Missing is one hole.
type Missing struct {
	Kind        string          `json:"kind"`
	Time        string          `json:"time,omitempty"`
	Text        string          `json:"text"`
	Offset      int64           `json:"offset"`
	Length      int64           `json:"length,omitempty"`
	Flow        *FlowRef        `json:"flow,omitempty"`
	Transaction *TransactionRef `json:"transaction,omitempty"`
}

// FlowRef names a flow.
type FlowRef struct {
	Number      int    `json:"number"`
	Client      string `json:"client"`
	Server      string `json:"server"`
	Frame       int    `json:"frame"`
	Protocol    string `json:"protocol,omitempty"`
	ServerName  string `json:"server_name,omitempty"`
	CommunityID string `json:"community_id,omitempty"`
}

// TransactionRef names a transaction.
type TransactionRef struct {
	Number int    `json:"number"`
	Method string `json:"method,omitempty"`
	URL    string `json:"url,omitempty"`
	Status int    `json:"status,omitempty"`
	Frames [2]int `json:"frames"`
}

// Incomplete writes INCOMPLETE.json: all that is not in the Reading, and why.
func Incomplete(w io.Writer, r *replay.Reading) error {
	holes := missing(r)
	head, err := json.Marshal(summarize(r, holes))
	if err != nil {
		return fmt.Errorf("write %s: %w", IncompleteName, err)
	}
	b := bufio.NewWriter(w)
	b.Write(bytes.TrimSuffix(head, []byte("}")))
	b.WriteString(",\"holes\":[")
	for i := range holes {
		line, err := json.Marshal(describe(&holes[i]))
		if err != nil {
			return fmt.Errorf("write %s: %w", IncompleteName, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]}\n")
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", IncompleteName, err)
	}
	return nil
}

func summarize(r *replay.Reading, holes []replay.Hole) Summary {
	s := Summary{Format: incompleteFormat, Source: wiretext.Visible(r.Source), From: stamp(r.First), To: stamp(r.Last), Frames: r.Frames, Flows: len(r.Flows),
		OtherFlows: r.Others, Transactions: len(r.Transactions), Complete: len(holes) == 0, Counts: map[string]int{}}
	for i := range holes {
		s.Counts[wiretext.Visible(string(holes[i].Kind))]++
	}
	return s
}

func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

func describe(h *replay.Hole) Missing {
	m := Missing{Kind: wiretext.Visible(string(h.Kind)), Time: stamp(h.Time), Text: wiretext.Visible(h.Text), Offset: h.Offset, Length: h.Length}
	if f := h.Flow; f != nil {
		m.Flow = &FlowRef{Number: f.Number, Client: f.Client.String(), Server: f.Server.String(), Frame: f.Frame, Protocol: wiretext.Visible(f.Protocol), CommunityID: wiretext.Visible(f.CommunityID)}
		if f.TLS != nil {
			m.Flow.ServerName = wiretext.Visible(f.TLS.ServerName)
		}
	}
	if t := h.Transaction; t != nil {
		m.Transaction = &TransactionRef{Number: t.Number, URL: wiretext.Visible(address(t)), Frames: framesOf(t)}
		if t.Request != nil {
			m.Transaction.Method = wiretext.Visible(t.Request.Method)
		}
		if t.Response != nil {
			m.Transaction.Status = t.Response.Status
		}
	}
	return m
}

// known is what a Reading's own holes already say.
type known struct {
	transactions map[*replay.Transaction]bool
	flows        map[*replay.Flow]bool // not decrypted, or without a beginning
}

// missing is all that is not in a Reading, in order of time: its holes, and what the
// transactions, objects and flows themselves say to be incomplete without a hole for it.
func missing(r *replay.Reading) []replay.Hole {
	k := known{map[*replay.Transaction]bool{}, map[*replay.Flow]bool{}}
	for i := range r.Holes {
		h := &r.Holes[i]
		if h.Transaction != nil {
			k.transactions[h.Transaction] = true
		}
		if h.Flow != nil && (h.Kind == replay.HoleDark || h.Kind == replay.HoleMidstream) {
			k.flows[h.Flow] = true
		}
	}
	all := slices.Clone(r.Holes)
	for _, t := range r.Transactions {
		if !k.transactions[t] {
			all = append(all, untold(t)...)
		}
	}
	for _, o := range r.Objects {
		if !o.Complete && len(o.Pieces) > 0 && !k.transactions[o.Pieces[0].Transaction] {
			t := o.Pieces[0].Transaction
			all = append(all, replay.Hole{Kind: replay.HoleRange, Flow: t.Flow, Transaction: t, Time: begin(t), Text: "pieces of the object are missing"})
		}
	}
	for _, f := range r.Flows {
		switch {
		case k.flows[f]:
		case f.TLS != nil && f.TLS.Dark != "":
			all = append(all, replay.Hole{Kind: replay.HoleDark, Flow: f, Time: f.First, Text: "not decrypted: " + f.TLS.Dark})
		case f.Midstream:
			all = append(all, replay.Hole{Kind: replay.HoleMidstream, Flow: f, Time: f.First, Text: "the beginning of the flow was not captured"})
		}
	}
	slices.SortStableFunc(all, func(a, b replay.Hole) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// untold is what a transaction lacks.
func untold(t *replay.Transaction) (all []replay.Hole) {
	add := func(k replay.HoleKind, at, length int64, text string) {
		all = append(all, replay.Hole{Kind: k, Flow: t.Flow, Transaction: t, Time: at, Length: length, Text: text})
	}
	body := func(m *replay.Message) {
		b := &m.Body
		for _, l := range b.Limits {
			add(replay.HoleLimit, m.End, 0, l)
		}
		if !b.Complete && len(b.Limits) == 0 && (b.Why != "" || b.Missing > 0) {
			add(replay.HoleTruncated, m.End, b.Missing, cmp.Or(b.Why, "the body is not complete"))
		}
	}
	if q := t.Request; q == nil || q.Method == "" {
		add(replay.HoleNoRequest, begin(t), 0, "the request was not captured")
	} else {
		body(&q.Message)
	}
	switch a := t.Response; {
	case a == nil:
		add(replay.HoleNoAnswer, begin(t), 0, "no answer was captured")
	case a.Status == 304:
		add(replay.HoleCached, a.Time, 0, "304: the body was in the client's cache")
	default:
		body(&a.Message)
	}
	return all
}

// IncompleteText writes one paragraph for a terminal: how much is missing, by kind.
func IncompleteText(w io.Writer, r *replay.Reading, language string) error {
	t, err := textsOf(language)
	if err != nil {
		return err
	}
	holes := missing(r)
	text := t.say("nothing.missing")
	if len(holes) > 0 {
		var parts []string
		for _, n := range tally(holes) {
			part := t.say("count.of", t.kind("hole.", string(n.Kind)), number(int64(n.Count)))
			if n.Octets > 0 {
				part += t.say("count.octets", octets(n.Octets))
			}
			parts = append(parts, part)
		}
		text = t.say("missing.text", strings.Join(parts, t.say("list.separator")), IncompleteName)
	}
	if _, err := fmt.Fprintln(w, text); err != nil {
		return fmt.Errorf("write what is missing: %w", err)
	}
	return nil
}

// counted is how much is missing of a kind.
type counted struct {
	Kind   replay.HoleKind
	Count  int
	Octets int64 // as far as is known
}

// holeKinds are the kinds, the ones that change the picture most first.
var holeKinds = [...]replay.HoleKind{replay.HoleLost, replay.HoleGap, replay.HoleTruncated, replay.HoleNoAnswer, replay.HoleNoRequest, replay.HoleMidstream,
	replay.HoleCached, replay.HoleRange, replay.HoleDark, replay.HoleEncoding, replay.HoleLimit, replay.HoleSyntax}

func tally(holes []replay.Hole) []counted {
	by := map[replay.HoleKind]*counted{}
	for i := range holes {
		h := &holes[i]
		n := by[h.Kind]
		if n == nil {
			n = &counted{Kind: h.Kind}
			by[h.Kind] = n
		}
		n.Count++
		n.Octets += max(0, h.Length)
	}
	var all []counted
	for _, k := range holeKinds {
		if n := by[k]; n != nil {
			all = append(all, *n)
			delete(by, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(by)) { // kinds that are not known here
		all = append(all, *by[k])
	}
	return all
}
