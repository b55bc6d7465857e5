package exporters

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kagami/records"
)

// fakeBulk answers as the _bulk API does for a data stream: create only, each with
// a time; an id that is there already is a conflict.
func fakeBulk(t *testing.T, got *store) func(http.ResponseWriter, *http.Request, string) {
	return fakeBulkThat(t, got, func(string) string { return "" })
}

// fakeBulkThat fails those operations for whose document it has the item's text.
func fakeBulkThat(t *testing.T, got *store, fails func(doc string) string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, body string) {
		if !strings.HasPrefix(r.URL.Path, "/logs-kagami-default/_bulk") || r.Header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(body, "}\n") {
			w.WriteHeader(400)
			return
		}
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		var items []string
		for i := 0; i+1 < len(lines); i += 2 {
			var op struct {
				Create *struct {
					ID string `json:"_id"`
				} `json:"create"`
			}
			var doc struct {
				Time string `json:"@timestamp"`
			}
			if json.Unmarshal([]byte(lines[i]), &op) != nil || op.Create == nil || json.Unmarshal([]byte(lines[i+1]), &doc) != nil || doc.Time == "" {
				t.Errorf("not a create of a document with a time: %s %s", lines[i], lines[i+1])
			}
			item := `"status":201`
			if failed := fails(lines[i+1]); failed != "" {
				item = failed
			} else if !got.add(op.Create.ID, lines[i+1]) {
				item = `"status":409,"error":{"type":"version_conflict_engine_exception","reason":"document already exists"}`
			}
			items = append(items, `{"create":{`+item+`}}`)
		}
		fmt.Fprintf(w, `{"errors":%v,"items":[%s]}`, strings.Contains(strings.Join(items, ""), "error"), strings.Join(items, ","))
	}
}

func doc(n int) string { return fmt.Sprintf(`{"@timestamp":"2014-12-06T00:11:15Z","n":%d}`, n) }

func docs(from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, doc(n))
	}
	return out
}

// TestOpenSearchPartialErrors: of a request that succeeded in part, only the rest
// is sent again, in order; what the mapping does not take is refused, once, with a
// reason, and holds up nothing.
func TestOpenSearchPartialErrors(t *testing.T) {
	busy := map[string]int{doc(3): 2, doc(5): 1, doc(6): 1}
	item := map[string]string{doc(3): `"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue is full"}`,
		doc(5): `"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}`,
		doc(6): `"status":403,"error":{"type":"cluster_block_exception","reason":"disk usage exceeded flood-stage watermark"}`}
	var requests [][]string
	var got store
	proper := fakeBulkThat(t, &got, func(d string) string {
		requests[len(requests)-1] = append(requests[len(requests)-1], d)
		if busy[d] > 0 {
			busy[d]--
			return item[d]
		}
		if d == doc(2) || d == doc(4) {
			return `"status":400,"error":{"type":"document_parsing_exception","reason":"failed to parse field [n]","caused_by":{"reason":"for input"}}`
		}
		return ""
	})
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		requests = append(requests, nil)
		proper(w, r, body)
	})
	var log strings.Builder
	s := openSink(t, "opensearch+"+server.URL, Env{HostName: "sensor", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()

	lines := linesFrom(1, records.KindFlow, docs(1, 8)...)
	w, err := s.Write(context.Background(), lines)
	if err == nil || !strings.Contains(err.Error(), "3 of 8 records wait") || w != (Written{Sent: 1, Refused: 1}) {
		t.Fatalf("%+v, %v", w, err)
	}
	if refused := writeUntil(t, s, lines[2:]); refused != 1 {
		t.Errorf("%d refused, want 1", refused)
	}
	want := [][]string{docs(1, 8), {doc(3), doc(5), doc(6)}, {doc(3)}}
	if !slices.EqualFunc(requests, want, slices.Equal) {
		t.Errorf("asked for %q", requests)
	}
	got.want(t, doc(1), doc(7), doc(8), doc(5), doc(6), doc(3))
	if n := strings.Count(log.String(), "refuses a record"); n != 1 || !strings.Contains(log.String(), "failed to parse field") {
		t.Errorf("%d lines in the log: %s", n, log.String())
	}
}

// TestOpenSearchConflict: an answer that was lost does not double a record, and a
// new sink, as after a restart, knows no more than the ids.
func TestOpenSearchConflict(t *testing.T) {
	var got store
	proper := fakeBulk(t, &got)
	lose := true
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		proper(w, r, body)
		if lose {
			lose = false
			panic(http.ErrAbortHandler)
		}
	})
	to := "opensearch+" + server.URL
	first := openSink(t, to, Env{HostName: "sensor", SeqID: "a"})
	lines := linesFrom(10, records.KindFlow, docs(1, 5)...)
	if w, err := first.Write(context.Background(), lines); err == nil || w.done() != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	first.Close()
	second := openSink(t, to, Env{HostName: "sensor", SeqID: "a"})
	defer second.Close()
	writeUntil(t, second, linesFrom(12, records.KindFlow, docs(3, 7)...))
	got.want(t, docs(1, 7)...)
	other := openSink(t, to, Env{HostName: "sensor", SeqID: "b"}) // another run: other records
	defer other.Close()
	writeUntil(t, other, linesFrom(10, records.KindFlow, doc(1)))
	got.want(t, append(docs(1, 7), doc(1))...)
}

// TestOpenSearchTooLarge: a request that is too large is made smaller; a record
// that is too large by itself is refused.
func TestOpenSearchTooLarge(t *testing.T) {
	var got store
	proper := fakeBulk(t, &got)
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		if len(body) > 1000 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		proper(w, r, body)
	})
	s := openSink(t, "opensearch+"+server.URL, Env{})
	defer s.Close()
	texts := docs(1, 100)
	texts[40] = `{"@timestamp":"` + strings.Repeat("x", 1000) + `"}`
	if refused := writeUntil(t, s, linesFrom(1, records.KindFlow, texts...)); refused != 1 {
		t.Errorf("%d refused", refused)
	}
	got.want(t, slices.Delete(texts, 40, 41)...)
}

// TestOpenSearchPlaceAtFault: a place that takes no record at all loses none.
func TestOpenSearchPlaceAtFault(t *testing.T) {
	for _, item := range []string{
		`"status":404,"error":{"type":"index_not_found_exception","reason":"no such index"}`,
		`"status":400,"error":{"type":"index_closed_exception","reason":"closed"}`,
		`"status":403,"error":{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"}`,
	} {
		var got store
		server := serve(t, nil, fakeBulkThat(t, &got, func(string) string { return item }))
		s := openSink(t, "opensearch+"+server.URL, Env{})
		defer s.Close()
		if w, err := s.Write(context.Background(), linesFrom(1, records.KindFlow, doc(1))); err == nil || w.done() != 0 {
			t.Errorf("%s: %+v, %v", item, w, err)
		}
	}
}

// TestOpenSearchWrongAnswer: an answer of something else acknowledges nothing.
func TestOpenSearchWrongAnswer(t *testing.T) {
	for _, body := range []string{"", "<html>hello</html>", `{"errors":false,"items":[]}`, `{"items":[{"create":{"status":201}},{"create":{"status":201}}]}`, `{"items":[{"index":{"status":0}}]}`} {
		server := serve(t, nil, func(w http.ResponseWriter, _ *http.Request, _ string) { io.WriteString(w, body) })
		s := openSink(t, "opensearch+"+server.URL, Env{})
		defer s.Close()
		if w, err := s.Write(context.Background(), linesFrom(1, records.KindFlow, doc(1))); err == nil || w.done() != 0 {
			t.Errorf("%s: %+v, %v", body, w, err)
		}
	}
}

// TestOpenSearchDocuments: every format has a document.
func TestOpenSearchDocuments(t *testing.T) {
	const at = `{"@timestamp":"2014-12-06T00:11:15.123456789Z",`
	for _, c := range []struct{ text, want string }{
		{doc(1), doc(1)},
		{`{"timestamp":"x","event_type":"dns"}`, at + `"timestamp":"x","event_type":"dns"}`},
		{"CEF:0|a\"b\\", at + `"event":{"dataset":"kagami.dns"},"message":"CEF:0|a\"b\\"}`},
		{stampInFront + "1 GET \"x\"", at + `"event":{"dataset":"kagami.dns","original":"[kagami@32473 sensor=\"fw1\" boot=\"5f0c\" name=\"n\" seq=\"7\" tag=\"0123456789abcdef\"] 1 GET \"x\""},"message":"1 GET \"x\""}`},
		{"{}", at + `"event":{"dataset":"kagami.dns"},"message":"{}"}`},
		{"", at + `"event":{"dataset":"kagami.dns"},"message":""}`},
	} {
		l := linesOf(c.text)[0]
		l.Kind = records.KindDNS
		if got := string(appendDocument(nil, &l)); got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("%q: got %s, want %s", c.text, got, c.want)
		}
	}
}

func BenchmarkOpenSearchBody(b *testing.B) {
	s := &openSearchSink{ids: newLineIDs(Env{HostName: "sensor"}), settled: map[uint64]verdict{}}
	lines := linesFrom(1, records.KindFlow, slices.Repeat([]string{`{"@timestamp":"` + strings.Repeat("x", 700) + `"}`}, batchLines)...)
	b.ReportAllocs()
	for b.Loop() {
		s.fill(lines)
	}
	b.ReportMetric(float64(b.N*batchLines)/b.Elapsed().Seconds(), "lines/s")
}
