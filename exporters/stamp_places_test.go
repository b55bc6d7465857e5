package exporters

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"kagami/exporters/chain"
	"kagami/packet"
	"kagami/records"
)

// stampInFront is a stamp as it stands in front of a plain line on its way.
const stampInFront = `[kagami@32473 sensor="fw1" boot="5f0c" name="n" seq="7" tag="0123456789abcdef"] `

// Where a record's stamp stands.
const (
	inRecord = "in the record"
	inFront  = "beside the line, in the same message"
	beside   = "in an account beside the log"
	nowhere  = "nowhere"
)

// plainStamps is where the stamps of formats without room for them stand. A place
// that is not in the table is an error: say here what it does with them.
var plainStamps = []struct{ to, plain string }{
	{"file:///tmp/x.log", beside},
	{"stdout:", nowhere}, // a pipe has no second place
	{"syslog+udp://127.0.0.1", inFront},
	{"syslog+tcp://127.0.0.1", inFront},
	{"syslog+tcp://127.0.0.1?rfc=3164", nowhere}, // no structured data
	{"syslog+tls://127.0.0.1", inFront},
	{"syslog+unix:///tmp/x", inFront},
	{"opensearch+https://127.0.0.1", inFront},
	{"opensearch+http://127.0.0.1", inFront},
	{"elasticsearch+https://127.0.0.1", inFront},
	{"elasticsearch+http://127.0.0.1", inFront},
	{"clickhouse+https://127.0.0.1", inFront},
	{"clickhouse+http://127.0.0.1", inFront},
	{"kafka://127.0.0.1/t", inFront},
	{"kafka+tls://127.0.0.1/t", inFront},
	{"nats://127.0.0.1/t", inFront},
	{"nats+tls://127.0.0.1/t", inFront},
	{"ipfix+udp://127.0.0.1", nowhere}, // octets; IPFIX counts its own messages
	{"ipfix+tcp://127.0.0.1", nowhere},
	{"ipfix+tls://127.0.0.1", nowhere},
	{"webhook:?url=env:X", nowhere}, // a person reads these
	{"webhook+https://127.0.0.1", nowhere},
	{"webhook+http://127.0.0.1", nowhere},
	{"mail://127.0.0.1?from=a@example.jp&to=b@example.jp", nowhere},
	{"mail+tls://127.0.0.1?from=a@example.jp&to=b@example.jp", nowhere},
}

// TestStampPlaces: of every format in every place it is said where the stamp is.
func TestStampPlaces(t *testing.T) {
	for _, scheme := range Schemes() {
		if !slices.ContainsFunc(plainStamps, func(p struct{ to, plain string }) bool { return strings.HasPrefix(p.to, scheme+":") }) {
			t.Errorf("%s: say in plainStamps where the stamps of plain formats stand", scheme)
		}
	}
	for _, p := range plainStamps {
		for i := range formats {
			f := &formats[i]
			u, err := url.Parse(p.to)
			if err != nil {
				t.Fatal(err)
			}
			if f.logs == logFiles && u.Scheme == "file" {
				u.Path = "/tmp/zeek/"
			}
			if err := (Config{Format: f.name, To: u.String()}).Validate(); err != nil {
				continue // does not go there
			}
			want := p.plain
			if _, room := stampForms[f.name]; room && !alertsOnly(u) {
				want = inRecord
			}
			if got := whereStamped(t, f.name, u); got != want {
				t.Errorf("%s to %s: %s, want %s", f.name, p.to, got, want)
			}
		}
	}
}

func whereStamped(t *testing.T, format string, to *url.URL) string {
	t.Helper()
	e := &Export{}
	a := testAccount(t, t.TempDir())
	if alertsOnly(to) || strings.HasPrefix(to.Scheme, "ipfix") { // opens nothing
		if err := e.openStamps(Config{Format: format}, to, a); err != nil {
			t.Fatal(err)
		}
		if e.stamps == nil {
			return nowhere
		}
		return "somewhere"
	}
	if to.Scheme == "file" {
		c := *to
		c.Path = t.TempDir() + "/x"
		if strings.HasSuffix(to.Path, "/") {
			c.Path += "/"
		}
		to = &c
	}
	s, err := a.open("n", format, to)
	switch {
	case err != nil:
		t.Fatal(err)
	case s == nil:
		return nowhere
	case s.beside != "":
		defer a.Close()
		return beside
	case s.form.json || s.form.sep != 0:
		return inRecord
	}
	return inFront
}

// TestStampReceived: what each place makes of every format's lines verifies, and
// plain lines arrive without their stamp.
func TestStampReceived(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	stream := natsStream(t, server, nil)
	for _, p := range []struct {
		to   string
		text func(*testing.T, Sink, []Line) []string // of what lies there, as it is read back
	}{
		{"kafka://127.0.0.1/t", kafkaTexts},
		{"nats://" + address(server) + "/x.{kind}", func(t *testing.T, s Sink, lines []Line) []string { return natsTexts(t, stream, s, lines) }},
		{"opensearch+http://127.0.0.1", openSearchTexts},
		{"clickhouse+http://127.0.0.1", clickHouseTexts},
	} {
		for i := range formats {
			if f := &formats[i]; f.logs != logFiles && f.logs != noText {
				t.Run(p.to[:strings.IndexByte(p.to, ':')]+" "+f.name, func(t *testing.T) {
					a := testAccount(t, t.TempDir())
					x, err := Open(Config{Format: f.name, To: p.to}, Env{HostName: "fw1", SeqID: f.name, Account: a})
					if err != nil {
						t.Fatal(err)
					}
					m := &memory{Export: x}
					if err := m.Write(hostile(t)); err != nil {
						t.Fatal(err)
					}
					beats(t, a, []Output{m}, at(t, "2026-11-15T12:00:00"), 4)
					r := check(t, chain.Options{Inputs: []string{"-"}, Stdin: strings.NewReader(strings.Join(p.text(t, x.sink, linesFrom(1, records.KindFlow, m.lines...)), "\n") + "\n")})
					if !r.Good() || r.Records != uint64(len(m.lines)) || r.Vouched != r.Records-1 || r.Beats != 4 {
						t.Errorf("%d of %d records, %d vouched for, %d heartbeats; %v", r.Records, len(m.lines), r.Vouched, r.Beats, r.Findings)
					}
				})
			}
		}
	}
}

// hostile are records of every kind whose strings came from somebody who knows how
// stamps and answers look.
func hostile(t *testing.T) (out []records.Record) {
	for _, s := range []string{stampInFront + "x", strings.TrimPrefix(stampInFront, "[kagami@32473 "), `a"}},{"_index":"i","_source":{"kagami.export":{"sensor":"x"`,
		`","kagami.export":{"sensor":"fw1","boot":"5f0c","name":"n","seq":7,"tag":"0123456789abcdef"}}`, " kagamiSensor=fw1 kagamiBoot=5f0c kagamiExport=n kagamiSeq=7 kagamiTag=0123456789abcdef",
		"kagami-heartbeat-1 sensor:fw1 boot:5f0c", "\x00\xff\r\n\t\u2028\\\"'", `{"@timestamp":"2026-11-15T12:00:00Z",`} {
		m := between(packet.ProtoTCP, "192.168.100.5:58461", "198.51.100.5:443")
		m.At = at(t, "2026-11-15T11:59:00")
		for _, r := range filled(m, []string{s, s}, 0x5555) {
			if r.Meta().Kind != records.KindHeartbeat {
				out = append(out, r)
			}
		}
	}
	return out
}

// kafkaTexts are what kcat -f '%h %s\n' shows.
func kafkaTexts(t *testing.T, s Sink, lines []Line) (out []string) {
	k := s.(*kafkaSink)
	k.fill(lines)
	for _, r := range k.memory.records {
		var headers []string
		for _, h := range r.Headers {
			headers = append(headers, h.Key+"="+string(h.Value))
		}
		if strings.HasPrefix(string(r.Value), "[") {
			t.Errorf("the stamp stands in the value: %s", r.Value)
		}
		out = append(out, strings.Join(headers, ",")+" "+string(r.Value))
	}
	return out
}

// natsTexts are header and text of the stream's messages.
func natsTexts(t *testing.T, stream jetstream.Stream, s Sink, lines []Line) (out []string) {
	if w, err := s.Write(t.Context(), lines); err != nil || w.Sent != len(lines) {
		t.Fatalf("%+v, %v", w, err)
	}
	for _, m := range stored(t, stream) {
		if strings.HasPrefix(string(m.Data()), "[") {
			t.Errorf("the stamp stands in the text: %s", m.Data())
		}
		out = append(out, m.Headers().Get(stampHeader)+" "+string(m.Data()))
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out
}

// openSearchTexts are the hits of a search, one a line.
func openSearchTexts(t *testing.T, _ Sink, lines []Line) (out []string) {
	for i := range lines {
		doc := appendDocument(nil, &lines[i])
		var read struct{ Message string }
		stamp, line := splitStamp(lines[i].Text)
		if err := json.Unmarshal(doc, &read); err != nil || len(stamp) > 0 && read.Message != string(line) {
			t.Errorf("%v: %s", err, doc)
		}
		out = append(out, fmt.Sprintf(`{"_index":"logs-kagami-default","_id":"fw1-1-%d","_score":null,"_source":%s,"sort":[0]},`, i, doc))
	}
	return out
}

// clickHouseTexts are what SELECT concat(stamp, record) gives.
func clickHouseTexts(t *testing.T, s Sink, lines []Line) (out []string) {
	for i := range lines {
		var row clickHouseRow
		if err := json.Unmarshal(s.(*clickHouseSink).appendRow(nil, &lines[i], i), &row); err != nil || strings.HasPrefix(row.Record, "[") {
			t.Errorf("%v: %+v", err, row)
		}
		out = append(out, row.Stamp+row.Record)
	}
	return out
}
