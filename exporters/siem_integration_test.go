package exporters

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"kagami/lab/integration"
	"kagami/records"
)

// The integration tests start real servers and stop them: see lab/integration.
const integrationRecords = 100_000

// manyLines are numbered ECS lines of records of every kind, no two the same.
func manyLines(t *testing.T, n int) []Line {
	t.Helper()
	f, kinds := newECS(Env{}), sample(t)
	out := make([]Line, n)
	for i := range out {
		r := kinds[i%len(kinds)]
		m := r.Meta()
		m.UID, m.At = uint64(i+1), 1_770_000_000e9+int64(i)*1e6
		text, ok := f.Append(nil, r)
		if !ok {
			t.Fatal("no line")
		}
		out[i] = Line{Text: text, At: m.At, Kind: m.Kind, Severity: severity(r), Seq: uint64(i + 1)}
	}
	return out
}

// deliverThrough sends lines batch by batch as a queue does, and kills the server
// twice while it does: once to come back at once, once after a batch of errors.
func deliverThrough(t *testing.T, s Sink, server *integration.Server, lines []Line) {
	t.Helper()
	e := newExport("test", newECS(Env{}), s, slog.New(slog.DiscardHandler))
	done := make(chan time.Duration)
	go func() {
		start := time.Now()
		for rest := lines; len(rest) > 0; {
			n := min(batchLines, len(rest))
			if err := e.deliver(context.Background(), rest[:n], Drop); err != nil {
				t.Error(err)
			}
			rest = rest[n:]
		}
		done <- time.Since(start)
	}()
	for _, part := range []int{3, 2} {
		for e.sent.Load() < uint64(len(lines)/part) {
			time.Sleep(time.Millisecond)
		}
		server.Kill()
		time.Sleep(time.Second)
		server.Run()
	}
	took := <-done
	st := e.Stats()
	t.Logf("%d records in %v with two kills, %d attempts failed", len(lines), took.Round(time.Millisecond), st.Errors)
	if st.Sent != uint64(len(lines)) || st.Failed != 0 || st.Errors == 0 {
		t.Errorf("%+v", st)
	}
	e.Close(context.Background())
}

func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d, %.1000s, %v", method, url, r.StatusCode, b, err)
	}
	return string(b)
}

// wantOnce: every line came back, as it was sent, once.
func wantOnce(t *testing.T, lines []Line, got map[uint64][]string) {
	t.Helper()
	problems := 0
	for i := range lines {
		if copies := got[lines[i].Seq]; len(copies) != 1 || copies[0] != string(lines[i].Text) {
			if problems++; problems < 5 {
				t.Errorf("record %d came back %d times: %.300q", lines[i].Seq, len(copies), copies)
			}
		}
	}
	if len(got) != len(lines) {
		t.Errorf("%d records came back, want %d", len(got), len(lines))
	}
	if problems > 0 {
		t.Errorf("%d of %d records are not there once", problems, len(lines))
	}
	t.Logf("%d of %d records came back as they were sent, over two kills of the server", len(got), len(lines))
}

func kindCount(lines []Line, k records.Kind) (n int) {
	for i := range lines {
		if lines[i].Kind == k {
			n++
		}
	}
	return n
}
