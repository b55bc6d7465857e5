package exporters

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kagami/records"
)

const header = "<134>1 2014-12-06T00:11:15.123456Z sensor.example kagami - flow - "

func TestMessageHeader(t *testing.T) {
	record := linesOf("x")[0]
	numbered := record
	numbered.Seq = 1 << 40
	ownElement := numbered
	ownElement.Text = []byte(`[kagami@32473 name="a\"\]" seq="7"] 1.2 x] y`)
	env := Env{HostName: "sensor.example", SensorID: `a"]\b`, BootID: "7", Location: tokyo}
	for _, c := range []struct {
		name, to string
		env      Env
		line     Line
		want     string
	}{
		{"record", "syslog+udp://h", syslogEnv, record, header},
		{"alert", "syslog+udp://h?facility=local7", Env{HostName: "a b\n"}, Line{At: 1, Kind: records.KindAlert, Severity: SeverityError}, "<187>1 1970-01-01T00:00:00.000000Z a_b_ kagami - alert - "},
		{"no host", "syslog+udp://h?facility=kern", Env{}, Line{At: 0, Kind: records.KindDNS, Severity: SeverityWarning}, "<4>1 1970-01-01T00:00:00.000000Z - kagami - dns - "},
		{"number", "syslog+tcp://h:1", syslogEnv, numbered, `<134>1 2014-12-06T00:11:15.123456Z sensor.example kagami - flow [kagami@32473 seq="1099511627776"] `},
		{"sensor and boot", "syslog+tcp://h:1?pen=9&tag=k.1", env, numbered, `<134>1 2014-12-06T00:11:15.123456Z sensor.example k.1 - flow [kagami@9 sensor="a\"\]\\b" boot="7" seq="1099511627776"] `},
		{"RFC 3164", "syslog+udp://h?rfc=3164", env, numbered, "<134>Dec  6 09:11:15 sensor.example kagami: "},
		{"RFC 3164 in UTC", "syslog+udp://h?rfc=3164&time=utc&tag=span", env, record, "<134>Dec  6 00:11:15 sensor.example span: "},
		{"RFC 3164 without host", "syslog+udp://h?rfc=3164", Env{}, record, "<134>Dec  6 00:11:15 - kagami: "},
		{"a line with a stamp", "syslog+udp://h?rfc=3164", env, Line{Text: []byte("Nov 22 01:07:43 vm postfix/cleanup[1]: D8: x"), Severity: SeverityInfo}, "<134>"},
		{"a line with a stamp in RFC 5424", "syslog+udp://h", syslogEnv, Line{Text: []byte("Nov 22 01:07:43 vm x"), At: record.At, Severity: SeverityInfo}, header},
		{"its own element", "syslog+tcp://h:1", env, ownElement, `<134>1 2014-12-06T00:11:15.123456Z sensor.example kagami - flow [kagami@32473 name="a\"\]" seq="7"] `},
		{"RFC 3164 and an element", "syslog+tcp://h:1?rfc=3164", env, ownElement, "<134>Dec  6 09:11:15 sensor.example kagami: "},
		{"local", "syslog+unix:///dev/log", env, record, "<134>Dec  6 09:11:15 kagami: "},
		{"local, RFC 5424", "syslog+unix:///dev/log?rfc=5424", env, record, header},
	} {
		s := openSink(t, c.to, c.env).(*syslogSink)
		b, text := s.message.append(nil, &c.line)
		if got := string(b); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if stamp := bytes.HasPrefix(c.line.Text, []byte("[kagami@")); stamp && string(text) != "1.2 x] y" || !stamp && string(text) != string(c.line.Text) {
			t.Errorf("%s: text %q", c.name, text)
		}
	}
}

// TestStamped: of all lines, those of Postfix's and NetScreen's form are messages.
func TestStamped(t *testing.T) {
	env := Env{Location: tokyo, HostName: "h"}
	for name, open := range map[string]func(Env) Format{"netscreen": newNetScreen, "postfix": newPostfix, "squid": newSquid, "squid-combined": newSquidCombined, "bind": newBIND, "ecs": newECS, "cef": newCEF, "leef": newLEEF} {
		mail := mailRecord(t)
		mail.Header.Lines = []string{"To: x@example.co.jp"}
		lines := allLines(open(env), append(sample(t), mail)...)
		for _, l := range lines {
			if want := name == "netscreen" || name == "postfix"; stamped(l.Text) != want {
				t.Errorf("%s: %q: got %v", name, l.Text, !want)
			}
		}
		if len(lines) == 0 {
			t.Errorf("%s: no line", name)
		}
	}
}

func TestSeverity(t *testing.T) {
	alert := func(s records.Severity) records.Record {
		a := records.NewAlert(records.Meta{})
		a.Severity = s
		return a
	}
	for _, c := range []struct {
		record records.Record
		want   Severity
	}{{alert(records.High), SeverityError}, {alert(records.Medium), SeverityWarning}, {alert(records.Low), SeverityWarning}, {records.NewDNS(records.Meta{}), SeverityInfo}} {
		if got := severity(c.record); got != c.want {
			t.Errorf("%v: got %d, want %d", c.record.Meta().Kind, got, c.want)
		}
	}
}

var syslogEnv = Env{HostName: "sensor.example"}

func TestSyslogUDP(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := openSink(t, "syslog+udp://"+l.LocalAddr().String()+"?max=600", syslogEnv)
	defer s.Close()
	fits := strings.Repeat("x", 600-len(header))
	w, err := s.Write(context.Background(), linesOf("one", fits+"x", fits, "two"))
	if err != nil || w != (Written{Sent: 3, Refused: 1}) {
		t.Fatalf("%+v, %v", w, err)
	}
	wantDatagrams(t, l, header, "one", fits, "two")
}

// TestSyslogUDPWithoutListener: nothing is wasted on a dead collector.
func TestSyslogUDPWithoutListener(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.LocalAddr().String()
	l.Close()
	s := openSink(t, "syslog+udp://"+address, syslogEnv)
	defer s.Close()
	for range 3 {
		w, err := s.Write(context.Background(), linesOf("a", "b", "c", "d"))
		if !errors.Is(err, syscall.ECONNREFUSED) || w.done() != 0 {
			t.Errorf("%+v, %v", w, err)
		}
	}
	if l, err = net.ListenPacket("udp", address); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write(t, s, "a", "b", "c", "d")
	wantDatagrams(t, l, header, "a", "b", "c", "d")
}

func wantDatagrams(t *testing.T, l net.PacketConn, header string, texts ...string) {
	t.Helper()
	l.SetReadDeadline(time.Now().Add(5 * time.Second))
	for _, want := range texts {
		b := make([]byte, 2000)
		n, _, err := l.ReadFrom(b)
		if err != nil || string(b[:n]) != header+want {
			t.Errorf("got %q, %v, want %q", b[:n], err, header+want)
		}
	}
}

// TestSyslogPace: a backlog leaves no faster than asked, and a pause is not saved up.
func TestSyslogPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := pace{rate: 1000}, time.Now()
		for range 1000 + paceBurst {
			p.wait(context.Background())
		}
		if d := time.Since(start); d < 990*time.Millisecond || d > 1010*time.Millisecond {
			t.Errorf("1,000 at 1,000 a second and the burst took %v", d)
		}
		time.Sleep(time.Hour)
		start = time.Now()
		for range 500 + paceBurst {
			p.wait(context.Background())
		}
		if d := time.Since(start); d < 490*time.Millisecond || d > 510*time.Millisecond {
			t.Errorf("500 more took %v", d)
		}
	})
}

func TestSyslogUnixDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	s := openSink(t, "syslog+unix://"+path+"?rfc=5424", syslogEnv)
	defer s.Close()
	write(t, s, "one", "two")
	wantDatagrams(t, l, header, "one", "two")
	l.Close()
	if w, err := s.Write(context.Background(), linesOf("three")); err == nil || w.done() != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	os.Remove(path)
	if l, err = net.ListenPacket("unixgram", path); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write(t, s, "three")
	wantDatagrams(t, l, header, "three")
}

func TestSyslogUnixStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := openSink(t, "syslog+unix://"+path, Env{Location: tokyo})
	defer s.Close()
	write(t, s, "one", "two")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for _, want := range []string{"one", "two"} {
		if got, err := r.ReadString('\n'); got != "<134>Dec  6 09:11:15 kagami: "+want+"\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// collector accepts connections and hands over the messages of all of them.
type collector struct {
	net.Listener
	messages chan string
	conns    chan net.Conn
}

func collect(l net.Listener) *collector {
	c := &collector{l, make(chan string, 10000), make(chan net.Conn, 100)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns <- conn
			go c.read(conn)
		}
	}()
	return c
}

// read takes RFC 6587 octet counting strictly.
func (c *collector) read(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		count, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(count[:len(count)-1])
		if err != nil {
			c.messages <- "bad frame: " + count
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		c.messages <- string(b)
	}
}

func (c *collector) want(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		select {
		case m := <-c.messages:
			if m != header+text {
				t.Fatalf("got %.200q, want %.200q", m, header+text)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no message %.50q", text)
		}
	}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestSyslogTCP(t *testing.T) {
	c := collect(listen(t, "127.0.0.1:0"))
	s := openSink(t, "syslog+tcp://"+c.Addr().String(), syslogEnv)
	defer s.Close()
	long := strings.Repeat("x", defaultMessage)
	w, err := s.Write(context.Background(), linesOf(long, "あ one", long, "two", long))
	if err != nil || w != (Written{Sent: 2, Refused: 3}) {
		t.Fatalf("%+v, %v", w, err)
	}
	c.want(t, "あ one", "two")

	var many []string // several writes to the stream
	for i := range 300 {
		many = append(many, strings.Repeat("y", 1000)+strconv.Itoa(i))
	}
	write(t, s, many...)
	c.want(t, many...)
}

func TestSyslogReconnects(t *testing.T) {
	first := collect(listen(t, "127.0.0.1:0"))
	address := first.Addr().String()
	e := newExport("test", newECS(Env{}), openSink(t, "syslog+tcp://"+address, syslogEnv), slog.New(slog.DiscardHandler))
	deliver := func(texts ...string) {
		t.Helper()
		if err := e.deliver(context.Background(), linesOf(texts...), Block); err != nil {
			t.Fatal(err)
		}
	}
	deliver("one")
	first.want(t, "one")
	first.Close()
	(<-first.conns).Close()
	time.Sleep(50 * time.Millisecond) // the sensor sees the end of the connection before it writes

	restarted := make(chan *collector)
	go func() {
		time.Sleep(300 * time.Millisecond)
		restarted <- collect(listen(t, address))
	}()
	deliver("two", "three")
	second := <-restarted
	second.want(t, "two", "three")
	if s := e.Stats(); s.Sent != 3 || s.Errors == 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
	e.Close(context.Background())
}

func TestSyslogStopsWithItsContext(t *testing.T) {
	l := listen(t, "127.0.0.1:0") // accepts, never reads
	s := openSink(t, "syslog+tcp://"+l.Addr().String(), syslogEnv)
	defer s.Close()
	var many []string
	for range 8000 {
		many = append(many, strings.Repeat("y", 4000))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	w, err := s.Write(ctx, linesOf(many...))
	if err == nil || time.Since(start) > 5*time.Second || w.Sent == len(many) {
		t.Errorf("%+v, %v after %v", w, err, time.Since(start))
	}
}
