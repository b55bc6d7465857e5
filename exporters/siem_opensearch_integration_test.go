package exporters

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kagami/exporters/chain"
	"kagami/lab/integration"
	"kagami/records"
)

// guarded is an OpenSearch with users, as its administrator sees it.
type guarded struct {
	url, ca, config string
}

func (g *guarded) call(t *testing.T, user, method, path, body string) (status int, answer string) {
	t.Helper()
	out, err := exec.Command("curl", "-s", "--cacert", g.ca, "-u", user, "-X", method, "-H", "Content-Type: application/json",
		"-w", "\n%{http_code}", g.url+path, "--data-binary", body).CombinedOutput()
	at := bytes.LastIndexByte(out, '\n')
	if err != nil || at < 0 {
		return 0, string(out)
	}
	fmt.Sscan(string(out[at+1:]), &status)
	return status, string(out[:at])
}

const openSearchAdmin = "admin:admin"

func (g *guarded) must(t *testing.T, method, path, body string) string {
	t.Helper()
	status, answer := g.call(t, openSearchAdmin, method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %.500s", method, path, status, answer)
	}
	return answer
}

func guardedOpenSearch(t *testing.T) *guarded {
	home := t.TempDir()
	if err := os.Mkdir(home+"/config", 0o700); err != nil {
		t.Fatal(err)
	}
	newCA(t, home+"/config", "ca").issue(t, home+"/config", "node", "localhost")
	server := integration.OpenSearchSecurity(t, home)
	_, port, err := net.SplitHostPort(server.Address())
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{url: "https://localhost:" + port, ca: home + "/config/ca.pem", config: home + "/curl"}
	writeText(t, g.config, "user = \""+openSearchAdmin+"\"\ncacert = \""+g.ca+"\"\n")
	for until := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		if status, _ := g.call(t, openSearchAdmin, "GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", ""); status == 200 {
			return g
		}
		if time.Now().After(until) {
			t.Fatalf("the security plugin does not come up: %s", server.Log())
		}
	}
}

// TestIntegrationOpenSearchRole: install.sh on an OpenSearch with its security plugin;
// the role that it makes is enough for every kind of record, also with a field that
// the template does not have, and for nothing else. dump.sh gives back what kagami
// verify accepts; the monitor's search finds the silent sensor.
func TestIntegrationOpenSearchRole(t *testing.T) {
	integration.Need(t, "java", "mvn")
	g := guardedOpenSearch(t)
	out, err := exec.Command("sh", "../configs/siem/opensearch/install.sh", g.url, g.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "<- role.json") || !strings.Contains(string(out), "/_plugins/_ism/policies/kagami]") {
		t.Fatalf("%v: %s", err, out) // the policies' plugin is not published: all else is installed by then
	}
	g.must(t, "PUT", "/_plugins/_security/api/internalusers/kagami", `{"password": "Mirror-7-of-the-port"}`)
	g.must(t, "PUT", "/_plugins/_security/api/rolesmapping/kagami", `{"users": ["kagami"]}`)
	password := t.TempDir() + "/password"
	writeText(t, password, "Mirror-7-of-the-port\n")

	lines := stampedLines(t, "ecs")
	novel := lines[0][:len(lines[0])-1] + `,"kagami.new":{"field":1}}`
	sink := openSink(t, "opensearch+"+g.url+"/logs-kagami-default?user=kagami&password=file:"+password+"&ca="+g.ca, Env{HostName: "fw1", SeqID: "1"})
	defer sink.Close()
	for i, text := range append(lines, novel) {
		line := Line{Text: []byte(text), At: at(t, "2026-11-15T12:00:00"), Kind: records.KindFlow, Severity: SeverityInfo, Seq: uint64(i + 1)}
		if w, err := sink.Write(context.Background(), []Line{line}); err != nil || w.Sent != 1 {
			t.Fatalf("%+v, %v: %.300s", w, err, text)
		}
	}
	g.must(t, "POST", "/logs-kagami-default/_refresh", "")
	for call, want := range map[string]int{"GET /logs-kagami-default/_search": 403, "GET /_cat/indices": 403, "PUT /other/_doc/1": 403,
		"DELETE /_data_stream/logs-kagami-default": 403, "DELETE /.ds-logs-kagami-default-000001/_doc/1": 403} {
		method, path, _ := strings.Cut(call, " ")
		if got, answer := g.call(t, "kagami:Mirror-7-of-the-port", method, path, "{}"); got != want {
			t.Errorf("%s as kagami: %d, want %d: %.200s", call, got, want, answer)
		}
	}

	dump, err := exec.Command("sh", "../configs/siem/opensearch/dump.sh", g.url, "logs-kagami-default", "-K", g.config).Output()
	if err != nil {
		t.Fatal(err)
	}
	dump = bytes.ReplaceAll(dump, []byte(novel), nil)
	if r := check(t, chain.Options{Inputs: []string{"-"}, Stdin: bytes.NewReader(dump), AnyOrder: true}); !r.Good() || r.Records != uint64(len(lines)) {
		t.Errorf("%d of %d records verify: %v", r.Records, len(lines), r.Findings)
	}
	g.wantSilent(t, 0)
	beat := heartbeatRecord(t)
	beat.Meta().At = time.Now().Add(-4 * time.Minute).UnixNano()
	text := lineOf(t, newECS(Env{}), beat)
	text = text[:len(text)-1] + `,"kagami.export":{"sensor":"fw9"}}`
	if _, err := sink.Write(context.Background(), []Line{{Text: []byte(text), At: beat.Meta().At, Seq: 1_000_000}}); err != nil {
		t.Fatal(err)
	}
	g.must(t, "POST", "/logs-kagami-default/_refresh", "")
	g.wantSilent(t, 1)
}

// wantSilent asks what the shipped monitor asks.
func (g *guarded) wantSilent(t *testing.T, want int) {
	t.Helper()
	var monitor struct {
		Inputs []struct {
			Search struct{ Query json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(shipped(t, "opensearch/monitor-silent.json")), &monitor); err != nil || len(monitor.Inputs) != 1 {
		t.Fatal(err)
	}
	var answer struct {
		Aggregations struct {
			Sensors struct{ Buckets []struct{ Key string } }
		}
	}
	text := g.must(t, "POST", "/logs-kagami-*/_search", string(monitor.Inputs[0].Search.Query))
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Aggregations.Sensors.Buckets) != want {
		t.Errorf("%d silent sensors, want %d (%v): %.500s", len(answer.Aggregations.Sensors.Buckets), want, err, text)
	}
}
