package exporters

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

// liveHeap is what is in use of the heap.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfADeadPlace: a queue on disk takes the same memory however much waits,
// sink included. KAGAMI_MEMORY is another number of lines than 100,000.
func TestMemoryOfADeadPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 170 MB")
	}
	lines := 100_000
	fmt.Sscan(os.Getenv("KAGAMI_MEMORY"), &lines)
	for _, c := range []struct{ format, to string }{
		{"bind", "syslog+tcp://127.0.0.1:1"},
		{"bind", "syslog+tls://127.0.0.1:1"},
		{"bind", "file://DIR/full.log"},
		{"zeek-json", "file://DIR/logs/"},
		{"bind", "opensearch+http://127.0.0.1:1"},
		{"bind", "clickhouse+http://127.0.0.1:1"},
		{"bind", "kafka://127.0.0.1:1/t"},
		{"bind", "kafka+tls://127.0.0.1:1/t?sasl=scram-sha-512&user=u&password=file:DIR/password"},
		{"bind", "nats://127.0.0.1:1/x"},
		{"ecs", "webhook+http://127.0.0.1:1/x?all=yes"},
	} {
		scheme, _, _ := strings.Cut(c.to, ":")
		t.Run(c.format+"-"+strings.ReplaceAll(scheme, "+", "-"), func(t *testing.T) {
			dir := t.TempDir()
			save(t, filepath.Join(dir, "password"), "x\n")
			os.Mkdir(filepath.Join(dir, "logs"), 0o700)
			for _, name := range []string{"full.log", "logs/dns.log"} {
				if err := os.Symlink("/dev/full", filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			r := []records.Record{dnsRecord(t, nil)}
			measureDead(t, Config{Format: c.format, To: strings.ReplaceAll(c.to, "DIR", dir)}, dir, r, lines)
		})
	}
}

func measureDead(t *testing.T, c Config, dir string, r []records.Record, lines int) {
	t.Helper()
	before := liveHeap()
	s, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "queue"), MaxBytes: 4 << 30}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(c, Env{HostName: "sensor", SeqID: s.ID(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d := NewDurable(e, s)
	most := int64(0)
	for n := range lines {
		d.Write(r)
		if n%(lines/5) == lines/5-1 {
			most = max(most, liveHeap()-before)
		}
	}
	for end := time.Now().Add(5 * time.Second); d.Stats().Errors < 2 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	st := d.Stats()
	most = max(most, liveHeap()-before)
	t.Logf("%s: %d lines, %d MiB on disk: %.1f MiB of heap at most, %.1f of them lines", c.To[:min(len(c.To), 20)], st.QueuedLines, st.DiskBytes>>20, float64(most)/(1<<20), float64(s.Stats().Memory)/(1<<20))
	if most >= 16<<20 {
		t.Errorf("%d octets of heap, want less than 16 MiB", most)
	}
	if st.Made == 0 || st.Errors == 0 || st.Made != st.Dropped+uint64(st.QueuedLines) {
		t.Errorf("%+v", st)
	}
	closeWithin(3*time.Second, d)
}

// TestMemoryOfAWorkingPlace: compressors, connections and batches of a sink at work
// come on top of a queue that is nearly empty then. The servers are in this process:
// what they keep counts, too.
func TestMemoryOfAWorkingPlace(t *testing.T) {
	http := serve(t, nil, fakeBulk(t, new(store)))
	collector := collectDiscarding(t)
	broker, stream := kafkaCluster(t), natsServer(t, t.TempDir(), nil)
	natsStream(t, stream, nil)
	for name, to := range map[string]string{
		"syslog": "syslog+tcp://" + collector, "file": "file://" + t.TempDir() + "/x.log?rotate_bytes=1M&keep=1", "opensearch": "opensearch+" + http.URL,
		"kafka-zstd": "kafka://" + broker.ListenAddrs()[0] + "/t", "kafka-gzip": "kafka://" + broker.ListenAddrs()[0] + "/t?compression=gzip", "nats": "nats://" + address(stream) + "/x.{kind}",
	} {
		t.Run(name, func(t *testing.T) {
			before, most := liveHeap(), int64(0)
			d := durableFor(t, Config{Format: "ecs", To: to}, filepath.Join(t.TempDir(), "queue"), slog.New(slog.DiscardHandler))
			for n := range 6000 {
				d.Write([]records.Record{faultQuery(t, n)})
				if n%1000 == 999 {
					most = max(most, liveHeap()-before)
					time.Sleep(20 * time.Millisecond)
				}
			}
			empty(t, d)
			t.Logf("%.1f MiB of heap at most, %.1f when all is sent", float64(most)/(1<<20), float64(liveHeap()-before)/(1<<20))
			limit := int64(16 << 20)
			if strings.HasPrefix(name, "kafka") || name == "nats" {
				limit = 32 << 20 // whose servers keep it all
			}
			if most >= limit {
				t.Errorf("%d octets of heap, want less than %d", most, limit)
			}
			closeWithin(5*time.Second, d)
		})
	}
}

// collectDiscarding is the address of a server that reads and forgets.
func collectDiscarding(t *testing.T) string {
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	return l.Addr().String()
}
