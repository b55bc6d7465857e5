package exporters

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

// natsServer starts a server with JetStream; change may be nil.
func natsServer(t testing.TB, dir string, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

// natsStream makes or finds the stream "S" of the subjects under x; change may be
// nil.
func natsStream(t testing.TB, s *server.Server, change func(*jetstream.StreamConfig), opts ...nats.Option) jetstream.Stream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	c := jetstream.StreamConfig{Name: "S", Subjects: []string{"x.>"}}
	if change != nil {
		change(&c)
	}
	stream, err := js.CreateOrUpdateStream(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// stored reads all messages of a stream in their order.
func stored(t testing.TB, stream jetstream.Stream) (out []jetstream.Msg) {
	t.Helper()
	ctx := context.Background()
	info, err := stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for uint64(len(out)) < info.State.Msgs {
		batch, err := c.Fetch(int(info.State.Msgs)-len(out), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		n := len(out)
		for m := range batch.Messages() {
			out = append(out, m)
		}
		if len(out) == n {
			t.Fatalf("%d of %d messages: %v", n, info.State.Msgs, batch.Error())
		}
	}
	return out
}

func dataOf(msgs []jetstream.Msg) []string {
	var out []string
	for _, m := range msgs {
		out = append(out, string(m.Data()))
	}
	return out
}

func openNATSSink(t *testing.T, to string) (*natsSink, *logBuffer) {
	t.Helper()
	env, log := brokerEnv()
	s := openSink(t, to, env).(*natsSink)
	s.patience = time.Second
	t.Cleanup(func() { s.Close() })
	return s, log
}

func address(s *server.Server) string { return s.Addr().String() }

func TestNATS(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	stream := natsStream(t, server, nil)
	s, _ := openNATSSink(t, "nats://"+address(server)+"/x.{log}?stream=S")
	lines := hostLines(3000)
	lines[7].Log = "conn"
	for from := 0; from < len(lines); from += batchLines {
		part := lines[from:min(from+batchLines, len(lines))]
		if w, err := s.Write(context.Background(), part); err != nil || w != (Written{Sent: len(part)}) {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	msgs := stored(t, stream)
	got := dataOf(msgs)
	if want := textsOf(lines); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %d messages, want %d in order", len(got), len(want))
	}
	for i, m := range msgs {
		subject := "x.flow"
		if i == 7 {
			subject = "x.conn"
		}
		if id := m.Headers().Get("Nats-Msg-Id"); m.Subject() != subject || id != fmt.Sprintf("sensor/run/%d", i+1) {
			t.Fatalf("message %d: subject %q, id %q", i, m.Subject(), id)
		}
	}
}

// What is written again after a crash of the sensor is stored once; what has no
// number is stored as often as it is written.
func TestNATSDuplicates(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	stream := natsStream(t, server, nil)
	for range 2 {
		s, _ := openNATSSink(t, "nats://"+address(server)+"/x.{kind}")
		if w, errs := offer(t, s, append(hostLines(50), linesOf("same")...)); w.Sent != 51 || errs != nil {
			t.Fatal(w, errs)
		}
	}
	if n := len(stored(t, stream)); n != 52 {
		t.Errorf("got %d messages, want 52", n)
	}
}

func TestNATSAuthentication(t *testing.T) {
	t.Setenv("KAGAMI_TEST_PASSWORD", "hunter2")
	t.Setenv("KAGAMI_TEST_WRONG", "hunter3")
	withUser := natsServer(t, t.TempDir(), func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "sensor", Password: "hunter2"},
			{Username: "guest", Password: "hunter2", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"x.>"}}}},
		}
	})
	withToken := natsServer(t, t.TempDir(), func(o *server.Options) { o.Authorization = "hunter2" })
	natsStream(t, withUser, nil, nats.UserInfo("sensor", "hunter2"))
	natsStream(t, withToken, nil, nats.Token("hunter2"))
	for _, c := range []struct{ to, fails string }{
		{"nats://" + address(withUser) + "/x.y?user=sensor&password=env:KAGAMI_TEST_PASSWORD", ""},
		{"nats://" + address(withToken) + "/x.y?token=env:KAGAMI_TEST_PASSWORD", ""},
		{"nats://" + address(withUser) + "/x.y?user=sensor&password=env:KAGAMI_TEST_WRONG", `the server refuses user "sensor"`},
		{"nats://" + address(withToken) + "/x.y?token=env:KAGAMI_TEST_WRONG", "the server refuses the token"},
		{"nats://" + address(withUser) + "/x.y", "the server refuses a client without a user"},
		{"nats://" + address(withUser) + "/x.y?user=guest&password=env:KAGAMI_TEST_PASSWORD", `subject "x.y": user "guest" may not publish there`},
	} {
		t.Run(c.to, func(t *testing.T) {
			s, log := openNATSSink(t, c.to)
			start := time.Now()
			w, err := s.Write(context.Background(), linesOf("one", "two"))
			if strings.Contains(log.String()+fmt.Sprint(err), "hunter") {
				t.Errorf("the password is in %s%v", log, err)
			}
			if c.fails == "" {
				if err != nil || w.Sent != 2 {
					t.Errorf("%+v, %v", w, err)
				}
				return
			}
			if err == nil || w.done() != 0 || !strings.Contains(err.Error(), c.fails) || errors.As(err, new(transientError)) {
				t.Errorf("%+v, %v; want %q", w, err, c.fails)
			}
			if d := time.Since(start); d > 900*time.Millisecond {
				t.Errorf("%v: waited for answers that do not come", d)
			}
		})
	}
}

// Credentials are what nsc writes: a signed name and the key that proves it.
func TestNATSCredentials(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	seed, _ := user.Seed()
	file := filepath.Join(t.TempDir(), "sensor.creds")
	text := fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", "e30.e30.e30", seed)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := listen(t, "127.0.0.1:0")
	proved := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "INFO {\"server_id\":\"S\",\"version\":\"2.9.0\",\"headers\":true,\"max_payload\":1048576,\"nonce\":\"NONCE\",\"auth_required\":true}\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		proved <- verifyConnect(line, public)
		fmt.Fprintf(conn, "-ERR 'Authorization Violation'\r\n")
	}()
	s, _ := openNATSSink(t, "nats://"+l.Addr().String()+"/x?credentials=file:"+file)
	if _, err := s.Write(context.Background(), linesOf("one")); err == nil || !strings.Contains(err.Error(), "the server refuses the credentials") {
		t.Error(err)
	}
	if err := <-proved; err != nil {
		t.Error(err)
	}
}

func TestNATSTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	newCA(t, dir, "other")
	certificate := ca.issue(t, dir, "server", "localhost")
	secure := natsServer(t, t.TempDir(), func(o *server.Options) {
		o.TLS, o.TLSConfig = true, tlsServer(certificate)
	})
	plain := natsServer(t, t.TempDir(), nil)
	file := func(name string) string { return filepath.Join(dir, name) }
	stream := natsStream(t, secure, nil, nats.RootCAs(file("ca.pem")), nats.Secure(clientTLS(ca)))
	for _, c := range []struct{ name, to, fails string }{
		{"right", "nats+tls://" + address(secure) + "/x.y?server_name=localhost&ca=" + file("ca.pem"), ""},
		{"wrong CA", "nats+tls://" + address(secure) + "/x.y?server_name=localhost&ca=" + file("other.pem"), "unknown authority"},
		{"wrong name", "nats+tls://" + address(secure) + "/x.y?ca=" + file("ca.pem"), "127.0.0.1"},
		{"asked for by the server", "nats://" + address(secure) + "/x.y", "failed to verify certificate"},
		{"not offered", "nats+tls://" + address(plain) + "/x.y?ca=" + file("ca.pem"), "the server offers no TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := openNATSSink(t, c.to)
			w, err := s.Write(context.Background(), linesOf("one"))
			if works := c.fails == ""; works != (err == nil) || works != (w.Sent == 1) {
				t.Fatalf("%+v, %v", w, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%v; want %q", err, c.fails)
			}
		})
	}
	if n := len(stored(t, stream)); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}

// What the stream says of a line holds for that line.
func TestNATSStreamAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		query  string
		large  int // octets of the fourth line
		want   Written
		fails  string
		permanent
	}{
		{name: "takes all", want: Written{Sent: 10}},
		{name: "refuses a line", change: func(c *jetstream.StreamConfig) { c.MaxMsgSize = 200 }, large: 300, want: Written{Sent: 9, Refused: 1}},
		{name: "the server refuses a line", large: 2 << 20, want: Written{Sent: 9, Refused: 1}},
		{name: "is full", change: func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 4, jetstream.DiscardNew }, want: Written{Sent: 4}, fails: "maximum messages exceeded"},
		{name: "is another one", query: "?stream=T", fails: "goes to another stream than stream=T", permanent: needsSomebody},
		{name: "is not there", change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"z"} }, fails: `no stream takes subject "x.{kind}": create one`},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := natsServer(t, t.TempDir(), nil)
			natsStream(t, server, c.change)
			s, log := openNATSSink(t, "nats://"+address(server)+"/x.{kind}"+c.query)
			lines := hostLines(10)
			if c.large > 0 {
				lines[3].Text = []byte(strings.Repeat("y", c.large))
			}
			w, err := s.Write(context.Background(), lines)
			if w != c.want || (err == nil) != (c.fails == "") {
				t.Fatalf("%+v, %v; want %+v", w, err, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.fails) || errors.As(err, new(transientError)) != (c.permanent == mayPassLater)) {
				t.Errorf("%v; want %q", err, c.fails)
			}
			if refusedSome := strings.Contains(log.String(), "refuses a record"); refusedSome != (c.want.Refused > 0) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestNATSCloses(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	natsStream(t, server, nil)
	s, _ := openNATSSink(t, "nats://"+address(server)+"/x.{kind}")
	if w, errs := offer(t, s, hostLines(100)); w.Sent != 100 {
		t.Fatal(w, errs)
	}
	if err := errors.Join(s.Flush(), s.Reopen(), s.Close()); err != nil {
		t.Error(err)
	}
	wantNoGoroutines(t, "exporters.(*natsConn)")
	if !s.isClosed() {
		t.Error("the connection is open")
	}
}

func (s *natsSink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil
}

func BenchmarkNATS(b *testing.B) {
	server := natsServer(b, b.TempDir(), nil)
	natsStream(b, server, func(c *jetstream.StreamConfig) { c.Storage, c.MaxMsgs = jetstream.MemoryStorage, 10_000 })
	env, _ := brokerEnv()
	env.Logger = slog.New(slog.DiscardHandler)
	s, err := openNATS(mustURL("nats://"+address(server)+"/x.{kind}"), env)
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
		for i := range lines {
			lines[i].Seq = uint64(n + i + 1)
		}
		if _, err := s.Write(context.Background(), lines); err != nil {
			b.Fatal(err)
		}
	}
}
