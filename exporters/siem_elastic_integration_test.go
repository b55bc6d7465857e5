package exporters

import (
	"encoding/json"
	"strings"
	"testing"

	"kagami/lab/integration"
	"kagami/records"
)

// TestIntegrationElasticsearch: 20,000 records of all kinds into a data stream of a
// real Elasticsearch under the template that is shipped, the node killed twice in
// between. Three types and the lifecycle belong to modules that are not published:
// those have plainer ones here.
func TestIntegrationElasticsearch(t *testing.T) {
	server := integration.Elasticsearch(t)
	url := "http://" + server.Address()
	var template map[string]any
	if err := json.Unmarshal([]byte(shipped(t, "elastic/index-template.json")), &template); err != nil {
		t.Fatal(err)
	}
	if n := plainer(template); n < 10 {
		t.Fatalf("%d fields of x-pack's types: is this the shipped template?", n)
	}
	delete(template["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any), "lifecycle")
	text, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, "PUT", url+"/_index_template/kagami", string(text))
	lines := manyLines(t, 20_000)
	deliverThrough(t, openSink(t, "elasticsearch+"+url+"/logs-kagami-default", Env{HostName: "sensor", SeqID: "1"}), server, lines)
	ask(t, "POST", url+"/logs-kagami-default/_refresh", "")
	wantOnce(t, lines, readStream(t, url))
	for query, want := range map[string]int{
		`{"query":{"exists":{"field":"_ignored"}}}`:                                    0,
		`{"query":{"term":{"source.ip":"192.168.100.0/24"}}}`:                          countText(lines, `"source":{`, `"ip":"192.168.100.`),
		`{"query":{"term":{"event.dataset":"kagami.alert"}}}`:                          kindCount(lines, records.KindAlert),
		`{"query":{"match":{"kagami.alert.evidence":"proxy"}}}`:                        kindCount(lines, records.KindAlert),
		`{"query":{"range":{"@timestamp":{"gte":"` + isoOf(lines[10_000].At) + `"}}}}`: len(lines) - 10_000,
	} {
		var c struct{ Count int }
		if err := json.Unmarshal([]byte(ask(t, "POST", url+"/logs-kagami-default/_count", query)), &c); err != nil || c.Count != want {
			t.Errorf("%s: %d, want %d (%v)", query, c.Count, want, err)
		}
	}
	var settings map[string]struct {
		Settings struct{ Index struct{ Mode string } }
	}
	if err := json.Unmarshal([]byte(ask(t, "GET", url+"/logs-kagami-default/_settings", "")), &settings); err != nil || len(settings) != 1 {
		t.Errorf("%v, %v", settings, err)
	}
	for name, s := range settings {
		if !strings.HasPrefix(name, ".ds-logs-kagami-default-") || s.Settings.Index.Mode != "standard" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// plainer replaces the types that a bare server does not have, and counts them.
func plainer(o map[string]any) (n int) {
	for _, v := range o {
		inner, is := v.(map[string]any)
		if !is {
			continue
		}
		switch {
		case inner["type"] == "wildcard":
			inner["type"] = "keyword"
			n++
		case inner["type"] == "match_only_text":
			inner["type"] = "text"
			n++
		case inner["analyzer"] == "cjk":
			delete(inner, "analyzer")
			n++
		default:
			n += plainer(inner)
		}
	}
	return n
}
