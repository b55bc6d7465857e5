package exporters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/records"
)

// linesFrom are lines with numbers from first on.
func linesFrom(first uint64, kind records.Kind, texts ...string) []Line {
	out := linesOf(texts...)
	for i := range out {
		out[i].Seq, out[i].Kind = first+uint64(i), kind
	}
	return out
}

// httpKind is a sink that is reached by HTTP, with a fake of its server that
// keeps each record once.
type httpKind struct {
	scheme string
	path   string
	proper func(t *testing.T, got *store) func(http.ResponseWriter, *http.Request, string)
	line   func(t *testing.T, n int) string
}

// store is what a fake keeps: records in order of arrival, each once.
type store struct {
	mu   sync.Mutex
	ids  map[string]bool
	docs []string
}

func (s *store) add(id, doc string) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" && s.ids[id] {
		return false
	}
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	s.ids[id] = true
	s.docs = append(s.docs, doc)
	return true
}

func (s *store) want(t *testing.T, docs ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(docs) != len(s.docs) {
		t.Fatalf("the server has %d records, want %d: %.300q", len(s.docs), len(docs), s.docs)
	}
	for i := range docs {
		if s.docs[i] != docs[i] {
			t.Errorf("record %d is %.200s, want %.200s", i, s.docs[i], docs[i])
		}
	}
}

func httpKinds() []httpKind {
	return []httpKind{
		{"opensearch", "/logs-kagami-default", fakeBulk, func(_ *testing.T, n int) string {
			return fmt.Sprintf(`{"@timestamp":"2014-12-06T00:11:15Z","n":%d}`, n)
		}},
		{"clickhouse", "/kagami.raw", fakeClickHouse, func(_ *testing.T, n int) string { return fmt.Sprintf("line %d \"あ\"", n) }},
		{"webhook", "/hook", fakeWebhook, func(t *testing.T, n int) string {
			a := alertRecord(t)
			a.Update = n
			return lineOf(t, newECS(Env{}), a)
		}},
	}
}

// fakeWebhook keeps what it is sent; it has no ids to know anything again.
func fakeWebhook(_ *testing.T, got *store) func(http.ResponseWriter, *http.Request, string) {
	return func(_ http.ResponseWriter, _ *http.Request, body string) { got.add("", body) }
}

// TestHTTPFaults: whatever the server does, every record arrives once and in
// order when it works again, and the error says what happened.
func TestHTTPFaults(t *testing.T) {
	faults := []struct {
		name      string
		do        http.HandlerFunc
		transient bool
		err       string
	}{
		{"closes before the body is read", closesAfter(0), true, "post to"},
		{"closes within the body", closesAfter(20), true, "post to"},
		{"cuts its answer", cutsAnswer, true, "answer"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, true, "deadline exceeded"},
		{"500", answers(500, "", "oops"), true, `500: "oops"`},
		{"502", answers(502, "", "<html>"), true, "502"},
		{"429 with Retry-After", answers(429, "Retry-After: 1", ""), true, "429"},
		{"401", answers(401, "", "who are you"), false, "credentials not accepted"},
		{"404", answers(404, "", "no such index"), false, "404"},
		{"redirect", answers(302, "Location: http://127.0.0.1:1/elsewhere", ""), false, "redirects are not followed"},
	}
	for _, k := range httpKinds() {
		for _, f := range faults {
			t.Run(k.scheme+" "+f.name, func(t *testing.T) {
				var got store
				server := serve(t, nil, k.proper(t, &got))
				s := openSink(t, k.scheme+"+"+server.URL+k.path+"?timeout=1s&"+k.options(), Env{HostName: "sensor", SeqID: "7"})
				defer s.Close()
				texts := []string{k.line(t, 1), k.line(t, 2), k.line(t, 3)}
				lines := linesFrom(1, records.KindAlert, texts...)
				server.will(f.do)
				w, err := s.Write(context.Background(), lines)
				var passes transientError
				if err == nil || !strings.Contains(err.Error(), f.err) || errors.As(err, &passes) != f.transient || w.done() != 0 {
					t.Fatalf("%+v, %v (transient %v); want %q", w, err, errors.As(err, &passes), f.err)
				}
				writeUntil(t, s, lines)
				got.want(t, texts...)
			})
		}
	}
}

// options are those that make a test quick.
func (k httpKind) options() string {
	if k.scheme == "webhook" {
		return "rate=6000"
	}
	return ""
}

// writeUntil offers lines until they are sent, as a queue does.
func writeUntil(t *testing.T, s Sink, lines []Line) (refused int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(lines) > 0; {
		w, err := s.Write(context.Background(), lines)
		lines = lines[w.done():]
		refused += w.Refused
		if err != nil {
			time.Sleep(50 * time.Millisecond)
		}
		if time.Now().After(end) {
			t.Fatalf("%d lines left: %v", len(lines), err)
		}
	}
	return refused
}

// TestHTTPServerIsAway: nobody listens, then somebody does.
func TestHTTPServerIsAway(t *testing.T) {
	for _, k := range httpKinds() {
		t.Run(k.scheme, func(t *testing.T) {
			l := listen(t, "127.0.0.1:0")
			address := l.Addr().String()
			l.Close()
			s := openSink(t, k.scheme+"+http://"+address+k.path, Env{})
			defer s.Close()
			w, err := s.Write(context.Background(), linesFrom(1, records.KindAlert, k.line(t, 1)))
			var passes transientError
			if w.done() != 0 || !errors.As(err, &passes) || !strings.Contains(err.Error(), "refused") {
				t.Errorf("%+v, %v", w, err)
			}
		})
	}
}

// TestHTTPNames: a name that cannot be looked up. It is no name at all, so that no
// question leaves this machine.
func TestHTTPNames(t *testing.T) {
	for _, k := range httpKinds() {
		s := openSink(t, k.scheme+"+https://no..such"+k.path, Env{})
		defer s.Close()
		w, err := s.Write(context.Background(), linesFrom(1, records.KindAlert, k.line(t, 1)))
		var passes transientError
		if w.done() != 0 || !errors.As(err, &passes) || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %+v, %v", k.scheme, w, err)
		}
	}
}

func TestHTTPTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	newCA(t, dir, "other")
	server := ca.issue(t, dir, "server", "localhost")
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, k := range httpKinds() {
		for _, c := range []struct {
			name, options string
			max           uint16
			fails         string
		}{
			{"right CA", "ca=" + file("ca.pem") + "&server_name=localhost", 0, ""},
			{"wrong CA", "ca=" + file("other.pem") + "&server_name=localhost", 0, "unknown authority"},
			{"the system's CAs", "server_name=localhost", 0, "unknown authority"},
			{"wrong name", "ca=" + file("ca.pem"), 0, "127.0.0.1"},
			{"TLS 1.1", "ca=" + file("ca.pem") + "&server_name=localhost", tls.VersionTLS11, "protocol version"},
		} {
			t.Run(k.scheme+" "+c.name, func(t *testing.T) {
				var got store
				config := &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS10, MaxVersion: c.max}
				at := serve(t, config, k.proper(t, &got))
				s := openSink(t, k.scheme+"+"+at.URL+k.path+"?"+c.options, Env{})
				defer s.Close()
				w, err := s.Write(context.Background(), linesFrom(1, records.KindAlert, k.line(t, 1)))
				switch {
				case c.fails == "":
					if err != nil || w.Sent != 1 {
						t.Errorf("%+v, %v", w, err)
					}
				case err == nil || !strings.Contains(err.Error(), c.fails) || w.done() != 0:
					t.Errorf("%+v, %v; want %q", w, err, c.fails)
				case at.asked != 0:
					t.Error("a request reached a server that was not verified")
				}
			})
		}
	}
}

// TestHTTPStopsWithItsContext: a server that hangs costs no more than the context,
// and no goroutine outlives Close.
func TestHTTPStopsWithItsContext(t *testing.T) {
	for _, k := range httpKinds() {
		server := serve(t, nil, func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
		before := runtime.NumGoroutine()
		s := openSink(t, k.scheme+"+"+server.URL+k.path, Env{})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		start := time.Now()
		if w, err := s.Write(ctx, linesFrom(1, records.KindAlert, k.line(t, 1))); err == nil || w.done() != 0 || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %+v, %v after %v", k.scheme, w, err, time.Since(start))
		}
		cancel()
		s.Close()
		server.CloseClientConnections()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%s: %d goroutines, %d before", k.scheme, n, before)
		}
	}
}

// TestHTTPCredentials: they reach the server, are read again when it does not
// accept them, and stand in no error and no log.
func TestHTTPCredentials(t *testing.T) {
	for _, c := range []struct{ option, want, renewed string }{
		{"user=kagami&password=file:%s", "Basic a2FnYW1pOnMzY3JldA==", "Basic a2FnYW1pOnJlbmV3ZWQ="},
		{"token=file:%s", "Bearer s3cret", "Bearer renewed"},
		{"api_key=file:%s", "ApiKey s3cret", "ApiKey renewed"},
	} {
		file := filepath.Join(t.TempDir(), "secret")
		save(t, file, "s3cret\n")
		var got store
		server := serve(t, nil, fakeBulk(t, &got))
		var log strings.Builder
		s := openSink(t, "opensearch+"+server.URL+"?"+fmt.Sprintf(c.option, file), Env{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer s.Close()
		save(t, file, "renewed\n")
		server.will(answers(401, "", "no"))
		_, err := s.Write(context.Background(), linesFrom(1, 0, "{}"))
		if err == nil || strings.Contains(err.Error()+log.String(), "s3cret") {
			t.Errorf("%v, log %q", err, log.String())
		}
		writeUntil(t, s, linesFrom(1, 0, "{}"))
		if a, b := server.heads[0].Get("Authorization"), server.heads[1].Get("Authorization"); a != c.want || b != c.renewed {
			t.Errorf("%s: got %q, then %q", c.option, a, b)
		}
	}
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHTTPOptions(t *testing.T) {
	for _, c := range []struct{ url, err string }{
		{"opensearch+https://h/logs-kagami-x?user=u&password=env:P&timeout=5s&compress=none&ca=/c", ""},
		{"opensearch+https://h", ""},
		{"opensearch+https://", "want a host"},
		{"opensearch+https://u:hunter2@h", "a password in a URL ends up in logs"},
		{"opensearch+https://u@h", "want the user as an option"},
		{"opensearch+https://h?password=hunter2&user=u", "never the secret itself"},
		{"opensearch+https://h?user=u", "user and password go together"},
		{"opensearch+https://h?token=env:T&api_key=env:A", "want one of password, token, api_key"},
		{"opensearch+http://10.0.0.1?token=env:T", "in clear"},
		{"opensearch+http://127.0.0.1?token=env:T", ""},
		{"opensearch+http://h?ca=/x", `option "ca" is unknown`},
		{"opensearch+https://h?cert=/x", "cert and key go together"},
		{"opensearch+https://h?timeout=1ms", "timeout"},
		{"opensearch+https://h?compress=lz4", "gzip or none"},
		{"opensearch+https://h?tokn=env:T", `did you mean "token"?`},
		{"opensearch+https://h/Upper", "lower case"},
		{"opensearch+https://h/a/b", "name of a data stream"},
		{"opensearch+https://h/_bulk", "name of a data stream"},
		{"clickhouse+https://h/db.table", ""},
		{"clickhouse+https://h/db.table;drop", "name of a table"},
		{"clickhouse+https://h?api_key=env:A", "api_key"},
		{"webhook+https://h/x?token=env:T", ""},
		{"webhook+https://hooks.slack.com/services/T/B/X?style=slack", "is its password"},
		{"webhook:?style=slack&url=file:/x", ""},
		{"webhook:?style=slack", "want webhook:?url=file:/path"},
		{"webhook:?url=https://hooks.slack.com/services/hunter2", "never the secret itself"},
		{"webhook+https://h/x?url=file:/x", "not both"},
		{"webhook+https://h/x?style=irc", "want one of json, slack, teams"},
		{"webhook:?url=file:/x&style=teams&all=yes", "only style=json"},
		{"webhook:?url=file:/x&lang=fr", "want en or ja"},
		{"webhook:?url=file:/x&rate=0", "rate"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Config{To: c.url}.place()
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, want %q", u.Redacted(), err, c.err)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), u.Redacted(), ""), "hunter2") {
			t.Errorf("%s: the error quotes the secret: %v", u.Redacted(), err)
		}
	}
}

// TestRetryAfter: RFC 9110 section 10.2.3, with a limit.
func TestRetryAfter(t *testing.T) {
	for v, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "-1": 0, "x": 0, "86400": maxRetryAfter,
		"Fri, 31 Dec 1999 23:59:59 GMT": 0, "Fri, 31 Dec 2999 23:59:59 GMT": maxRetryAfter} {
		if got := retryAfter(v); got != want {
			t.Errorf("%q: got %v, want %v", v, got, want)
		}
	}
}

func isTransient(err error) bool {
	var t transientError
	return errors.As(err, &t)
}
