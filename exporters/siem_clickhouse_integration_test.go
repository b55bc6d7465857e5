package exporters

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"kagami/lab/integration"
	"kagami/records"
)

// TestIntegrationClickHouseChecks: the views of 03-checks.sql are empty when all is
// well, and name the silent sensor, the admitted loss and the missing numbers.
func TestIntegrationClickHouseChecks(t *testing.T) {
	server := integration.ClickHouseEngine(t)
	url := "http://" + server.Address()
	for _, file := range []string{"01-raw.sql", "02-tables.sql", "03-checks.sql"} {
		for statement := range strings.SplitSeq(regexp.MustCompile(`--[^\n]*`).ReplaceAllString(shipped(t, "clickhouse/"+file), ""), ";") {
			if strings.TrimSpace(statement) != "" {
				queryClickHouse(t, url, statement)
			}
		}
	}
	sink := openSink(t, "clickhouse+"+url, Env{HostName: "sensor", SeqID: "1"})
	defer sink.Close()
	seq := uint64(0)
	write := func(at time.Time, kind records.Kind, texts ...string) {
		var lines []Line
		for _, text := range texts {
			seq++
			lines = append(lines, Line{Text: []byte(text), At: at.UnixNano(), Kind: kind, Severity: SeverityInfo, Seq: seq})
		}
		if w, err := sink.Write(context.Background(), lines); err != nil || w.Sent != len(lines) {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	stamp := func(line, sensor, number string) string {
		return line[:len(line)-1] + `,"kagami.export":{"sensor":"` + sensor + `","boot":"5f0c","name":"siem","seq":` + number + `,"tag":"00"}}`
	}
	well := beatOf(t, func(*records.Heartbeat) {})
	write(time.Now(), records.KindHeartbeat, stamp(well, "fw1", "1"), stamp(well, "fw1", "2"), stamp(well, "fw1", "3"))
	for _, view := range []string{"silent", "lost", "missing"} {
		wantCount(t, url, "kagami."+view, 0)
	}
	lossy := beatOf(t, func(h *records.Heartbeat) { h.Lost[ClassAlert].Since, h.Dropped.Since = 3, 20 })
	write(time.Now().Add(-10*time.Minute), records.KindHeartbeat, stamp(lossy, "fw2", "7"), stamp(well, "fw2", "9"))
	wantCount(t, url, "kagami.silent WHERE name = 'fw2'", 1)
	wantCount(t, url, "kagami.lost WHERE name = 'fw2' AND alerts = 3 AND packets = 20 AND records = 0", 1)
	wantCount(t, url, "kagami.missing WHERE name = 'fw2' AND first = 7 AND last = 9 AND missing = 1", 1)
	for _, view := range []string{"silent", "lost", "missing"} {
		wantCount(t, url, "kagami."+view, 1)
	}
}
