package exporters

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"kagami/lab/integration"
	"kagami/records"
)

// TestIntegrationClickHouse: 100,000 records into Debian's clickhouse-server,
// killed twice in between. It is of 2018 and cannot load the tables that are
// shipped: here is the raw one without what it does not know.
func TestIntegrationClickHouse(t *testing.T) {
	server := integration.ClickHouse(t)
	to := "http://" + server.Address()
	queryClickHouse(t, to, "CREATE DATABASE kagami")
	queryClickHouse(t, to, `CREATE TABLE kagami.raw (sensor String, run String, seq UInt64, at Int64, kind String, severity UInt8, log String, stamp String, record String)
		ENGINE = ReplacingMergeTree PARTITION BY intDiv(at, 2592000000000000) ORDER BY (sensor, run, seq)`)
	lines := manyLines(t, integrationRecords)
	deliverThrough(t, openSink(t, "clickhouse+"+to, Env{HostName: "sensor", SeqID: "1"}), server, lines)
	wantOnce(t, lines, readRaw(t, to))
}

// TestIntegrationClickHouseTables: the tables that are shipped, in the engine of a
// current ClickHouse, killed twice in between; the tables of each kind fill, and
// what is sent again stands there once.
func TestIntegrationClickHouseTables(t *testing.T) {
	server := integration.ClickHouseEngine(t)
	at := "http://" + server.Address()
	shippedTables(t, at, "01-raw.sql", "02-tables.sql")
	lines := manyLines(t, integrationRecords)
	to := "clickhouse+" + at
	deliverThrough(t, openSink(t, to, Env{HostName: "sensor", SeqID: "1"}), server, lines)
	again := openSink(t, to, Env{HostName: "sensor", SeqID: "1"})
	defer again.Close()
	if w, err := again.Write(context.Background(), lines[:batchLines]); err != nil || w.Sent != batchLines {
		t.Errorf("%+v, %v", w, err)
	}
	wantOnce(t, lines, readRaw(t, at))
	for table, kind := range map[string]records.Kind{"flow": records.KindFlow, "dns": records.KindDNS, "http": records.KindHTTP, "tls": records.KindTLS, "alert": records.KindAlert} {
		wantCount(t, at, "kagami."+table+" FINAL", kindCount(lines, kind))
	}
	wantCount(t, at, "kagami.raw WHERE seq <= 512", batchLines) // without FINAL: the token alone
	for condition, kind := range map[string]records.Kind{
		"kagami.flow FINAL WHERE source_ip = toIPv6('192.168.100.5') AND destination_port = 443 AND source_bytes = 1402 AND conn_state = 'SF' AND start > '2014-01-01'": records.KindFlow,
		"kagami.dns FINAL WHERE question = 'apt.example.com' AND time > '2026-01-01' AND flow_id != ''":                                                                 records.KindDNS,
		"kagami.http FINAL WHERE method = 'GET' AND status = 200 AND url = 'http://apt.example.com/xxx/apt.zip'":                                                        records.KindHTTP,
		"kagami.tls FINAL WHERE version != '' AND server_name != '' AND cipher != ''":                                                                                   records.KindTLS,
		"kagami.alert FINAL WHERE rule = 'direct-egress' AND severity = 'high' AND has(technique, 'T1071') AND length(evidence) = 2 AND update = 2":                     records.KindAlert,
	} {
		wantCount(t, at, condition, kindCount(lines, kind))
	}
}

func shippedTables(t *testing.T, server string, files ...string) {
	t.Helper()
	for _, file := range files {
		b, err := os.ReadFile("../configs/siem/clickhouse/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(regexp.MustCompile(`--[^\n]*`).ReplaceAllString(string(b), ""), ";") {
			if strings.TrimSpace(statement) != "" {
				queryClickHouse(t, server, statement)
			}
		}
	}
}

// TestIntegrationClickHouseMemory: lines of a queue in memory have no numbers, and
// are rows of their own all the same.
func TestIntegrationClickHouseMemory(t *testing.T) {
	at := "http://" + integration.ClickHouseEngine(t).Address()
	shippedTables(t, at, "01-raw.sql")
	lines := manyLines(t, 3*batchLines)
	for i := range lines {
		lines[i].Seq = 0
	}
	for range 2 { // runs of the sensor
		s := openSink(t, "clickhouse+"+at, Env{HostName: "sensor"})
		for i := 0; i < len(lines); i += batchLines {
			if w, err := s.Write(context.Background(), lines[i:i+batchLines]); err != nil || w.Sent != batchLines {
				t.Errorf("%+v, %v", w, err)
			}
		}
		s.Close()
	}
	wantCount(t, at, "kagami.raw FINAL", 2*len(lines))
	t.Logf("%d records", 2*len(lines))
}

func wantCount(t *testing.T, server, from string, want int) {
	t.Helper()
	var row struct{ N int }
	text := queryClickHouse(t, server, "SELECT toUInt32(count()) AS N FROM "+from+" FORMAT JSONEachRow")
	if err := json.Unmarshal([]byte(text), &row); err != nil || row.N != want {
		t.Errorf("%s: %d, want %d (%v)", from, row.N, want, err)
	}
}

func queryClickHouse(t *testing.T, server, query string) string {
	t.Helper()
	return ask(t, "POST", server+"/?query="+url.QueryEscape(query), "")
}

func readRaw(t *testing.T, server string) map[uint64][]string {
	got := map[uint64][]string{}
	text := queryClickHouse(t, server, "SELECT toString(seq) AS seq, record FROM kagami.raw FINAL FORMAT JSONEachRow")
	for line := range strings.Lines(text) {
		var row struct {
			Seq    uint64 `json:",string"`
			Record string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		got[row.Seq] = append(got[row.Seq], row.Record)
	}
	return got
}
