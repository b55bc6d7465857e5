package exporters

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"kagami/records"
)

// TestIntegrationClickHouse: 100,000 records into Debian's clickhouse-server,
// killed twice in between. It is of 2018 and cannot load the tables that are
// shipped: here is the raw one without what it does not know.
func TestIntegrationClickHouse(t *testing.T) {
	needPrograms(t, "clickhouse-server")
	dir, port := t.TempDir(), freePort(t)
	save(t, dir+"/config.xml", `<yandex><logger><level>error</level><console>1</console></logger><listen_host>127.0.0.1</listen_host>
		<http_port>`+port+`</http_port><path>`+dir+`/data/</path><tmp_path>`+dir+`/tmp/</tmp_path><mark_cache_size>100000000</mark_cache_size>
		<users_config>`+dir+`/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database></yandex>`)
	save(t, dir+"/users.xml", `<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>
		<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>`)
	server := &realServer{t: t, ready: "http://127.0.0.1:" + port, start: func() *exec.Cmd {
		return exec.Command("clickhouse-server", "--config-file="+dir+"/config.xml")
	}}
	server.run()
	t.Cleanup(server.kill)
	queryClickHouse(t, server.ready, "CREATE DATABASE kagami")
	queryClickHouse(t, server.ready, `CREATE TABLE kagami.raw (sensor String, run String, seq UInt64, at Int64, kind String, severity UInt8, log String, record String)
		ENGINE = ReplacingMergeTree PARTITION BY intDiv(at, 2592000000000000) ORDER BY (sensor, run, seq)`)
	lines := manyLines(t, integrationRecords)
	deliverThrough(t, openSink(t, "clickhouse+"+server.ready, Env{HostName: "sensor", SeqID: "1"}), server, lines)
	wantOnce(t, lines, readRaw(t, server.ready))
}

// TestIntegrationClickHouseTables: the tables that are shipped, in the engine of a
// current ClickHouse, killed twice in between; the tables of each kind fill, and
// what is sent again stands there once.
func TestIntegrationClickHouseTables(t *testing.T) {
	needPrograms(t, "python3")
	if exec.Command("python3", "-c", "import chdb").Run() != nil {
		lacks(t, "python3 has no package chdb")
	}
	dir, port := t.TempDir(), freePort(t)
	server := &realServer{t: t, ready: "http://127.0.0.1:" + port, start: func() *exec.Cmd {
		return exec.Command("python3", "testdata/clickhouse/server.py", dir+"/db", port)
	}}
	server.run()
	t.Cleanup(server.kill)
	for _, file := range []string{"01-raw.sql", "02-tables.sql"} {
		b, err := os.ReadFile("../configs/siem/clickhouse/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(regexp.MustCompile(`--[^\n]*`).ReplaceAllString(string(b), ""), ";") {
			if strings.TrimSpace(statement) != "" {
				queryClickHouse(t, server.ready, statement)
			}
		}
	}
	lines := manyLines(t, integrationRecords)
	to := "clickhouse+" + server.ready
	deliverThrough(t, openSink(t, to, Env{HostName: "sensor", SeqID: "1"}), server, lines)
	again := openSink(t, to, Env{HostName: "sensor", SeqID: "1"})
	defer again.Close()
	if w, err := again.Write(context.Background(), lines[:batchLines]); err != nil || w.Sent != batchLines {
		t.Errorf("%+v, %v", w, err)
	}
	wantOnce(t, lines, readRaw(t, server.ready))
	for table, kind := range map[string]records.Kind{"flow": records.KindFlow, "dns": records.KindDNS, "http": records.KindHTTP, "tls": records.KindTLS, "alert": records.KindAlert} {
		wantCount(t, server.ready, "kagami."+table+" FINAL", kindCount(lines, kind))
	}
	wantCount(t, server.ready, "kagami.raw WHERE seq <= 512", batchLines) // without FINAL: the token alone
	for condition, kind := range map[string]records.Kind{
		"kagami.flow FINAL WHERE source_ip = toIPv6('192.168.100.5') AND destination_port = 443 AND source_bytes = 1402 AND conn_state = 'SF' AND start > '2014-01-01'": records.KindFlow,
		"kagami.dns FINAL WHERE question = 'apt.example.com' AND time > '2026-01-01' AND flow_id != ''":                                                                 records.KindDNS,
		"kagami.http FINAL WHERE method = 'GET' AND status = 200 AND url = 'http://apt.example.com/xxx/apt.zip'":                                                        records.KindHTTP,
		"kagami.tls FINAL WHERE version != '' AND server_name != '' AND cipher != ''":                                                                                   records.KindTLS,
		"kagami.alert FINAL WHERE rule = 'direct-egress' AND severity = 'high' AND has(technique, 'T1071') AND length(evidence) = 2 AND update = 2":                     records.KindAlert,
	} {
		wantCount(t, server.ready, condition, kindCount(lines, kind))
	}
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
