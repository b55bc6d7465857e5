package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// truth is what the laboratory says is in the bundled capture.
type truth struct {
	Attacks []attack
	Counts  struct {
		FlowsTCP        int `json:"flows_tcp"`
		FlowsAnswered   int `json:"flows_tcp_answered"`
		FlowsRefused    int `json:"flows_tcp_refused"`
		FlowsUnanswered int `json:"flows_tcp_unanswered"`
		HTTPRequests    int `json:"http_requests"`
		Connects        int
		TLSClientHellos int `json:"tls_client_hellos"`
		DNSQueries      int `json:"dns_queries"`
		HTTP            struct {
			ClientToProxy int `json:"client_to_proxy"`
			ProxyToOrigin int `json:"proxy_to_origin"`
			Direct        int
			Responses     int
		}
		TLS struct {
			ClientToProxy int `json:"client_to_proxy"`
			ProxyToOrigin int `json:"proxy_to_origin"`
			Direct        int
		}
		DNS struct {
			Responses  int
			NameErrors int `json:"name_errors"`
			OverTCP    int `json:"over_tcp"`
		}
	}
}

type attack struct {
	ID, Kind    string
	SourceIP    string `json:"source_ip"`
	First, Last time.Time
}

// ecs is what the test looks at of a line of records.jsonl.
type ecs struct {
	Time  time.Time `json:"@timestamp"`
	Event struct {
		Dataset, ID string
		Start       time.Time
	}
	Rule        struct{ Name string }
	Source      struct{ IP string }
	Destination struct{ Port int }
	Network     struct{ Transport string }
	DNS         struct {
		Type string
		Code string `json:"response_code"`
	}
	HTTP struct {
		Request  struct{ Method string }
		Response *struct{}
	}
	Kagami struct {
		Conn     struct{ State string }
		Firewall struct{ Action string }
		Alert    struct {
			Incident string
			Update   int
		}
	}
}

// read runs kagami read over files into a new directory.
func read(t testing.TB, files []string, set ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	r := readCmd{Out: dir, Quiet: true, Args: files}
	r.Set = append([]string{"output.time_zone=UTC"}, set...)
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func lines(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		out = append(out, bytes.Clone(s.Bytes()))
	}
	return out
}

func decodeLines(t *testing.T, path string) []ecs {
	t.Helper()
	var out []ecs
	for i, line := range lines(t, path) {
		var r ecs
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s line %d: %v", path, i+1, err)
		}
		out = append(out, r)
	}
	return out
}

func officeTruth(t *testing.T) (tr truth) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/office/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestOfficeCounts: Kagami sees in the bundled capture exactly what the
// laboratory put there, message by message.
func TestOfficeCounts(t *testing.T) {
	dir := read(t, []string{officeCapture})
	c := officeTruth(t).Counts
	got := map[string]int{}
	ids := map[string]bool{}
	for _, r := range decodeLines(t, filepath.Join(dir, "records.jsonl")) {
		countRecord(got, &r)
		if ids[r.Event.ID] {
			t.Errorf("two records have the id %s", r.Event.ID)
		}
		ids[r.Event.ID] = true
	}
	for name, want := range map[string]int{
		"TCP flows": c.FlowsTCP, "TCP flows Permit": c.FlowsAnswered, "TCP flows REJ": c.FlowsRefused, "TCP flows S0": c.FlowsUnanswered,
		"HTTP": c.HTTPRequests, "HTTP answered": c.HTTP.Responses, "HTTP CONNECT": c.Connects,
		"TLS": c.TLSClientHellos, "DNS query": c.DNSQueries, "DNS query over TCP": c.DNS.OverTCP,
		"DNS answer": c.DNS.Responses, "DNS answer NXDOMAIN": c.DNS.NameErrors, "incidents": len(officeTruth(t).Attacks),
	} {
		if got[name] != want || want == 0 {
			t.Errorf("%s: got %d, want %d", name, got[name], want)
		}
	}
	for file, want := range map[string]int{
		"queries.log":         c.DNSQueries,
		"access.log":          c.HTTP.ClientToProxy + c.HTTP.Direct + c.TLS.Direct, // a line a fetch: both legs of the proxy are joined
		"access-combined.log": c.HTTP.ClientToProxy + c.HTTP.Direct + c.TLS.Direct,
		"traffic.log":         got["flows"],
		"alerts.jsonl":        got["alerts"],
	} {
		if n := len(lines(t, filepath.Join(dir, file))); n != want {
			t.Errorf("%s: got %d lines, want %d", file, n, want)
		}
	}
}

func countRecord(n map[string]int, r *ecs) {
	switch r.Event.Dataset {
	case "kagami.flow":
		n["flows"]++
		if r.Network.Transport == "tcp" {
			n["TCP flows"]++
			n["TCP flows "+r.Kagami.Conn.State]++
			n["TCP flows "+r.Kagami.Firewall.Action]++
		}
	case "kagami.http":
		n["HTTP"]++
		n["HTTP "+r.HTTP.Request.Method]++
		if r.HTTP.Response != nil {
			n["HTTP answered"]++
		}
	case "kagami.tls":
		n["TLS"]++
	case "kagami.alert":
		n["alerts"]++
		if r.Kagami.Alert.Update == 1 {
			n["incidents"]++
		}
	case "kagami.dns":
		if r.Destination.Port != 53 {
			return // multicast names
		}
		n["DNS "+r.DNS.Type]++
		n["DNS "+r.DNS.Type+" "+r.DNS.Code]++
		if r.Network.Transport == "tcp" {
			n["DNS "+r.DNS.Type+" over TCP"]++
		}
	}
}

// TestOfficeAlerts: each attack is found once, at its source and in its time,
// and nothing else is.
func TestOfficeAlerts(t *testing.T) {
	rules := map[string]string{"driveby": "drive-by", "beacon": "beacon", "bypass": "direct-egress", "scan": "lateral-scan"}
	alerts := decodeLines(t, filepath.Join(read(t, []string{officeCapture}), "alerts.jsonl"))
	for _, a := range officeTruth(t).Attacks {
		found := 0
		for _, r := range alerts {
			if r.Rule.Name != rules[a.Kind] || r.Source.IP != a.SourceIP || r.Kagami.Alert.Update > 1 {
				continue
			}
			found++
			const slack = 2 * time.Minute // what must time out first
			if r.Event.Start.Before(a.First.Add(-time.Second)) || r.Time.After(a.Last.Add(slack)) {
				t.Errorf("%s lasts from %v to %v; the alert is about %v and raised at %v", a.ID, a.First, a.Last, r.Event.Start, r.Time)
			}
		}
		if found != 1 {
			t.Errorf("%s (%s of %s): %d alerts, want 1", a.ID, rules[a.Kind], a.SourceIP, found)
		}
	}
	incidents := map[string]int{}
	for _, r := range alerts {
		incidents[r.Kagami.Alert.Incident]++
	}
	if want := len(officeTruth(t).Attacks); len(incidents) != want {
		t.Errorf("%d incidents, want %d:", len(incidents), want)
		for _, r := range alerts {
			t.Logf("%v %s %s", r.Time, r.Rule.Name, r.Source.IP)
		}
	}
}
