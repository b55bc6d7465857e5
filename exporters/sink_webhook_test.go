package exporters

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kagami/records"
)

// hostileAlert quotes what an attacker may have put on the wire.
func hostileAlert(t *testing.T) *records.Alert {
	a := alertRecord(t)
	a.Title = "pc5 asks <!channel> & <https://evil.example|here> *bold* [click](https://evil.example)\nTo: x\u202eevil"
	a.Evidence = []string{"name \"</TextBlock>\" {{x}} `code`", strings.Repeat("あ", 4000)}
	a.Fetch = "kagami evidence extract alert ```0000-1-a1``` <x>"
	a.TitleJA, a.EvidenceJA, a.BenignJA = "pc5 がプロキシを通らない", []string{"接続 12 回", "プロキシへの要求なし"}, "更新サービス"
	a.Advice, a.AdviceJA = "ask bob", "bob に聞く"
	return a
}

func alertLineOf(t *testing.T, a *records.Alert) string { return lineOf(t, newECS(Env{}), a) }

// posted opens a webhook, sends lines and returns what arrived.
func posted(t *testing.T, style, options string, lines []Line) (bodies []string, w Written, log string) {
	t.Helper()
	server := serve(t, nil, func(_ http.ResponseWriter, r *http.Request, body string) {
		if r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/services/T/B/hunter2" {
			t.Errorf("%v %v", r.URL, r.Header)
		}
		bodies = append(bodies, body)
	})
	file := t.TempDir() + "/url"
	save(t, file, server.URL+"/services/T/B/hunter2\n")
	var text bytes.Buffer
	s := openSink(t, "webhook:?rate=6000&style="+style+"&url=file:"+file+options, Env{Logger: slog.New(slog.NewTextHandler(&text, nil)), Location: tokyo})
	defer s.Close()
	w, err := s.Write(context.Background(), lines)
	if err != nil {
		t.Fatal(err)
	}
	return bodies, w, text.String()
}

// TestWebhookSlack: nothing from the wire is mrkdwn, and no text is longer than
// Slack takes.
func TestWebhookSlack(t *testing.T) {
	bodies, _, _ := posted(t, "slack", "", linesFrom(1, records.KindAlert, alertLineOf(t, hostileAlert(t))))
	var m struct {
		Text   string
		Mrkdwn *bool
		Blocks []struct {
			Type   string
			Text   *struct{ Type, Text string }
			Fields []struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal([]byte(bodies[0]), &m); err != nil {
		t.Fatal(err)
	}
	if m.Mrkdwn == nil || *m.Mrkdwn || strings.ContainsAny(m.Text, "<>\n\u202e") || !strings.Contains(m.Text, "&lt;!channel&gt; &amp; &lt;https") {
		t.Errorf("text %q", m.Text)
	}
	commands := 0
	for _, b := range m.Blocks {
		if b.Text == nil {
			continue
		}
		limit := 3000
		if b.Type == "header" {
			limit = 150
		}
		if n := utf8.RuneCountInString(b.Text.Text); n > limit || n == 0 {
			t.Errorf("%s of %d characters", b.Type, n)
		}
		if b.Text.Type == "mrkdwn" {
			commands++
			if b.Text.Text != "Fetch its packets:\n```kagami evidence extract alert '''0000-1-a1''' &lt;x&gt;```" {
				t.Errorf("command %q", b.Text.Text)
			}
		}
	}
	if commands != 1 {
		t.Errorf("%d commands", commands)
	}
	facts := ""
	for _, f := range m.Blocks[1].Fields {
		facts += f.Text + "|"
	}
	if facts != "Source: 192.168.100.5, pc5, bob|Destination: www.example.com:443|From: 2014-12-06 08:11:15 +0900|Until: 2014-12-06 09:11:15 +0900|Technique: T1071|" {
		t.Errorf("facts %s", facts)
	}
}

// TestWebhookTeams: a card of rich text, in which no Markdown is read, in Japanese.
func TestWebhookTeams(t *testing.T) {
	bodies, _, _ := posted(t, "teams", "&lang=ja", linesFrom(1, records.KindAlert, alertLineOf(t, hostileAlert(t))))
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(bodies[0]), &m); err != nil || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].Content.Type != "AdaptiveCard" {
		t.Fatalf("%v: %.300s", err, bodies[0])
	}
	if len(bodies[0]) > 28<<10 {
		t.Errorf("%d octets", len(bodies[0]))
	}
	all := ""
	for _, b := range m.Attachments[0].Content.Body {
		if b.Type != "RichTextBlock" {
			t.Errorf("a %s may read Markdown", b.Type)
		}
		for _, run := range b.Inlines {
			all += run.Text + "|"
		}
	}
	for _, want := range []string{"[高] pc5 がプロキシを通らない (続報 2)|", "通信元: |192.168.100.5, pc5, bob|", "• 接続 12 回|", "無害の可能性|• 更新サービス|対処|• bob に聞く|", "kagami evidence extract"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
}

// TestWebhookJSON: the ECS line as it is, alerts only unless asked for more.
func TestWebhookJSON(t *testing.T) {
	alert, flow := alertLineOf(t, alertRecord(t)), lineOf(t, newECS(Env{}), flowRecord(t, nil))
	lines := append(linesFrom(1, records.KindAlert, alert), linesFrom(2, records.KindFlow, flow)...)
	bodies, w, log := posted(t, "json", "", lines)
	if len(bodies) != 1 || bodies[0] != alert || w != (Written{Sent: 1, Refused: 1}) || !strings.Contains(log, `records = [\"alert\"]`) {
		t.Errorf("%q, %+v, log %s", bodies, w, log)
	}
	if bodies, w, _ = posted(t, "json", "&all=yes", lines); len(bodies) != 2 || bodies[1] != flow || w.Sent != 2 {
		t.Errorf("%q, %+v", bodies, w)
	}
	if _, w, log = posted(t, "slack", "", linesFrom(1, records.KindAlert, "CEF:0|x")); w.Refused != 1 || !strings.Contains(log, `format = \"ecs\"`) {
		t.Errorf("%+v, log %s", w, log)
	}
}

// TestWebhookAnswers: what can never be taken is refused, the rest waits; Teams
// tells of trouble in a 200; no error shows the secret URL.
func TestWebhookAnswers(t *testing.T) {
	for _, c := range []struct {
		style, body string
		status      int
		refused     int
		transient   bool
	}{
		{"slack", "invalid_blocks", 400, 1, false},
		{"slack", "no_service", 404, 0, false},
		{"slack", "invalid_token", 403, 0, false},
		{"slack", "", 500, 0, true},
		{"teams", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId", 200, 0, true},
		{"teams", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413", 200, 1, false},
	} {
		server := serve(t, nil, func(http.ResponseWriter, *http.Request, string) {})
		server.will(answers(c.status, "", c.body))
		t.Setenv("TEST_WEBHOOK", server.URL+"/hunter2")
		var log bytes.Buffer
		s := openSink(t, "webhook:?rate=6000&url=env:TEST_WEBHOOK&style="+c.style, Env{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		w, err := s.Write(context.Background(), linesFrom(1, records.KindAlert, alertLineOf(t, alertRecord(t)), alertLineOf(t, alertRecord(t))))
		wantSent := c.refused // then the second went through
		if w != (Written{Sent: wantSent, Refused: c.refused}) || (err == nil) != (c.refused == 1) || err != nil && isTransient(err) != c.transient {
			t.Errorf("%s %d: %+v, %v", c.style, c.status, w, err)
		}
		server.Close()
		_, err2 := s.Write(context.Background(), linesFrom(1, records.KindAlert, alertLineOf(t, alertRecord(t))))
		if text := log.String(); strings.Contains(text, "hunter2") || err != nil && strings.Contains(err.Error(), "hunter2") || err2 == nil || strings.Contains(err2.Error(), "hunter2") {
			t.Errorf("the secret is shown: %s, %v, %v", text, err, err2)
		}
		s.Close()
	}
}

// TestWebhookRate: requests keep their distance, and a server's Retry-After is kept
// without asking again.
func TestWebhookRate(t *testing.T) {
	server := serve(t, nil, func(http.ResponseWriter, *http.Request, string) {})
	s := openSink(t, "webhook+"+server.URL+"?rate=600", Env{}) // one in 100 ms
	defer s.Close()
	one := alertLineOf(t, alertRecord(t))
	start := time.Now()
	write5 := linesFrom(1, records.KindAlert, one, one, one, one, one)
	if w, err := s.Write(context.Background(), write5); err != nil || w.Sent != 5 || time.Since(start) < 400*time.Millisecond {
		t.Errorf("%+v, %v after %v", w, err, time.Since(start))
	}
	server.will(answers(429, "Retry-After: 60", ""))
	for range 5 {
		if w, err := s.Write(context.Background(), write5); w.done() != 0 || !isTransient(err) {
			t.Errorf("%+v, %v", w, err)
		}
	}
	if server.asked != 6 {
		t.Errorf("asked %d times, want 6", server.asked)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"ああ", 2, "ああ"}, {"あああ", 2, "あ…"}, {"", 1, ""}, {strings.Repeat("あ", 10), 10, strings.Repeat("あ", 10)}} {
		if got := cut(c.in, c.n); got != c.want {
			t.Errorf("%q to %d: got %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// TestAlertPlaces: an export to a chat or a mailbox is of alerts, in ECS, whatever
// its table says of records.
func TestAlertPlaces(t *testing.T) {
	t.Setenv("TEST_WEBHOOK", "https://h/x")
	for _, to := range []string{"webhook:?style=slack&url=env:TEST_WEBHOOK", "mail://h?from=a@b&to=c@d"} {
		if err := (Config{Format: "cef", To: to}).Validate(); err == nil || !strings.Contains(err.Error(), `want format = "ecs"`) {
			t.Errorf("%s: %v", to, err)
		}
		e, err := Open(Config{Format: "ecs", To: to}, Env{})
		if err != nil {
			t.Fatal(err)
		}
		for k, on := range e.kinds {
			if on != (records.Kind(k) == records.KindAlert) {
				t.Errorf("%s: %s %v", to, records.Kind(k), on)
			}
		}
	}
	e, err := Open(Config{Format: "ecs", To: "webhook+https://h/x?all=yes"}, Env{})
	if err != nil || !e.kinds[records.KindFlow] {
		t.Errorf("all=yes: %v", err)
	}
}

// TestWebhookURLStaysSecret: neither its path nor its options are in an error when
// the server sends them back, before and after the token was read again.
func TestWebhookURLStaysSecret(t *testing.T) {
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, _ string) {
		w.WriteHeader(http.StatusForbidden)
		sig := r.URL.Query().Get("sig")
		fmt.Fprintf(w, "%s %s %s %s", r.URL, r.URL.Path, sig, r.Header.Get("Authorization"))
	})
	dir := t.TempDir()
	for name, text := range map[string]string{"url": server.URL + "/hook/PATHSECRET?api-version=1&sig=QUERY%2BSECRET", "token": "TOKENSECRET"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, option := range []string{"", "&token=file:" + dir + "/token"} {
		s := openSink(t, "webhook:?url=file:"+dir+"/url"+option, Env{})
		defer s.Close()
		s.(*webhookSink).pace.gap = 0
		for i := range 2 {
			if i > 0 { // it is renewed, as the first answer asks for
				if err := os.WriteFile(filepath.Join(dir, "token"), []byte("NEWSECRET"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Write(context.Background(), alertLines(t, 1))
			if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "403") {
				t.Errorf("%q: %v", option, err)
			}
		}
	}
}
