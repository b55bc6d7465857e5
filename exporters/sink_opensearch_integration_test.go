package exporters

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/lab/integration"
	"kagami/records"
)

// TestIntegrationOpenSearch: 100,000 records of all kinds into a real data stream
// under the template that is shipped, the node killed twice in between.
func TestIntegrationOpenSearch(t *testing.T) {
	server := integration.OpenSearch(t)
	url := "http://" + server.Address()
	template, err := os.ReadFile("../configs/siem/opensearch/index-template.json")
	if err != nil {
		t.Fatal(err)
	}
	ask(t, "PUT", url+"/_index_template/kagami", string(template))
	elastic, err := os.ReadFile("../configs/siem/elastic/index-template.json")
	if err != nil {
		t.Fatal(err)
	}
	// Elastic's mapping has types that OpenSearch has too by now; only its lifecycle and mode are its own.
	rest := regexp.MustCompile(`"lifecycle": \{[^}]*\},|"mode": "standard",`).ReplaceAllString(string(elastic), "")
	ask(t, "PUT", url+"/_index_template/elastic", strings.Replace(rest, "logs-kagami-*", "elastic-kagami-*", 1))
	lines := manyLines(t, integrationRecords)
	to := "opensearch+" + url + "/logs-kagami-default"
	deliverThrough(t, openSink(t, to, Env{HostName: "sensor", SeqID: "1"}), server, lines)
	ask(t, "POST", url+"/logs-kagami-default/_refresh", "")
	wantOnce(t, lines, readStream(t, url))

	again := openSink(t, to, Env{HostName: "sensor", SeqID: "1"}) // a restart that forgot the last acknowledgements
	defer again.Close()
	if w, err := again.Write(context.Background(), lines[:batchLines]); err != nil || w.Sent != batchLines {
		t.Errorf("%+v, %v", w, err)
	}
	var stream struct {
		DataStreams []struct{ Indices []any } `json:"data_streams"`
	}
	if err := json.Unmarshal([]byte(ask(t, "GET", url+"/_data_stream/logs-kagami-default", "")), &stream); err != nil || len(stream.DataStreams) != 1 {
		t.Errorf("no data stream: %v", err)
	}
	for query, want := range map[string]int{
		`{"query":{"match_all":{}}}`:                                                                                     len(lines),
		`{"query":{"exists":{"field":"_ignored"}}}`:                                                                      0, // every value fits its type
		`{"query":{"term":{"source.ip":"192.168.100.0/24"}}}`:                                                            countText(lines, `"source":{`, `"ip":"192.168.100.`),
		`{"query":{"term":{"event.dataset":"kagami.alert"}}}`:                                                            kindCount(lines, records.KindAlert),
		`{"query":{"range":{"event.severity":{"gte":75}}}}`:                                                              kindCount(lines, records.KindAlert),
		`{"query":{"range":{"@timestamp":{"gte":"` + isoOf(lines[50_000].At) + `"}}}}`:                                   len(lines) - 50_000,
		`{"query":{"match":{"kagami.alert.evidence":"proxy"}}}`:                                                          kindCount(lines, records.KindAlert),
		`{"query":{"bool":{"filter":[{"exists":{"field":"kagami.flow.id"}},{"exists":{"field":"dns.question.name"}}]}}}`: kindCount(lines, records.KindDNS),
	} {
		var c struct{ Count int }
		if err := json.Unmarshal([]byte(ask(t, "POST", url+"/logs-kagami-default/_count", query)), &c); err != nil || c.Count != want {
			t.Errorf("%s: %d, want %d (%v)", query, c.Count, want, err)
		}
	}
}

func isoOf(at int64) string { return time.Unix(0, at).UTC().Format("2006-01-02T15:04:05.000Z") }

// countText counts the lines that have all of some texts.
func countText(lines []Line, all ...string) (n int) {
	for i := range lines {
		has := true
		for _, s := range all {
			has = has && strings.Contains(string(lines[i].Text), s)
		}
		if has {
			n++
		}
	}
	return n
}

// TestIntegrationOpenSearchRefusal: what a real mapping does not take is refused
// with its reason, and what follows is taken.
func TestIntegrationOpenSearchRefusal(t *testing.T) {
	url := "http://" + integration.OpenSearch(t).Address()
	ask(t, "PUT", url+"/_index_template/kagami", `{"index_patterns":["logs-kagami-*"],"data_stream":{},"priority":1,
		"template":{"mappings":{"dynamic":"strict","properties":{"@timestamp":{"type":"date"},"n":{"type":"long"}}}}}`)
	s := openSink(t, "opensearch+"+url, Env{})
	defer s.Close()
	const at = `{"@timestamp":"2026-01-01T00:00:00Z",`
	w, err := s.Write(context.Background(), linesFrom(1, records.KindFlow, at+`"n":1}`, at+`"n":"x"}`, at+`"m":1}`, at+`"n":2}`, at+`"n":{}}`, at+`"n":3}`))
	if err != nil || w != (Written{Sent: 3, Refused: 3}) {
		t.Errorf("%+v, %v", w, err)
	}
}

// readStream reads the whole data stream back by scrolling.
func readStream(t *testing.T, url string) map[uint64][]string {
	got := map[uint64][]string{}
	body := ask(t, "POST", url+"/logs-kagami-default/_search?scroll=2m", `{"size":5000,"sort":["_doc"]}`)
	for {
		var page struct {
			ScrollID string `json:"_scroll_id"`
			Hits     struct {
				Hits []struct {
					ID     string          `json:"_id"`
					Source json.RawMessage `json:"_source"`
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Hits.Hits) == 0 {
			return got
		}
		for _, h := range page.Hits.Hits {
			seq, err := strconv.ParseUint(strings.TrimPrefix(h.ID, "sensor-1-"), 10, 64)
			if err != nil {
				t.Fatalf("id %q", h.ID)
			}
			got[seq] = append(got[seq], string(h.Source))
		}
		body = ask(t, "POST", url+"/_search/scroll", `{"scroll":"2m","scroll_id":"`+page.ScrollID+`"}`)
	}
}
