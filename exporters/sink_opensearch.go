package exporters

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// openSearchSink puts lines into a data stream of OpenSearch or Elasticsearch by
// the _bulk API, whose parts used here are the same in both:
//
//	opensearch+https://host:9200/logs-kagami-default?user=kagami&password=file:/etc/kagami/opensearch
//	elasticsearch+https://host:9200/logs-kagami-default?api_key=file:/etc/kagami/elastic
//
// The path is the data stream. Each line is one create operation whose _id is
// made of sensor and sequence number: a line that is sent again after an answer
// was lost comes back as a version conflict, which is success. Of a request that
// succeeded in part, only the rest is sent again.
type openSearchSink struct {
	place    *httpPlace
	bulk     *url.URL
	ids      lineIDs
	refusals refusals
	limit    int // lines of a request: less after "request entity too large"

	settled map[uint64]verdict // by Seq, of lines behind the first that must be sent again
	verdict []verdict          // scratch: of each line
	asked   []int              // scratch: which lines are in body
	body    []byte             // scratch
}

// verdict is what became of a line.
type verdict uint8

const (
	pending verdict = iota // is to be sent, again
	accepted
	rejected
)

const (
	openSearchPort   = "9200"
	openSearchStream = "logs-kagami-default"
)

func checkOpenSearch(u *url.URL) error {
	_, err := readOpenSearchURL(u)
	return err
}

func readOpenSearchURL(u *url.URL) (httpOptions, error) {
	o, err := readHTTPURL(u, openSearchPort, nil, noOptions)
	if o.url.Path = strings.Trim(o.url.Path, "/"); o.url.Path == "" {
		o.url.Path = openSearchStream
	}
	if err == nil && !isStreamName(o.url.Path) {
		err = fmt.Errorf(`want the name of a data stream as path, as in %s://%s/%s: lower case, without / \ * ? " < > | # : , and blanks`, u.Scheme, u.Host, openSearchStream)
	}
	return o, err
}

// noOptions is the setter of a place that has none of its own.
func noOptions(string, string) (bool, error) { return false, nil }

// isStreamName: the rules of "Create data stream" in both products' API.
func isStreamName(s string) bool {
	return len(s) <= 255 && s == strings.ToLower(s) && !strings.ContainsAny(s, "/\\*?\"<>|#:, ") && !strings.ContainsRune("-_+.", rune(s[0]))
}

func openOpenSearch(u *url.URL, env Env) (Sink, error) {
	o, err := readOpenSearchURL(u)
	if err != nil {
		return nil, err
	}
	p, err := openHTTP(o)
	if err != nil {
		return nil, err
	}
	return &openSearchSink{place: p, bulk: bulkURL(o.url), ids: newLineIDs(env), limit: batchLines,
		refusals: newRefusals(env.Logger, o.url.String()), settled: map[uint64]verdict{}}, nil
}

func bulkURL(base *url.URL) *url.URL {
	u := *base
	u.Path = "/" + base.Path + "/_bulk"
	u.RawQuery = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
	return &u
}

// Write implements Sink.
func (s *openSearchSink) Write(ctx context.Context, lines []Line) (Written, error) {
	lines = lines[:min(len(lines), s.limit)]
	s.fill(lines)
	var err error
	if len(s.asked) > 0 {
		err = s.ask(ctx, lines)
	}
	return s.settle(lines), err
}

// fill makes the body of the lines of which nothing is known yet.
func (s *openSearchSink) fill(lines []Line) {
	s.body, s.asked, s.verdict = s.body[:0], s.asked[:0], s.verdict[:0]
	for i := range lines {
		l := &lines[i]
		v := s.settled[l.Seq] // of 0 nothing is ever kept
		s.verdict = append(s.verdict, v)
		if v != pending {
			continue
		}
		s.asked = append(s.asked, i)
		s.body = append(s.body, `{"create":{`...)
		if l.Seq > 0 {
			s.body = append(s.body, `"_id":"`...)
			s.body = append(s.ids.append(s.body, l.Seq), '"')
		}
		s.body = append(s.body, "}}\n"...)
		s.body = append(appendDocument(s.body, l), '\n')
	}
}

// appendDocument appends what becomes of a line in a data stream, which wants
// @timestamp. ECS lines go as they are; other formats' JSON gets the time, and
// text becomes the message, and event.original with its stamp in front if it has one.
func appendDocument(dst []byte, l *Line) []byte {
	const head = `{"@timestamp":"`
	text := l.Text
	if len(text) > len(head) && string(text[:len(head)]) == head {
		return append(dst, text...)
	}
	dst = append(dst, head...)
	dst = time.Unix(0, l.At).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	if n := len(text); n > 2 && text[0] == '{' && text[n-1] == '}' {
		return append(append(dst, `",`...), text[1:]...)
	}
	dst = append(dst, `","event":{"dataset":"kagami.`...)
	dst = append(append(dst, kindName(l.Kind)...), '"')
	stamp, line := splitStamp(text)
	if len(stamp) > 0 {
		dst = appendJSONString(append(dst, `,"original":`...), string(text))
	}
	dst = append(dst, `},"message":`...)
	return append(appendJSONString(dst, string(line)), '}')
}

func (s *openSearchSink) ask(ctx context.Context, lines []Line) error {
	r, err := s.place.post(ctx, s.bulk, "application/x-ndjson", s.body)
	switch {
	case err != nil:
		return err
	case r.status == http.StatusRequestEntityTooLarge && len(s.asked) == 1:
		s.refuse(&lines[s.asked[0]], s.asked[0], "request entity too large")
		return nil
	case r.status == http.StatusRequestEntityTooLarge:
		s.limit = max(1, len(s.asked)/2)
		return transientError{r.failure(s.bulk.Host)}
	case !r.ok():
		return r.failure(s.bulk.Host)
	}
	var answer bulkAnswer
	if err := json.Unmarshal(r.body, &answer); err != nil || len(answer.Items) != len(s.asked) {
		return transientError{fmt.Errorf("%s answers a bulk of %d with %d items: %s", s.bulk.Host, len(s.asked), len(answer.Items), r.quote())}
	}
	s.limit = min(2*s.limit, batchLines)
	return s.judge(lines, answer.Items)
}

type bulkAnswer struct {
	Items []map[string]bulkItem `json:"items"` // one for each operation, in order, under the operation's name
}

type bulkItem struct {
	Status int `json:"status"`
	Error  struct {
		Type     string `json:"type"`
		Reason   string `json:"reason"`
		CausedBy struct {
			Reason string `json:"reason"`
		} `json:"caused_by"`
	} `json:"error"`
}

// judge takes down what became of each line that was asked for, and returns the
// first reason why one waits.
func (s *openSearchSink) judge(lines []Line, items []map[string]bulkItem) (err error) {
	waiting := 0
	for k, i := range s.asked {
		item := items[k]["create"]
		switch l := &lines[i]; {
		case item.Status/100 == 2, item.Status == http.StatusConflict && l.Seq > 0:
			s.verdict[i] = accepted
		case item.spoiled():
			s.refuse(l, i, item.reason())
		default:
			if waiting++; err == nil {
				err = item.failure()
			}
		}
	}
	if waiting > 0 {
		err = fmt.Errorf("%s: %d of %d records wait: %w", s.bulk.Host, waiting, len(s.asked), err)
	}
	return err
}

func (s *openSearchSink) refuse(l *Line, i int, reason string) {
	s.verdict[i] = rejected
	s.refusals.add(l, reason)
}

// notTheRecords are errors with status 400 that are the place's fault: another
// record would fare no better, and this one will do once the place is mended.
var notTheRecords = []string{"invalid_index_name_exception", "index_closed_exception", "invalid_alias_name_exception", "index_not_found_exception"}

// spoiled tells whether this very record can never be taken: it does not fit the
// mapping, or holds what an index cannot.
func (b *bulkItem) spoiled() bool {
	return b.Status == http.StatusRequestEntityTooLarge || b.Status == http.StatusBadRequest && !slices.Contains(notTheRecords, b.Error.Type)
}

func (b *bulkItem) reason() string {
	r := b.Error.Type + ": " + b.Error.Reason
	if b.Error.CausedBy.Reason != "" {
		r += ": " + b.Error.CausedBy.Reason
	}
	return r
}

// failure: too many requests, a shard that moves and a full disk's block pass; a
// missing stream or right does not by itself.
func (b *bulkItem) failure() error {
	err := fmt.Errorf("status %d: %.*q", b.Status, maxReason, b.reason())
	if b.Status == http.StatusTooManyRequests || b.Status/100 == 5 || b.Error.Type == "cluster_block_exception" {
		return transientError{err}
	}
	return err
}

// settle counts the lines before the first that waits, and keeps what is known of
// those behind it for the next call. Without a number a line cannot be known again.
func (s *openSearchSink) settle(lines []Line) (w Written) {
	clear(s.settled)
	first := slices.Index(s.verdict, pending)
	if first < 0 {
		first = len(lines)
	}
	for i, v := range s.verdict {
		switch {
		case i >= first && v != pending && lines[i].Seq > 0:
			s.settled[lines[i].Seq] = v
		case i >= first:
		case v == accepted:
			w.Sent++
		default:
			w.Refused++
		}
	}
	return w
}

// Flush implements Sink: nothing is held.
func (s *openSearchSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *openSearchSink) Reopen() error { return nil }

// Close implements Sink.
func (s *openSearchSink) Close() error { s.place.close(); return nil }
