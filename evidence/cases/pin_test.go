package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/evidence/segment"
	"kagami/packet"
)

// alertRequest pins the alert of the laboratory with the default window.
func alertRequest() Request {
	a := FromRecord(theAlert())
	a.Line = alertLine(theAlert())
	return Request{Alert: a, Before: 10 * time.Minute, After: 5 * time.Minute}
}

func pinned(t testing.TB, env Env, r Request) (*Case, string) {
	t.Helper()
	c, err := Pin(context.Background(), env, r)
	if err != nil {
		t.Fatal(err)
	}
	return c, env.Path(c.Name)
}

// TestPin: the flow whole, the host's traffic and DNS, both legs of the proxy, and
// nothing else.
func TestPin(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	c, dir := pinned(t, env, alertRequest())
	if c.State != Complete || c.Why != "" || c.Scope != ScopeAll {
		t.Errorf("state %s %q, scope %s", c.State, c.Why, c.Scope)
	}
	all, flow := expected(events, minute(10), minute(25))
	list := packetsOf(t, dir)
	if len(list) != all || c.Packets != uint64(all) {
		t.Errorf("%d packets, the state says %d; want %d", len(list), c.Packets, all)
	}
	flowKey, _, _ := keyOf(alerted, packet.ProtoTCP)
	stranger, _, _ := keyOf(notEvil, packet.ProtoTCP)
	others, _, _ := keyOf(unrelated, packet.ProtoTCP)
	got, last := 0, int64(0)
	for i := range list {
		var p packet.Packet
		p.Parse(list[i].Data, list[i].WireLen, list[i].Link)
		switch p.Key {
		case flowKey:
			got++
		case stranger, others:
			t.Errorf("a packet of %v is in the case", p.Key)
		}
		if list[i].Time < last {
			t.Errorf("packet %d is out of order", i)
		}
		last = list[i].Time
	}
	if got != flow {
		t.Errorf("%d packets of the alerted flow, want all %d", got, flow)
	}
	for _, name := range []string{pageName, "packets-0001.pcapng", "packets-0002.pcapng"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Contains(b, []byte("secret")) {
			t.Errorf("%s tells what another machine looked up, %v", name, err)
		}
	}
	if left, err := holds(env.Dir, c.Name); err != nil || len(left) != 0 {
		t.Errorf("holds are left: %v, %v", left, err)
	}
	v, err := Verify(dir, nil)
	if err != nil || !v.OK() || v.Files < 6 || v.State != Complete {
		t.Errorf("verify: %+v, %v", v, err)
	}
	records, _ := os.ReadFile(filepath.Join(dir, recordsName))
	if !bytes.Contains(records, []byte(`"id":"0000000000000007-0-a1"`)) || bytes.Count(records, []byte("kagami.flow")) != 4 {
		t.Errorf("records:\n%s", records)
	}
	objects, _ := os.ReadFile(filepath.Join(dir, objectsName))
	if !strings.Contains(string(objects), sum([]byte("MZ"))+"\t-\t-\t2\ttrue\tprogram") {
		t.Errorf("objects:\n%s", objects)
	}
	for _, want := range []string{`"kind":"begin"`, `"kind":"alert"`, `"kind":"source"`, `"kind":"counters"`, `"kind":"end","state":"complete"`, `"host":"sensor.example"`} {
		if !strings.Contains(manifestText(t, dir), want) {
			t.Errorf("the manifest lacks %s", want)
		}
	}
}

// TestPinComment: the alerted flow's first packet bears the alert, names are in the
// file. tshark is asked in TestPinTshark.
func TestPinComment(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	_, dir := pinned(t, env, alertRequest())
	paths, _ := filepath.Glob(filepath.Join(dir, "packets-*.pcapng"))
	if len(paths) != 2 {
		t.Fatalf("files %v, want one of what was before the window and one of it", paths)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("Kagami alert 0000000000000007-0-a1 (executable-download): 10.0.0.7 received a program")); n != 1 {
			t.Errorf("%s: %d comments, want 1", filepath.Base(path), n)
		}
	}
	b, _ := os.ReadFile(paths[1])
	if !bytes.Contains(b, append([]byte{203, 0, 113, 5}, "evil.example\x00"...)) {
		t.Error("the name is not in the file's Name Resolution Block")
	}
}

// TestPinSplit: small files, each readable alone, none longer than allowed.
func TestPinSplit(t *testing.T) {
	env := labEnv(t)
	env.partSize = 1200
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	c, dir := pinned(t, env, alertRequest())
	all, _ := expected(events, minute(10), minute(25))
	if n := len(packetsOf(t, dir)); n != all || len(c.Parts) < 5 {
		t.Errorf("%d packets in %d files, want %d", n, len(c.Parts), all)
	}
	for _, p := range c.Parts {
		if p.Size > 1200 && p.Packets > 1 {
			t.Errorf("%s has %d octets", p.Name, p.Size)
		}
	}
	if v, err := Verify(dir, nil); err != nil || !v.OK() {
		t.Errorf("verify: %v, %v", v.Problems, err)
	}
}

// TestPinNote pins an alert of which only the note in the segments is known: its
// second line is the query that finds its packets.
func TestPinNote(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	n := segment.Note{Kind: segment.Alert, At: minute(20), Name: "0000000000000007-0-a1", From: minute(19), To: minute(20),
		Text: "executable-download: 10.0.0.7 received: a program\nfrom 2026-06-01T08:18 to 2026-06-01T08:21 and client 10.0.0.7 and host evil.example"}
	n.Key, n.Client = packet.PairKey(workstation, netip.Addr{}, 80)
	a := FromNote(&n)
	if a.Rule != "executable-download" || a.Title != "10.0.0.7 received: a program" || a.Source != workstation || a.DestAddr.IsValid() ||
		a.Query != "client 10.0.0.7 and host evil.example" {
		t.Errorf("%+v", a)
	}
	c, dir := pinned(t, env, Request{Alert: a, Before: 10 * time.Minute, After: 5 * time.Minute})
	all, _ := expected(events, minute(10), minute(25))
	if got := len(packetsOf(t, dir)); got != all || c.State != Complete {
		t.Errorf("%d packets, %s %s; want %d", got, c.State, c.Why, all)
	}
	n.Text = "x: y\ncase other"
	if a := FromNote(&n); a.Query != "" {
		t.Errorf("query %q", a.Query)
	}
}

// TestAccounts: the sum is right between any two moments, whatever waited then.
func TestAccounts(t *testing.T) {
	var a Accounts
	a.add(&segment.Counters{Seen: 10, Stored: 4, Waiting: 6}, &segment.Counters{Seen: 30, Stored: 22, LostSlow: 1, LostFull: 2, LostError: 1, LeftOut: 1, Ignored: 1, Waiting: 2})
	a.add(&segment.Counters{}, &segment.Counters{Seen: 5, Stored: 5, Cut: 2, KernelDropped: 3})
	a.add(&segment.Counters{Stored: 9}, &segment.Counters{}) // damaged
	if a.Seen != 29 || a.Stored != 23 || a.Cut != 2 || a.KernelDropped != 3 || a.Seen != a.Stored+a.LostSlow+a.LostFull+a.LostError+a.LeftOut+a.Ignored {
		t.Errorf("%+v", a)
	}
}

func TestPinQuery(t *testing.T) {
	env := labEnv(t)
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	c, dir := pinned(t, env, Request{Case: "by-hand", Reason: "court order 7", Query: "from 2026-06-01T08:05 to 2026-06-01T08:10 and host 10.0.0.9"})
	if n := len(packetsOf(t, dir)); n != 5 || c.State != Complete {
		t.Errorf("%d packets, state %s; want 5", n, c.State)
	}
	if got, err := env.Case("by-hand"); err != nil || got.SearchQuery() == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Pin(context.Background(), env, Request{Case: "by-hand", Query: "all"}); err == nil || !strings.Contains(err.Error(), "there is a case") {
		t.Errorf("the same name again: %v", err)
	}
	for _, r := range []Request{{}, {Query: "nonsense ("}, {Query: "all", Case: "../x"}, {Query: "case by-hand"}, {Query: "from 2026-06-01T09:00 to 2026-06-01T08:00"}} {
		if _, err := Pin(context.Background(), env, r); err == nil {
			t.Errorf("%+v was pinned", r)
		}
	}
	journal, _ := os.ReadFile(filepath.Join(env.Dir, journalName))
	if !bytes.Contains(journal, []byte(`"reason":"court order 7"`)) || len(journalState(t, env).Problems) != 0 {
		t.Errorf("journal:\n%s", journal)
	}
}

// TestPinLost: what rotated away before the pin is named in minutes.
func TestPinLost(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	entries, _ := os.ReadDir(env.Dir)
	for _, e := range entries {
		if start, _, ok := segment.ParseName(e.Name()); ok && start < minute(14) {
			os.Remove(filepath.Join(env.Dir, e.Name()))
			os.Remove(filepath.Join(env.Dir, indexName(e.Name())))
		}
	}
	c, dir := pinned(t, env, alertRequest())
	var gaps []gapFact
	for l := range strings.Lines(manifestText(t, dir)) {
		var g gapFact
		if json.Unmarshal([]byte(l), &g) == nil && g.Kind == "gap" && g.What == "rotated away" {
			gaps = append(gaps, g)
		}
	}
	if len(gaps) != 1 || gaps[0].From != timeText(minute(10)) || gaps[0].Minutes < 4 || gaps[0].Minutes > 5 || gaps[0].Packets == 0 || c.State != Complete {
		t.Errorf("state %s, gaps %+v; want one from minute 10 to 14", c.State, gaps)
	}
}

// TestPinNoLinks: where segments cannot be held, what is there is copied at once,
// and what comes in slices.
func TestPinNoLinks(t *testing.T) {
	env := labEnv(t)
	env.link = func(string, string) error { return &os.LinkError{Op: "link", Err: unix.EPERM} }
	events := scenario()
	counters := new(segment.Counters)
	record(t, env.Dir, events, 0, 21, counters)
	c, err := env.newCase(alertRequest())
	if err != nil {
		t.Fatal(err)
	}
	w, err := env.open(c, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.leave()
	ctx := context.Background()
	if err := w.early(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.window(ctx, minute(21)); err != nil {
		t.Fatal(err)
	}
	rotate(t, env.Dir) // everything so far is gone
	record(t, env.Dir, events, 21, 30, counters)
	if err := w.finish(ctx); err != nil {
		t.Fatal(err)
	}
	all, _ := expected(events, minute(10), minute(25))
	s := w.state()
	if n := len(packetsOf(t, env.Path(s.Name))); n != all || !s.NoLinks || s.State != Complete {
		t.Errorf("%d packets, %+v; want %d", n, s, all)
	}
}

func TestRelease(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	c, dir := pinned(t, env, alertRequest())
	if err := ReleaseKeep(env, c.Name, "handed over"); err != nil {
		t.Fatal(err)
	}
	list, err := List(env.Cases)
	if err != nil || len(list) != 1 || list[0].State != Released {
		t.Fatalf("cases %+v, %v", list, err)
	}
	if n, err := env.used(""); n != 0 || err != nil {
		t.Errorf("%d octets of a released case count, %v", n, err)
	}
	if v, err := Verify(dir, nil); err != nil || !v.OK() {
		t.Errorf("a kept case: %v, %v", v.Problems, err)
	}
	if err := Release(env, c.Name, "done"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !absent(err) {
		t.Errorf("the directory is there: %v", err)
	}
	if list, err := List(env.Cases); err != nil || len(list) != 0 {
		t.Errorf("cases %+v, %v", list, err)
	}
	if s := journalState(t, env); !s.Released[c.Name] || len(s.Problems) != 0 {
		t.Errorf("journal %+v", s)
	}
	for _, name := range []string{"nothing", "../evidence", ""} {
		if err := Release(env, name, ""); err == nil {
			t.Errorf("%q was released", name)
		}
	}
}
