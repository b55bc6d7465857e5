package exporters

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clickHouseSink inserts lines into a table of ClickHouse by its HTTP interface:
//
//	clickhouse+https://host:8443/kagami.raw?user=kagami&password=file:/etc/kagami/clickhouse
//
// The path is the table, which has the columns sensor, run, seq, at, kind,
// severity, log, stamp and record (configs/siem/clickhouse). A batch is one block with a
// deduplication token made of its numbers, so that a batch that is sent again
// after an answer was lost does not stand there twice; a server older than 22.2
// knows no tokens, and there the table's own engine must see to it.
type clickHouseSink struct {
	place    *httpPlace
	logger   *slog.Logger
	insert   url.Values // query and settings
	numbers  numbers    // of the lines
	own      numbers    // of lines that come without: rows with the same number are one
	taken    uint64     // of own
	refusals refusals
	tokens   bool
	limit    int  // lines of a request: fewer while one of them spoils its block
	took     bool // the table has taken rows: it exists and has our columns

	body []byte // scratch
}

const (
	clickHousePort  = "8443"
	clickHousePlain = "8123"
	clickHouseTable = "kagami.raw"
)

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func checkClickHouse(u *url.URL) error {
	_, _, err := readClickHouseURL(u)
	return err
}

func readClickHouseURL(u *url.URL) (o httpOptions, table string, err error) {
	port := clickHousePort
	if strings.HasSuffix(u.Scheme, "+http") {
		port = clickHousePlain
	}
	o, err = readHTTPURL(u, port, nil, noOptions)
	if table = strings.Trim(u.Path, "/"); table == "" {
		table = clickHouseTable
	}
	o.url.Path = "/"
	switch {
	case err != nil:
	case !tableName.MatchString(table):
		err = fmt.Errorf("want the name of a table as path, as in %s://%s/%s", u.Scheme, u.Host, clickHouseTable)
	case o.apiKey != "":
		err = errors.New("api_key: ClickHouse has none, want user and password, or token")
	}
	return o, table, err
}

func openClickHouse(u *url.URL, env Env) (Sink, error) {
	o, table, err := readClickHouseURL(u)
	if err != nil {
		return nil, err
	}
	p, err := openHTTP(o)
	if err != nil {
		return nil, err
	}
	s := &clickHouseSink{place: p, tokens: true, limit: batchLines, refusals: newRefusals(env.Logger, o.url.String()+table)}
	s.logger = s.refusals.logger
	s.numbers = newNumbers(env)
	env.SeqID = rand.Text()
	s.own = newNumbers(env)
	s.insert = url.Values{
		"query":             {"INSERT INTO " + table + " (sensor, run, seq, at, kind, severity, log, stamp, record) FORMAT JSONEachRow"},
		"wait_end_of_query": {"1"}, // so that an error is the answer's status
	}
	return s, nil
}

// numbers are a run of numbers of a sensor.
type numbers struct {
	columns []byte // sensor and run, as JSON
	ids     lineIDs
}

func newNumbers(env Env) numbers {
	b := appendJSONString([]byte(`{"sensor":`), sensorName(env))
	return numbers{appendJSONString(append(b, `,"run":`...), env.SeqID), newLineIDs(env)}
}

// number is that of line i of those at hand: the same one when they are offered again.
func (s *clickHouseSink) number(l *Line, i int) (*numbers, uint64) {
	if l.Seq > 0 {
		return &s.numbers, l.Seq
	}
	return &s.own, s.taken + uint64(i) + 1
}

// Write implements Sink: all of the block or nothing.
func (s *clickHouseSink) Write(ctx context.Context, lines []Line) (Written, error) {
	w, err := s.write(ctx, lines[:min(len(lines), s.limit)])
	s.taken += uint64(w.done())
	return w, err
}

func (s *clickHouseSink) write(ctx context.Context, lines []Line) (Written, error) {
	s.body = s.body[:0]
	for i := range lines {
		s.body = s.appendRow(s.body, &lines[i], i)
	}
	to := *s.place.url
	to.RawQuery = s.query(lines).Encode()
	r, err := s.place.post(ctx, &to, "application/x-ndjson", s.body)
	if err != nil {
		return Written{}, err
	}
	e, failed := readException(r)
	if !failed && r.ok() {
		s.took, s.limit = true, min(2*s.limit, batchLines)
		return Written{Sent: len(lines)}, nil
	}
	return s.failed(lines, r, e)
}

func (s *clickHouseSink) appendRow(dst []byte, l *Line, i int) []byte {
	run, seq := s.number(l, i)
	dst = append(append(dst, run.columns...), `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = strconv.AppendInt(append(dst, `,"at":`...), l.At, 10)
	dst = append(append(append(dst, `,"kind":"`...), kindName(l.Kind)...), `","severity":`...)
	dst = strconv.AppendUint(dst, uint64(l.Severity), 10)
	dst = appendJSONString(append(dst, `,"log":`...), l.Log)
	stamp, line := splitStamp(l.Text)
	dst = appendJSONString(append(dst, `,"stamp":`...), string(stamp))
	dst = appendJSONString(append(dst, `,"record":`...), string(line))
	return append(dst, "}\n"...)
}

// query is the insert's; the token is the same when the same lines come again.
func (s *clickHouseSink) query(lines []Line) url.Values {
	if !s.tokens {
		return s.insert
	}
	q := url.Values{"async_insert": {"0"}} // an answer before the data are in a part acknowledges nothing
	for name, v := range s.insert {
		q[name] = v
	}
	end := len(lines) - 1
	from, first := s.number(&lines[0], 0)
	to, last := s.number(&lines[end], end)
	token := append(from.ids.append(nil, first), '-')
	if to == from {
		token = strconv.AppendUint(token, last, 10)
	} else {
		token = to.ids.append(token, last)
	}
	q.Set("insert_deduplication_token", string(token))
	q.Set("deduplicate_blocks_in_dependent_materialized_views", "1")
	return q
}

// exception is an error of ClickHouse: "Code: 60. DB::Exception: ...".
type exception struct {
	code int
	text string
}

var exceptionText = regexp.MustCompile(`Code: (\d+)[.,].*DB::Exception`)

// readException finds the exception in an answer, whatever its status: one that
// comes up late stands in the body of a 200.
func readException(r reply) (exception, bool) {
	e := exception{text: r.quote()}
	e.code, _ = strconv.Atoi(r.header.Get("X-Clickhouse-Exception-Code"))
	if m := exceptionText.FindSubmatchIndex(r.body); m != nil {
		e.code, _ = strconv.Atoi(string(r.body[m[2]:m[3]]))
		e.text = reply{body: r.body[m[0]:]}.quote()
	}
	return e, e.code != 0 || bytes.Contains(r.body, []byte("DB::Exception"))
}

// Error codes of ClickHouse (src/Common/ErrorCodes.cpp) that do not pass by themselves.
var (
	spoiledData    = []int{6, 26, 27, 41, 53, 69, 72, 117, 131, 349, 467} // a value that cannot be parsed, is out of range or too large
	unknownSetting = 115
	wrongPlace     = []int{16, 36, 47, 48, 60, 62, 81, 164, 192, 193, 194, 497, 516} // no such table or column, not allowed, password
)

func (s *clickHouseSink) failed(lines []Line, r reply, e exception) (Written, error) {
	err := fmt.Errorf("%s answers %d, code %d: %s", s.place.url.Host, r.status, e.code, e.text)
	switch {
	case e.code == unknownSetting && s.tokens:
		s.tokens = false
		s.logger.Info("export place is older than ClickHouse 22.2: a batch sent again is told by the table's engine only", "place", s.refusals.place)
		return Written{}, transientError{err}
	case slices.Contains(spoiledData, e.code), r.status == http.StatusRequestEntityTooLarge:
		return s.spoiled(lines, err)
	case slices.Contains(wrongPlace, e.code):
		return Written{}, err
	case e.code != 0:
		return Written{}, transientError{err}
	}
	return Written{}, r.failure(s.place.url.Host)
}

// spoiled looks for the line that spoils its block, with half as many lines each
// time, and refuses it; but not before the table has taken others: if it takes
// none, the table is at fault.
func (s *clickHouseSink) spoiled(lines []Line, err error) (Written, error) {
	switch {
	case len(lines) > 1:
		s.limit = len(lines) / 2
		return Written{}, transientError{err}
	case !s.took:
		return Written{}, err
	}
	s.refusals.add(&lines[0], err.Error())
	return Written{Refused: 1}, nil
}

// Flush implements Sink: nothing is held.
func (s *clickHouseSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *clickHouseSink) Reopen() error { return nil }

// Close implements Sink.
func (s *clickHouseSink) Close() error { s.place.close(); return nil }
