package exporters

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"kagami/exporters/spool"
	"kagami/lab/integration"
	"kagami/packet"
	"kagami/records"
)

// The real brokers, started and ended by the tests: make integration.

const (
	brokerRecords = 100_000
	brokerBatch   = 1_000
)

// sendThroughRestarts exports records as a sensor does, while the server is
// killed and started again twice.
func sendThroughRestarts(t *testing.T, to string, server *integration.Server) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	disk, err := spool.Open(spool.Config{Dir: filepath.Join(t.TempDir(), "queue"), MaxBytes: 256 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(Config{Format: "ecs", To: to}, Env{HostName: "sensor.example", SeqID: "1", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	q := NewDurable(e, disk)
	start := time.Now()
	for from := 0; from < brokerRecords; from += brokerBatch {
		batch := make([]records.Record, brokerBatch)
		for i := range batch {
			batch[i] = brokerRecord(from + i)
		}
		if err := q.Write(batch); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // 10,000 records a second: the queue drops what comes faster than it can write, and a broker that starts wants the disk too
		switch from {
		case 30_000:
			server.Kill()
		case 60_000:
			server.Run()
			waitFor(t, func() bool { return q.Stats().Sent > brokerRecords/2 })
			server.Kill()
			server.Run()
		}
	}
	waitFor(t, func() bool { s := q.Stats(); return s.Sent+s.Dropped+s.Failed == brokerRecords })
	if err := q.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := q.Stats()
	if s.Sent != brokerRecords || s.Dropped+s.Failed != 0 {
		t.Fatalf("%+v", s)
	}
	t.Logf("%d records in %v, %d attempts failed", s.Sent, time.Since(start).Round(time.Millisecond), s.Errors)
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for until := time.Now().Add(2 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("waited for two minutes")
		}
	}
}

const brokerHosts = 50

// brokerRecord is the n-th query, of one of many hosts.
func brokerRecord(n int) records.Record {
	r := records.NewDNS(between(packet.ProtoUDP, fmt.Sprintf("10.1.0.%d:40000", n%brokerHosts), "10.9.9.9:53"))
	r.Time = 1417824675123456789 + int64(n)*int64(time.Millisecond)
	r.Meta().At, r.Meta().UID = r.Time, uint64(n+1)
	r.Protocol, r.Opcode, r.Flags = "dns", "QUERY", []string{"RD"}
	r.Name, r.Type, r.Class, r.Questions = fmt.Sprintf("q%d.example", n), "A", "IN", 1
	return r
}

// received is a line as it came back.
type received struct {
	text []byte
	key  string // "" where the place has none
	id   string
}

// wantAll wants every record, those of a host in the order in which they were
// sent; repeats are counted, and must be known by their id.
func wantAll(t *testing.T, got []received) {
	t.Helper()
	next := make([]int, brokerHosts)
	for i := range next {
		next[i] = i
	}
	ids := map[string]bool{}
	repeats := 0
	for _, r := range got {
		if ids[r.id] {
			repeats++
			continue
		}
		ids[r.id] = true
		n, client := readIntegrationRecord(t, r.text)
		host := n % brokerHosts
		if n != next[host] {
			t.Fatalf("%s: got record %d, want %d", client, n, next[host])
		}
		next[host] += brokerHosts
		if want := fmt.Sprintf("10.1.0.%d", host); client != want || r.key != "" && r.key != want {
			t.Fatalf("record %d: client %s, key %s", n, client, r.key)
		}
		if want := fmt.Sprintf("sensor.example/1/%d", n+1); r.id != want {
			t.Fatalf("record %d: id %q", n, r.id)
		}
	}
	if len(ids) != brokerRecords {
		t.Fatalf("%d of %d records came back", len(ids), brokerRecords)
	}
	t.Logf("every record came back, in order; %d came twice", repeats)
}

func readIntegrationRecord(t *testing.T, text []byte) (n int, client string) {
	t.Helper()
	var r struct {
		Source struct{ IP string }
		DNS    struct{ Question struct{ Name string } }
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if _, err := fmt.Sscanf(r.DNS.Question.Name, "q%d.example", &n); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n, r.Source.IP
}
