package exporters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"kagami/records"
)

type clickHouseRow struct {
	Sensor, Run, Kind, Log, Stamp, Record string
	Seq                                   uint64
	At                                    int64
	Severity                              uint8
}

// fakeClickHouse takes a block as a whole, and one with the same token once.
func fakeClickHouse(t *testing.T, got *store) func(http.ResponseWriter, *http.Request, string) {
	var mu sync.Mutex
	tokens := map[string]bool{}
	return func(w http.ResponseWriter, r *http.Request, body string) {
		q := r.URL.Query()
		if q.Get("query") != "INSERT INTO kagami.raw (sensor, run, seq, at, kind, severity, log, stamp, record) FORMAT JSONEachRow" || q.Get("wait_end_of_query") != "1" {
			t.Errorf("query %v", q)
		}
		var rows []clickHouseRow
		for line := range strings.Lines(body) {
			var row clickHouseRow
			d := json.NewDecoder(strings.NewReader(line))
			d.DisallowUnknownFields()
			if err := d.Decode(&row); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			if strings.Contains(row.Record, "poison") {
				w.WriteHeader(400)
				io.WriteString(w, "Code: 27. DB::Exception: Cannot parse input: expected '}'. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)")
				return
			}
			rows = append(rows, row)
		}
		mu.Lock()
		defer mu.Unlock()
		if token := q.Get("insert_deduplication_token"); token != "" {
			if tokens[token] {
				return
			}
			tokens[token] = true
		}
		for _, row := range rows {
			got.add("", row.Record)
		}
	}
}

func TestClickHouseRow(t *testing.T) {
	s := openSink(t, "clickhouse+https://h", Env{HostName: `sensor "1"`, SeqID: "7"}).(*clickHouseSink)
	l := Line{Text: []byte("a\"b\\c\xffあ"), At: 1417824675123456789, Kind: records.KindDNS, Severity: SeverityInfo, Log: "conn", Seq: 42}
	want := `{"sensor":"sensor \"1\"","run":"7","seq":42,"at":1417824675123456789,"kind":"dns","severity":6,"log":"conn","stamp":"","record":"a\"b\\c` + "\ufffd" + `あ"}`
	got := strings.ReplaceAll(string(s.appendRow(nil, &l, 0)), `\ufffd`, "\ufffd")
	if got != want+"\n" {
		t.Errorf("got %s, want %s", got, want)
	}
	if q := s.query([]Line{{Seq: 42}, {Seq: 44}}); q.Get("insert_deduplication_token") != "sensor__1_-7-42-44" {
		t.Errorf("token of %v", q)
	}
}

// TestClickHouseNumbersLines: rows with the same number are one row in the table that
// is shipped, so lines of a queue in memory, which have none, get their own: the same
// when they are offered again, others in another run.
func TestClickHouseNumbersLines(t *testing.T) {
	seen := map[string]string{}
	at := 0
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		for line := range strings.Lines(body) {
			var row clickHouseRow
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Error(err)
			}
			key := fmt.Sprint(row.Sensor, row.Run, row.Seq)
			if text, ok := seen[key]; ok && text != row.Record {
				t.Errorf("%q and %q are both %s", text, row.Record, key)
			}
			seen[key] = row.Record
		}
		if at++; at%3 == 0 {
			w.WriteHeader(500) // and nobody knows what became of it
		}
	})
	lines := linesFrom(1, records.KindFlow, "a", "b", "c", "d", "e", "f", "g")
	for i := range lines {
		if lines[i].Seq = 0; i == 3 {
			lines[i].Seq = 7 // as where the disk of a queue had failed
		}
	}
	for range 2 {
		s := openSink(t, "clickhouse+"+server.URL, Env{HostName: "sensor"})
		for i := range lines {
			writeUntil(t, s, lines[i:min(i+2, len(lines))])
		}
		s.Close()
	}
	if want := 2*(2*len(lines)-3) + 1; len(seen) != want { // each line twice but the first, and the one with a number
		t.Errorf("%d rows, want %d", len(seen), want)
	}
}

// TestClickHouseRetry: an insert whose answer was lost is not done twice.
func TestClickHouseRetry(t *testing.T) {
	var got store
	proper := fakeClickHouse(t, &got)
	lose := true
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		proper(w, r, body)
		if lose {
			lose = false
			panic(http.ErrAbortHandler)
		}
	})
	s := openSink(t, "clickhouse+"+server.URL, Env{HostName: "sensor"})
	defer s.Close()
	lines := linesFrom(1, records.KindFlow, "a", "b")
	if w, err := s.Write(context.Background(), lines); err == nil || w.done() != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	writeUntil(t, s, lines)
	got.want(t, "a", "b")
}

// TestClickHouseExceptions: an error in a 200 acknowledges nothing, one that a
// mended server would not have is told from one that passes.
func TestClickHouseExceptions(t *testing.T) {
	for _, c := range []struct {
		status       int
		header, body string
		transient    bool
	}{
		{200, "", "\nCode: 241. DB::Exception: Memory limit (total) exceeded", true},
		{200, "X-ClickHouse-Exception-Code: 252", "Too many parts", true},
		{500, "", "Code: 252. DB::Exception: Too many parts (300)", true},
		{500, "", "Code: 49, e.displayText() = DB::Exception: Logical error, e.what() = DB::Exception", true},
		{404, "", "Code: 60. DB::Exception: Table kagami.raw does not exist. (UNKNOWN_TABLE)", false},
		{404, "", "Code: 81, e.displayText() = DB::Exception: Database kagami doesn't exist, e.what() = DB::Exception", false},
		{516, "X-ClickHouse-Exception-Code: 516", "Code: 516. DB::Exception: kagami: Authentication failed", false},
		{400, "", "Code: 27. DB::Exception: Cannot parse input", false}, // the table has taken nothing yet
	} {
		var got store
		server := serve(t, nil, fakeClickHouse(t, &got))
		server.will(answers(c.status, c.header, c.body))
		s := openSink(t, "clickhouse+"+server.URL, Env{})
		defer s.Close()
		w, err := s.Write(context.Background(), linesFrom(1, records.KindFlow, "a"))
		var passes transientError
		if err == nil || w.done() != 0 || errors.As(err, &passes) != c.transient {
			t.Errorf("%s: %+v, %v", c.body, w, err)
		}
		writeUntil(t, s, linesFrom(1, records.KindFlow, "a"))
		got.want(t, "a")
	}
}

// TestClickHousePoison: one row that spoils its block is found and refused, and
// every other is in the table, in order.
func TestClickHousePoison(t *testing.T) {
	var got store
	server := serve(t, nil, fakeClickHouse(t, &got))
	var log strings.Builder
	s := openSink(t, "clickhouse+"+server.URL, Env{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	var texts, want []string
	for i := range 300 {
		text := fmt.Sprint("row ", i)
		if i == 77 || i == 78 {
			text = "poison"
		} else {
			want = append(want, text)
		}
		texts = append(texts, text)
	}
	if refused := writeUntil(t, s, linesFrom(1, records.KindFlow, texts...)); refused != 2 {
		t.Errorf("%d refused", refused)
	}
	got.want(t, want...)
	if !strings.Contains(log.String(), "CANNOT_PARSE") {
		t.Errorf("log %q", log.String())
	}
}

// TestClickHouseOld: a server before 22.2 knows neither tokens nor async_insert.
func TestClickHouseOld(t *testing.T) {
	var got store
	proper := fakeClickHouse(t, &got)
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, body string) {
		if q := r.URL.Query(); len(q) > 2 {
			w.WriteHeader(500)
			io.WriteString(w, "Code: 115, e.displayText() = DB::Exception: Unknown setting async_insert, e.what() = DB::Exception")
			return
		}
		proper(w, r, body)
	})
	s := openSink(t, "clickhouse+"+server.URL, Env{})
	defer s.Close()
	writeUntil(t, s, linesFrom(1, records.KindFlow, "a", "b"))
	got.want(t, "a", "b")
}

func BenchmarkClickHouseBody(b *testing.B) {
	s := &clickHouseSink{numbers: newNumbers(Env{SensorID: "s", SeqID: "1"})}
	l := linesFrom(1, records.KindFlow, `{"@timestamp":"`+strings.Repeat("x", 700)+`"}`)[0]
	b.ReportAllocs()
	for b.Loop() {
		s.body = s.appendRow(s.body[:0], &l, 0)
	}
}
