package exporters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// brokerEnv is what the sinks of brokers are opened with.
func brokerEnv() (Env, *logBuffer) {
	log := new(logBuffer)
	return Env{HostName: "sensor", SeqID: "run", Logger: testLogger(log)}, log
}

// kafkaCluster starts brokers with the topic "t" of three partitions.
func kafkaCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "t")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// openKafkaSink opens a sink that gives up soon.
func openKafkaSink(t *testing.T, to string) (*kafkaSink, *logBuffer) {
	t.Helper()
	env, log := brokerEnv()
	s := openSink(t, to, env).(*kafkaSink)
	s.patience = 500 * time.Millisecond
	t.Cleanup(func() { s.Close() })
	return s, log
}

// consume reads n records of a topic, each partition's in its order.
func consume(t *testing.T, topic string, n int, opts ...kgo.Opt) (out []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(out) < n {
		f := client.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("%d of %d records: %v", len(out), n, err)
		}
		out = append(out, f.Records()...)
	}
	return out
}

func valuesOf(recs []*kgo.Record) []string {
	var out []string
	for _, r := range recs {
		out = append(out, string(r.Value))
	}
	return out
}

func TestKafka(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := kafkaCluster(t)
			s, _ := openKafkaSink(t, "kafka://"+c.ListenAddrs()[0]+"/t?compression="+codec)
			lines := hostLines(3000)
			for from := 0; from < len(lines); from += batchLines {
				part := lines[from:min(from+batchLines, len(lines))]
				if w, err := s.Write(context.Background(), part); err != nil || w != (Written{Sent: len(part)}) {
					t.Fatalf("%+v, %v", w, err)
				}
			}
			got := consume(t, "t", len(lines), kgo.SeedBrokers(c.ListenAddrs()...))
			wantHostOrder(t, valuesOf(got), lines)
			partition := map[string]int32{}
			for _, r := range got {
				host, number, _ := strings.Cut(string(r.Value), " ")
				n, _ := strconv.Atoi(number)
				if string(r.Key) != host {
					t.Fatalf("key %q of %q", r.Key, r.Value)
				}
				if p, ok := partition[host]; ok && p != r.Partition {
					t.Fatalf("%s is in partitions %d and %d", host, p, r.Partition)
				}
				partition[host] = r.Partition
				if len(r.Headers) != 1 || r.Headers[0].Key != "kagami-id" || string(r.Headers[0].Value) != fmt.Sprintf("sensor/run/%d", n+1) {
					t.Fatalf("headers %v of %q", r.Headers, r.Value)
				}
				if d := time.Since(r.Timestamp); d < 0 || d > time.Hour {
					t.Fatalf("timestamp %v: retention would go by a record's time", r.Timestamp)
				}
			}
		})
	}
}

func TestKafkaTopicPerLog(t *testing.T) {
	c := kafkaCluster(t, kfake.SeedTopics(1, "z.conn", "z.flow"))
	s, _ := openKafkaSink(t, "kafka://"+c.ListenAddrs()[0]+"/z.{log}")
	lines := linesOf("one", "two", "three")
	lines[1].Log = "conn"
	if w, errs := offer(t, s, lines); w.Sent != 3 || errs != nil {
		t.Fatal(w, errs)
	}
	if got := valuesOf(consume(t, "z.conn", 1, kgo.SeedBrokers(c.ListenAddrs()...))); got[0] != "two" {
		t.Errorf("conn: %q", got)
	}
	got := consume(t, "z.flow", 2, kgo.SeedBrokers(c.ListenAddrs()...))
	if got[0].Headers != nil || string(got[0].Key) != "sensor" { // neither numbered nor about a host
		t.Errorf("%q: %v", got[0].Key, got[0].Headers)
	}
}

// What a broker says of single partitions is said again of single partitions, and
// nothing arrives twice.
func TestKafkaFaults(t *testing.T) {
	produce := []kmsg.Key{kmsg.Produce}
	for _, c := range []struct {
		name  string
		fault kfake.Fault
		fails string // an error on the way; "" = the client alone gets over it
	}{
		{"leader moves", kfake.Fault{Err: kerr.NotLeaderForPartition, Count: 2}, ""},
		{"too few replicas", kfake.Fault{Err: kerr.NotEnoughReplicas, Count: 2}, ""},
		{"answer lost after the write", kfake.Fault{Err: kerr.RequestTimedOut, Count: 2}, ""},
		{"too few replicas after the write", kfake.Fault{Err: kerr.NotEnoughReplicasAfterAppend, Count: 2}, ""},
		{"one partition fails", kfake.Fault{Err: kerr.KafkaStorageError, Count: -1, Partitions: []int32{1}}, "no acknowledgement within"},
		{"one partition is forbidden", kfake.Fault{Err: kerr.TopicAuthorizationFailed, Count: -1, Partitions: []int32{2}}, "grant WRITE and DESCRIBE"},
		{"wrong clock", kfake.Fault{Err: kerr.InvalidTimestamp, Count: -1, Partitions: []int32{1}}, "check this sensor's clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := kafkaCluster(t)
			s, _ := openKafkaSink(t, "kafka://"+cluster.ListenAddrs()[0]+"/t")
			if c.fails == "" {
				s.patience = 20 * time.Second
			}
			lines := hostLines(batchLines)
			c.fault.Keys = produce
			fault := cluster.Fault(c.fault)
			time.AfterFunc(time.Second, fault.Remove)
			w, errs := offer(t, s, lines)
			if w.Sent != len(lines) || fault.Hits() == 0 {
				t.Errorf("%+v, %q, %d hits", w, errs, fault.Hits())
			}
			if all := strings.Join(errs, "\n"); (c.fails == "") != (errs == nil) || !strings.Contains(all, c.fails) {
				t.Errorf("got errors %q, want %q", errs, c.fails)
			}
			wantHostOrder(t, valuesOf(consume(t, "t", len(lines), kgo.SeedBrokers(cluster.ListenAddrs()...))), lines)
		})
	}
}

// A broker that ends the connection while it handles a batch, before or after it
// wrote the lines, gets them again: they arrive once.
func TestKafkaConnectionEndsMidBatch(t *testing.T) {
	c := kafkaCluster(t)
	s, _ := openKafkaSink(t, "kafka://"+c.ListenAddrs()[0]+"/t")
	s.patience = 20 * time.Second
	ends := 0
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if ends++; ends < 4 {
			c.KeepControl()
			return nil, errors.New("cable cut"), true
		}
		return nil, nil, false
	})
	lines := hostLines(batchLines)
	if w, errs := offer(t, s, lines); w.Sent != len(lines) || errs != nil || ends < 4 {
		t.Fatal(w, errs, ends)
	}
	wantHostOrder(t, valuesOf(consume(t, "t", len(lines), kgo.SeedBrokers(c.ListenAddrs()...))), lines)
}

// Lines that are too large are refused and block nothing, whoever finds it out.
func TestKafkaRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		opts  []kfake.Opt
		large int
	}{
		{"by the client", nil, 1 << 20},
		{"by the broker, and the batch with it", []kfake.Opt{kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4000"})}, 5000},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := kafkaCluster(t, c.opts...)
			s, log := openKafkaSink(t, "kafka://"+cluster.ListenAddrs()[0]+"/t?compression=none")
			lines := hostLines(20)
			for _, i := range []int{3, 11} {
				lines[i].Text = []byte(strings.Repeat("x", c.large))
			}
			w, errs := offer(t, s, lines)
			if w != (Written{Sent: 18, Refused: 2}) || errs != nil {
				t.Fatalf("%+v, %q", w, errs)
			}
			if got := log.String(); !strings.Contains(got, "MESSAGE_TOO_LARGE") || strings.Count(got, "\n") != 1 {
				t.Errorf("log: %s", got)
			}
			consume(t, "t", 18, kgo.SeedBrokers(cluster.ListenAddrs()...))
		})
	}
}

func TestKafkaAuthentication(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAGAMI_TEST_PASSWORD", "hunter3")
	c := kafkaCluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "hunter2"),
		kfake.Superuser("SCRAM-SHA-256", "s256", "hunter2"), kfake.Superuser("SCRAM-SHA-512", "s512", "hunter2"),
		kfake.User("SCRAM-SHA-512", "guest", "hunter2"))
	for _, k := range []struct{ query, fails string }{
		{"sasl=plain&user=root&password=file:" + password, ""},
		{"sasl=scram-sha-256&user=s256&password=file:" + password, ""},
		{"sasl=scram-sha-512&user=s512&password=file:" + password, ""},
		{"sasl=plain&user=root&password=env:KAGAMI_TEST_PASSWORD", `while user "root" signed in (plain): check user, password`},
		{"sasl=scram-sha-512&user=s512&password=env:KAGAMI_TEST_PASSWORD", `while user "s512" signed in (scram-sha-512): check user, password`},
		{"sasl=scram-sha-512&user=guest&password=file:" + password, `not allowed to write as user "guest": grant WRITE`},
		{"", "SASL"},
	} {
		t.Run(k.query, func(t *testing.T) {
			s, log := openKafkaSink(t, "kafka://"+c.ListenAddrs()[0]+"/t?"+k.query)
			w, err := s.Write(context.Background(), linesOf("one"))
			if strings.Contains(log.String()+fmt.Sprint(err), "hunter") {
				t.Errorf("the password is in %s%v", log, err)
			}
			if k.fails == "" {
				if err != nil || w.Sent != 1 {
					t.Errorf("%+v, %v", w, err)
				}
				return
			}
			if err == nil || w.done() != 0 || !strings.Contains(err.Error(), k.fails) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v; want %q", w, err, k.fails)
			}
		})
	}
	root := kgo.SASL(scram.Auth{User: "s512", Pass: "hunter2"}.AsSha512Mechanism())
	consume(t, "t", 3, kgo.SeedBrokers(c.ListenAddrs()...), root)
}

func TestKafkaCloses(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := openKafkaSink(t, "kafka://"+c.ListenAddrs()[0]+"/t")
	if w, errs := offer(t, s, hostLines(100)); w.Sent != 100 {
		t.Fatal(w, errs)
	}
	if err := errors.Join(s.Flush(), s.Reopen(), s.Close()); err != nil {
		t.Error(err)
	}
	c.Close()
	wantNoGoroutines(t, "franz-go/pkg/kgo.")
}

func BenchmarkKafka(b *testing.B) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"), kfake.BlackholeProduce())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	env, _ := brokerEnv()
	env.Logger = slog.New(slog.DiscardHandler)
	s, err := openKafka(mustURL("kafka://"+c.ListenAddrs()[0]+"/t"), env)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	lines := hostLines(batchLines)
	for i := range lines {
		lines[i].Text = []byte(strings.Repeat(string(lines[i].Text)+" ", 30))
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(lines[0].Text)))
	for n := 0; n < b.N; n += len(lines) {
		if _, err := s.Write(context.Background(), lines); err != nil {
			b.Fatal(err)
		}
	}
}
