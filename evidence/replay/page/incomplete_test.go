package page_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/page"
)

// account writes INCOMPLETE.json and reads it again, strictly.
func account(t *testing.T, r *replay.Reading) (a page.Account, text string) {
	t.Helper()
	var b bytes.Buffer
	if err := page.Incomplete(&b, r); err != nil {
		t.Fatal(err)
	}
	text = b.String()
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return a, text
}

// TestIncomplete: everything that is missing is in INCOMPLETE.json, once, in order.
func TestIncomplete(t *testing.T) {
	s := driveby().broken()
	slices.Reverse(s.Holes)
	a, text := account(t, &s.Reading)
	if a.Format != "kagami-incomplete-1" || a.Complete || a.Frames != 400 || a.Transactions != 6 || a.Flows != 6 || a.From != "2026-11-16T01:12:07Z" || len(a.Holes) != 12 {
		t.Errorf("%+v", a.Summary)
	}
	for i, h := range a.Holes {
		if i > 0 && h.Time < a.Holes[i-1].Time {
			t.Errorf("hole %d is not in order", i)
		}
		if a.Counts[h.Kind] != 1 || h.Text != "text of "+h.Kind {
			t.Errorf("%+v of %v", h, a.Counts)
		}
	}
	want := page.Missing{Kind: "gap", Time: "2026-11-16T01:12:08Z", Text: "text of gap", Offset: 7,
		Flow:        &page.FlowRef{Client: "10.0.0.23:50000", Server: "203.0.113.144:80", Frame: 1, Protocol: "http/1", CommunityID: "1:abc="},
		Transaction: &page.TransactionRef{Method: "GET", URL: "http://www.flowers.example/shop/", Status: 200, Frames: [2]int{100, 103}}}
	if got, _ := json.Marshal(a.Holes[0]); string(got) != string(must(json.Marshal(want))) {
		t.Errorf("%s", got)
	}
	again, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || compact.String() != string(again) {
		t.Errorf("it is not the same again:\n%s\n%s", text, again)
	}
	if n := strings.Count(text, "\n"); n != 12+2 {
		t.Errorf("%d lines", n)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestUntold: what only the transactions, flows and objects themselves say is told, too,
// and nothing twice.
func TestUntold(t *testing.T) {
	s := driveby()
	x := s.Transactions
	x[0].Response.Body.Complete, x[0].Response.Body.Why, x[0].Response.Body.Missing = false, "the connection ended", 120
	x[1].Response = nil
	x[2].Request.Method = ""
	x[3].Response.Status = 304
	x[4].Response.Body.Limits = []string{"decodes to more than 5 octets"}
	x[4].Response.Body.Complete = false
	x[5].Flow.Midstream = true
	s.flow("10.0.0.23:1", "192.0.2.1:443").TLS = &replay.TLS{ServerName: "bank.example", Dark: "no key"}
	s.Objects = []*replay.Object{{Size: 10, Pieces: []replay.Piece{{Transaction: x[5], Length: 3}}}}
	a, _ := account(t, &s.Reading)
	var kinds []string
	for _, h := range a.Holes {
		kinds = append(kinds, h.Kind)
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, ","); got != "cached,encrypted,limit,midstream,no answer,no request,range,truncated" {
		t.Error(got)
	}
	for _, h := range s.Flows[len(s.Flows)-1:] {
		s.Holes = append(s.Holes, replay.Hole{Kind: replay.HoleDark, Flow: h, Time: start, Text: "not decrypted"})
	}
	s.Holes = append(s.Holes, replay.Hole{Kind: replay.HoleGap, Transaction: x[0], Time: start, Text: "a gap"})
	if b, _ := account(t, &s.Reading); len(b.Holes) != len(a.Holes) || b.Counts["truncated"] != 0 || b.Counts["encrypted"] != 1 {
		t.Errorf("%v", b.Counts)
	}
}

// TestIncompleteHostile: it is JSON without an unseen character, whatever is in the fields.
func TestIncompleteHostile(t *testing.T) {
	for seed := range uint64(40) {
		_, text := account(t, dirty(seed))
		for _, r := range text {
			if r < ' ' && r != '\n' || r == 0x202e || r == 0x2028 || r == 0xfffd || r == '<' {
				t.Fatalf("seed %d: character %U", seed, r)
			}
		}
	}
}

// TestIncompleteText: one paragraph in each language.
func TestIncompleteText(t *testing.T) {
	for _, tc := range []struct {
		language string
		r        *replay.Reading
		want     string
	}{
		{"en", &driveby().Reading, "Nothing is known to be missing.\n"},
		{"ja", &driveby().Reading, "分かっている欠落はない。\n"},
		{"en", &gaps().Reading, "Not everything is here: octets not captured: 2 (1,500 B); flows not decrypted: 1. INCOMPLETE.json names each.\n"},
		{"ja", &gaps().Reading, "次のものが欠けている。キャプチャされていないデータ 2 件（1,500 B）、復号できないフロー 1 件。個々の欠落は INCOMPLETE.json に記す。\n"},
	} {
		var b bytes.Buffer
		if err := page.IncompleteText(&b, tc.r, tc.language); err != nil || b.String() != tc.want {
			t.Errorf("%s: %q, %v", tc.language, b.String(), err)
		}
	}
}

func gaps() *scene {
	s := driveby()
	at := start + int64(time.Second)
	s.Holes = []replay.Hole{{Kind: replay.HoleGap, Time: at, Length: 1000}, {Kind: replay.HoleDark, Time: at}, {Kind: replay.HoleGap, Time: at, Length: 500}}
	return s
}
