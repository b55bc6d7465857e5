package exporters

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"kagami/lab/integration"
)

// TestIntegrationGraylog: what Graylog's own classes make of messages of every kind,
// behind both headers that the syslog place writes.
func TestIntegrationGraylog(t *testing.T) {
	cmd := integration.GraylogReader(t, "../configs/siem/graylog/kagami.rule")
	sink := openSink(t, "syslog+tls://127.0.0.1:9?max=131072", Env{HostName: "fw1", SensorID: "fw1", BootID: "5f0c"}).(*syslogSink)
	lines := append(stampedLines(t, "ecs"), alertOf(t, "ecs", "drive-by", "high"))
	var messages []string
	for i, text := range lines {
		line := Line{Text: []byte(text), At: at(t, "2026-11-15T12:00:00"), Seq: uint64(i % 2), Severity: SeverityInfo}
		header, rest := sink.message.append(nil, &line)
		messages = append(messages, string(header)+string(rest))
	}
	var problems bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(strings.Join(messages, "\n")+"\n"), &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %.2000s", err, problems.String())
	}
	read := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(read) != len(lines) {
		t.Fatalf("%d of %d messages", len(read), len(lines))
	}
	for i, text := range read {
		got := flat(t, text)
		if got["full_message"] != messages[i] || got["application_name"] != "kagami" || got["source"] != "fw1" {
			t.Errorf("message %q became %.300q", messages[i], text)
		}
		for name, want := range flat(t, lines[i]) {
			stored := strings.ReplaceAll(name, ".", "_")
			if v, has := got[stored]; !has || !strings.HasSuffix(want, ",") && v != want && !sameNumber(v, want) {
				t.Errorf("%s is %q, want %q", stored, v, want)
			}
		}
		if strings.Contains(got["message"], `{"`) {
			t.Errorf("message %.100q", got["message"])
		}
	}
}

// sameNumber: Java writes 21.5 and 1.0E9 its own way.
func sameNumber(a, b string) bool {
	var x, y float64
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && x == y
}
