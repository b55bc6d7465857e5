package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// timeless removes from a record what live capture at another speed cannot share
// with the file: times, what is computed from them, and ids, which are hashes of
// the first packet's time.
func timeless(record map[string]any) {
	for _, key := range slices.Collect(maps.Keys(record)) {
		switch key {
		case "@timestamp", "id", "flow_id", "start", "end", "duration", "request_end", "response_start", "rtt", "visibility":
			delete(record, key)
		}
		switch sub := record[key].(type) {
		case map[string]any:
			timeless(sub)
		case []any:
			for _, x := range sub {
				if m, ok := x.(map[string]any); ok {
					timeless(m)
				}
			}
		}
	}
}

// unlearned removes what other records told of a record's ends: who is who depends
// on leases, on how long a name is believed and on what waits for what, and the
// replay is thousands of times faster than life was.
func unlearned(record map[string]any) {
	drop := func(in map[string]any, keys ...string) {
		for _, key := range keys {
			delete(in, key)
		}
	}
	drop(record, "related", "kagami.export")
	if source, ok := record["source"].(map[string]any); ok {
		drop(source, "domain", "user")
	}
	if network := record["network"].(map[string]any); network["transport"] == "udp" {
		// What comes again within a minute is the same flow, and its first packet tells where it came from.
		drop(network, "vlan")
		drop(record["source"].(map[string]any), "mac")
	}
	own := record["kagami"].(map[string]any)
	drop(own, "workstation", "proxy", "name")
	for _, side := range []string{"client", "server"} {
		s, _ := own[side].(map[string]any)
		for _, key := range slices.Collect(maps.Keys(s)) {
			if strings.HasPrefix(key, "os") || strings.HasPrefix(key, "name") || strings.HasPrefix(key, "user") {
				delete(s, key)
			}
		}
		if len(s) == 0 {
			delete(own, side)
		}
	}
}

// essences are the records that must be the same live and from a file, sorted.
// Of flows these are TCP connections whose FINs or RST were seen: the others end by
// time-outs, and the replay is thousands of times faster than life was. Alerts
// are about rates and rhythms, which the speed changes.
//
// more, if not nil, removes further things from a flow.
func essences(t *testing.T, path string, more func(flow map[string]any)) (out []string, kinds map[string]int) {
	t.Helper()
	kinds = map[string]int{}
	for i, line := range lines(t, path) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s line %d: %v", path, i+1, err)
		}
		event := r["event"].(map[string]any)
		kind := event["dataset"].(string)
		if slices.Contains([]string{"kagami.alert", "kagami.stats", "kagami.identity", "kagami.heartbeat"}, kind) {
			continue
		}
		unlearned(r)
		if kind == "kagami.flow" && !closed(r) {
			continue
		}
		if kind == "kagami.flow" && more != nil {
			more(r)
		}
		delete(event, "reason") // the file's last connection is closed, but the file ends while it lingers
		kinds[kind]++
		if dns, ok := r["dns"].(map[string]any); ok {
			kind = fmt.Sprint(kind, " ", dns["id"]) // timeless takes ids of all kinds away
		}
		timeless(r)
		text, err := json.Marshal(r) // with sorted keys
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, kind+" "+string(text))
	}
	slices.Sort(out)
	return out, kinds
}

// kindsOf counts the records of a file by kind.
func kindsOf(t *testing.T, path string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for i, line := range lines(t, path) {
		var r struct{ Event struct{ Dataset string } }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s line %d: %v", path, i+1, err)
		}
		n[r.Event.Dataset]++
	}
	return n
}

// closed tells that a flow is a TCP connection whose end was seen.
func closed(flow map[string]any) bool {
	conn, _ := flow["kagami"].(map[string]any)["conn"].(map[string]any)
	state, _ := conn["state"].(string)
	network := flow["network"].(map[string]any)
	return network["transport"] == "tcp" && slices.Contains([]string{"SF", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH"}, state)
}

func TestLiveEqualsFile(t *testing.T) {
	ownNetwork(t)
	liveEqualsFile(t, strings.Replace(recordsOnly, "workers = 2", "workers = 2\nshunt_flows = 0", 1), nil)
}

// TestLiveShuntingEqualsFile: what the kernel counted instead of handing it over
// makes the same totals. Nobody looked at those packets' sequence numbers, so
// retransmissions among them are payload like any other.
func TestLiveShuntingEqualsFile(t *testing.T) {
	ownNetwork(t)
	shunted := 0
	liveEqualsFile(t, recordsOnly, func(flow map[string]any) {
		k := flow["kagami"].(map[string]any)
		conn := k["conn"].(map[string]any)
		if conn["shunted"] == true {
			shunted++
		}
		delete(conn, "shunted")
		delete(conn, "history")
		for _, side := range []string{"client", "server"} {
			s := k[side].(map[string]any)
			delete(s, "payload_bytes")
			delete(s, "retransmitted_bytes")
		}
	})
	if shunted == 0 {
		t.Skip("no flow was shunted: this machine may not load eBPF programs")
	}
	t.Logf("%d flows were shunted", shunted)
}

func liveEqualsFile(t *testing.T, config string, more func(map[string]any)) {
	t.Helper()
	frames := office(t, "")
	l := startLive(t, t.TempDir(), config)
	const replay = 8 * time.Second
	play(t, frames, float64(frames[len(frames)-1].Time-frames[0].Time)/float64(replay))
	time.Sleep(1500 * time.Millisecond) // closed connections linger for a second
	l.stop()
	got, kinds := essences(t, l.path("records.jsonl"), more)
	want, wantKinds := essences(t, filepath.Join(read(t, []string{officeCapture}), "records.jsonl"), more)
	t.Logf("compared: %v", wantKinds)
	if !maps.Equal(kinds, wantKinds) || len(want) < 5000 {
		t.Errorf("records by kind: live %v, from the file %v", kinds, wantKinds)
	}
	n := map[string]int{}
	for _, s := range want {
		n[s]++
	}
	for _, s := range got {
		n[s]--
	}
	shown := 0
	for _, s := range slices.Sorted(maps.Keys(n)) {
		if n[s] != 0 && shown < 6 {
			shown++
			t.Errorf("from the file %+d times more than live: %.900s", n[s], s)
		}
	}
}

func TestLiveFirstRecord(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), recordsOnly)
	for _, c := range []struct {
		what, filter, mark string
	}{
		{"DNS answer", "udp port 52773", `"action":"dns-answer"`},
		{"HTTP transaction", "tcp port 54469", `"dataset":"kagami.http"`},
	} {
		play(t, office(t, c.filter), 0)
		began := time.Now()
		l.written("records.jsonl", c.mark)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: its record was in the file after %v, want 2 s at most", c.what, took)
		} else {
			t.Logf("%s: its record was in the file after %v", c.what, took)
		}
	}
	l.stop()
}

func TestLiveTermFlushes(t *testing.T) {
	ownNetwork(t)
	config := recordsOnly
	for _, format := range []string{"squid", "netscreen", "bind"} {
		config += fmt.Sprintf("[[export]]\nformat = %q\nto = \"file://DIR/%s.log\"\n", format, format)
	}
	l := startLive(t, t.TempDir(), config)
	play(t, append(office(t, "udp port 52773"), transaction(t, 54469)[:6]...), 0)
	l.stop() // nothing was written yet, and the connection is open
	for name, want := range map[string]int{"squid.log": 1, "netscreen.log": 2, "bind.log": 1} {
		if n := len(lines(t, l.path(name))); n != want {
			t.Errorf("%s: %d lines, want %d: %s", name, n, want, l.file(name))
		}
	}
	if got := kindsOf(t, l.path("records.jsonl")); got["kagami.dns"] != 2 || got["kagami.http"] != 1 || got["kagami.flow"] != 2 {
		t.Errorf("records: %v, want 2 of DNS, one of HTTP, 2 of flows", got)
	}
	if !strings.Contains(l.stdout.String(), "8 frames") {
		t.Errorf("no summary: %s", l.stdout.String())
	}
}

func TestLiveRotation(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), recordsOnly)
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))
	if err := os.Rename(l.path("records.jsonl"), l.path("records.jsonl.1")); err != nil {
		t.Fatal(err)
	}
	l.signal(unix.SIGHUP)
	l.logged("files reopened, configuration unchanged")
	play(t, transaction(t, 60689), 0)
	l.written("records.jsonl", transactionMark(60689))
	l.stop()
	old, fresh := kindsOf(t, l.path("records.jsonl.1")), kindsOf(t, l.path("records.jsonl"))
	for _, kind := range []string{"kagami.http", "kagami.flow"} {
		if old[kind]+fresh[kind] != 2 {
			t.Errorf("%s: %d records in the old file, %d in the new one, want 2 in all", kind, old[kind], fresh[kind])
		}
	}
}

func TestLiveReload(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), recordsOnly)
	l.configure(strings.Replace(recordsOnly, "workers = 2", "wrokers = 2", 1))
	l.signal(unix.SIGHUP)
	l.logged("reload refused, the old configuration stays")
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))

	l.configure(recordsOnly + "[[export]]\nformat = \"squid\"\nto = \"file://DIR/access.log\"\n")
	l.signal(unix.SIGHUP)
	l.logged("(?s)configuration changed: starting anew.*msg=capturing")
	play(t, transaction(t, 60689), 0)
	l.written("access.log", "10.0.0.13")
	l.written("records.jsonl", transactionMark(60689))
	l.stop()
}

func TestLiveInterfaceFlaps(t *testing.T) {
	ownNetwork(t)
	l := startLive(t, t.TempDir(), recordsOnly)
	step := func(port uint16) {
		t.Helper()
		play(t, transaction(t, port), 0)
		l.written("records.jsonl", transactionMark(port))
	}
	step(54469)
	ip(t, "link set k0 down")
	l.logged("interface is down: waiting")
	ip(t, "link set k0 up")
	l.logged("interface is up again")
	step(60689)
	ip(t, "link del k0")
	l.until("second message", func() bool { return strings.Count(l.log.String(), "interface is down: waiting") == 2 })
	addPair(t)
	l.until("second return", func() bool { return strings.Count(l.log.String(), "interface is up again") == 2 })
	step(41858)
	l.stop()
}

func TestLiveStartFails(t *testing.T) {
	ownNetwork(t)
	ip(t, "link set k1 down")
	for args, want := range map[string]string{
		"-i eth9": "kagami: capture eth9: no such interface; this machine has: lo, k1, k0\n",
		"-i k1":   "kagami: capture k1: interface is down; ip link set k1 up\n",
	} {
		code, stderr := fails(t, append([]string{"run"}, strings.Fields(args)...)...)
		if code != 1 || !strings.HasSuffix(stderr, want) {
			t.Errorf("run %s: exit status %d, %q, want 1, %q", args, code, stderr, want)
		}
	}
}

// evidenceToo keeps packets as well.
const evidenceToo = recordsOnly + `
[evidence]
enabled = true
dir = "DIR/evidence"
min_free_bytes = 0
segment_bytes = 1048576
`

func TestLiveKill(t *testing.T) {
	ownNetwork(t)
	dir := t.TempDir()
	l := startLive(t, dir, evidenceToo)
	frames := office(t, "")[:6000]
	play(t, frames, float64(frames[len(frames)-1].Time-frames[0].Time)/float64(3*time.Second))
	l.written("records.jsonl", "kagami.http")
	time.Sleep(evidenceFlush)
	l.signal(unix.SIGKILL)
	l.ends()

	text := []byte(l.file("records.jsonl"))
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for line := range bytes.Lines(whole) {
		if !json.Valid(line) {
			t.Errorf("not a record: %.200s", line)
		}
	}
	if n := bytes.Count(whole, []byte("\n")); n < 500 {
		t.Errorf("only %d records were in the file", n)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "evidence", "*.pcapng"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	// Reading fails the test if a segment ends within a packet.
	if got := len(framesOf(t, segments, "")); got < 5000 || got > len(frames) {
		t.Errorf("%d packets in the segments, %d were sent", got, len(frames))
	}

	again := startLive(t, dir, evidenceToo) // the lock of the dead one is gone
	play(t, transaction(t, 54469), 0)
	again.written("records.jsonl", transactionMark(54469))
	again.stop()
	for i, line := range lines(t, again.path("records.jsonl")) {
		if !json.Valid(line) && i != bytes.Count(whole, []byte("\n")) { // only what the kill tore
			t.Errorf("line %d is no record: %.200s", i+1, line)
		}
	}
}

// evidenceFlush is a little more than evidence.flush_ms and the queues' flush.
const evidenceFlush = 2500 * time.Millisecond

func TestLiveMetrics(t *testing.T) {
	ownNetwork(t)
	const addr = "127.0.0.1:9779"
	l := startLive(t, t.TempDir(), recordsOnly+"[metrics]\nlisten = \""+addr+"\"\n")
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))
	got := scrape(t, addr)
	for name, want := range map[string]string{
		"kagami_capture_frames_total":               "8",
		"kagami_capture_dropped_total":              "0",
		`kagami_frames_total{outcome="ok"}`:         "8",
		`kagami_frames_total{outcome="bad_header"}`: "0",
		"kagami_flows_total":                        "1",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	l.stop()
}
