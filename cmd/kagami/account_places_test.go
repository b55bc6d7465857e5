package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"kagami/lab/integration"
)

// accountPlace is a place that records go to, with a real server behind it, and the
// way in which they come back as kagami verify reads them.
type accountPlace struct {
	name     string
	start    func(t *testing.T, formats []string) *farServer
	anyOrder bool // what it gives back is in no order
	quiet    bool // what it has not read is lost when it stops: it says nothing of what it took
}

// farServer is such a server for one test.
type farServer struct {
	*integration.Server
	to   func(format string) string              // URL
	dump func(t *testing.T, format, into string) // what it has, one record a line
}

var accountPlaces = []accountPlace{
	{"rsyslog tcp", farSyslog("rsyslogd", rsyslogPlaces[1]), false, true},
	{"rsyslog tls", farSyslog("rsyslogd", rsyslogPlaces[4]), false, true},
	{"syslog-ng tcp", farSyslog("syslog-ng", syslogNGPlaces[1]), false, true},
	{"syslog-ng tls", farSyslog("syslog-ng", syslogNGPlaces[4]), false, true},
	{"kafka", farKafka, true, false},
	{"nats", farNATS, false, false},
	{"clickhouse-server", farClickHouse, true, false},
	{"clickhouse engine", farClickHouseEngine, true, false},
	{"opensearch", farOpenSearch, true, false},
	{"elasticsearch", farElasticsearch, true, false},
}

// farSyslog is a daemon that keeps messages with their structured data.
func farSyslog(daemon string, p syslogPlace) func(*testing.T, []string) *farServer {
	return func(t *testing.T, _ []string) *farServer {
		config := strings.ReplaceAll(rsyslogHead, `template="text"`, `template="RSYSLOG_SyslogProtocol23Format"`) + p.config + "\n"
		if daemon == "syslog-ng" {
			config = strings.ReplaceAll(strings.ReplaceAll(syslogNGConfig, `template("$MSG\n")`, "flags(syslog-protocol)"), "SOURCE", p.config)
		}
		c := integration.Syslog(t, daemon, config, func(dir string) { issueCertificates(t, dir) })
		return &farServer{c.Server, func(format string) string { return c.Fill(p.url) + "&tag=" + format },
			func(t *testing.T, format, into string) { // of one export alone, as a SIEM keeps them by program
				var own strings.Builder
				for line := range strings.Lines(string(c.Received())) {
					if strings.Contains(line, " "+format+" ") {
						own.WriteString(line)
					}
				}
				writeFile(t, into, own.String())
			}}
	}
}

// shell runs a command as it stands in the guides, and keeps what it prints.
func shell(t *testing.T, into string, cmd *exec.Cmd) {
	t.Helper()
	f, err := os.Create(into)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = f, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, errs.String())
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func farKafka(t *testing.T, formats []string) *farServer {
	integration.Need(t, "kcat", "java", "mvn")
	s := integration.Kafka(t, "", []string{"auto.create.topics.enable=true", "num.partitions=3"})
	for _, f := range formats { // asking for it makes it
		for range 20 {
			if out, _ := integration.Command("kcat", "-q", "-b", s.Address(), "-L", "-t", "kagami-"+f).CombinedOutput(); strings.Contains(string(out), "with 3 partitions") {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	return &farServer{s, func(format string) string { return "kafka://" + s.Address() + "/kagami-" + format },
		func(t *testing.T, format, into string) {
			shell(t, into, integration.Command("kcat", "-q", "-b", s.Address(), "-C", "-t", "kagami-"+format, "-o", "beginning", "-e", "-f", `%h %s\n`))
		}}
}

func farNATS(t *testing.T, formats []string) *farServer {
	s := integration.NATS(t)
	nc, err := nats.Connect("nats://"+s.Address(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KAGAMI-" + f, Subjects: []string{f + ".>"}, Storage: jetstream.FileStorage}); err != nil {
			t.Fatal(err)
		}
	}
	return &farServer{s, func(format string) string { return "nats://" + s.Address() + "/" + format + ".{kind}" },
		func(t *testing.T, format, into string) { writeFile(t, into, natsText(t, js, "KAGAMI-"+format)) }}
}

// natsText is a stream's messages, each behind its header kagami-stamp.
func natsText(t *testing.T, js jetstream.JetStream, name string) string {
	t.Helper()
	ctx := t.Context()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for n := uint64(0); n < info.State.Msgs; {
		batch, err := c.Fetch(1000, jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		before := n
		for m := range batch.Messages() {
			fmt.Fprintf(&text, "%s %s\n", m.Headers().Get("kagami-stamp"), m.Data())
			n++
		}
		if n == before {
			t.Fatalf("%d of %d messages: %v", n, info.State.Msgs, batch.Error())
		}
	}
	return text.String()
}

func farClickHouse(t *testing.T, formats []string) *farServer {
	s := integration.ClickHouse(t)
	askHTTP(t, s, "/", "CREATE DATABASE kagami")
	for _, f := range formats {
		askHTTP(t, s, "/", `CREATE TABLE kagami.`+sqlName(f)+` (sensor String, run String, seq UInt64, at Int64, kind String, severity UInt8, log String, stamp String, record String)
			ENGINE = ReplacingMergeTree PARTITION BY intDiv(at, 2592000000000000) ORDER BY (sensor, run, seq)`)
	}
	return &farServer{s, clickHousePlaceOf(s), func(t *testing.T, format, into string) {
		writeFile(t, into, askHTTP(t, s, "/", "SELECT concat(stamp, record) FROM kagami."+sqlName(format)+" FINAL ORDER BY sensor, run, seq FORMAT TabSeparatedRaw"))
	}}
}

// sqlComments are comments of SQL.
var sqlComments = regexp.MustCompile(`--[^\n]*`)

// farClickHouseEngine has the tables that are shipped.
func farClickHouseEngine(t *testing.T, formats []string) *farServer {
	s := integration.ClickHouseEngine(t)
	b, err := os.ReadFile("../../configs/siem/clickhouse/01-raw.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		for statement := range strings.SplitSeq(sqlComments.ReplaceAllString(string(b), ""), ";") {
			if statement = strings.TrimSpace(statement); statement != "" {
				askHTTP(t, s, "/?query="+url.QueryEscape(strings.ReplaceAll(statement, "kagami.raw", "kagami."+sqlName(f))), "")
			}
		}
	}
	return &farServer{s, clickHousePlaceOf(s), func(t *testing.T, format, into string) {
		writeFile(t, into, askHTTP(t, s, "/?query="+url.QueryEscape("SELECT concat(stamp, record) AS line FROM kagami."+sqlName(format)+" FINAL ORDER BY sensor, run, seq FORMAT TSVRaw"), ""))
	}}
}

func sqlName(format string) string { return "raw_" + strings.ReplaceAll(format, "-", "_") }

func clickHousePlaceOf(s *integration.Server) func(string) string {
	return func(format string) string { return "clickhouse+http://" + s.Address() + "/kagami." + sqlName(format) }
}

func farOpenSearch(t *testing.T, _ []string) *farServer {
	return farDataStreams(t, "opensearch", integration.OpenSearch(t))
}

func farElasticsearch(t *testing.T, _ []string) *farServer {
	return farDataStreams(t, "elasticsearch", integration.Elasticsearch(t))
}

// farDataStreams has the template that is shipped for OpenSearch, but an analyzer that
// a bare server does not have.
func farDataStreams(t *testing.T, scheme string, s *integration.Server) *farServer {
	b, err := os.ReadFile("../../configs/siem/opensearch/index-template.json")
	if err != nil {
		t.Fatal(err)
	}
	askHTTP(t, s, "PUT /_index_template/kagami", strings.ReplaceAll(string(b), `"analyzer": "cjk",`, ""))
	return &farServer{s, func(format string) string { return scheme + "+http://" + s.Address() + "/logs-kagami-" + format },
		func(t *testing.T, format, into string) {
			askHTTP(t, s, "/logs-kagami-"+format+"/_refresh", "")
			shell(t, into, exec.Command("sh", "../../configs/siem/opensearch/dump.sh", "http://"+s.Address(), "logs-kagami-"+format))
		}}
}

// askHTTP sends body to a path, "PUT /path" or with POST, and returns the answer.
func askHTTP(t *testing.T, s *integration.Server, path, body string) string {
	t.Helper()
	method, rest, ok := strings.Cut(path, " ")
	if !ok {
		method, rest = http.MethodPost, path
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Address()+rest, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode/100 != 2 {
		t.Fatalf("%s: %d, %.1000s, %v", path, r.StatusCode, b, err)
	}
	return string(b)
}
