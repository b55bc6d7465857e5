package exporters

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kagami/records"
)

const header = "<134>1 2014-12-06T00:11:15.123456Z sensor.example kagami - flow - "

func TestMessageHeader(t *testing.T) {
	for _, c := range []struct {
		name     string
		facility int
		host     string
		line     Line
		want     string
	}{
		{"record", 16, "sensor.example", linesOf("x")[0], header},
		{"alert", 23, "a b\n", Line{At: 1, Kind: records.KindAlert, Severity: SeverityError}, "<187>1 1970-01-01T00:00:00.000000Z a_b_ kagami - alert - "},
		{"no host", 0, "", Line{At: 0, Kind: records.KindDNS, Severity: SeverityWarning}, "<4>1 1970-01-01T00:00:00.000000Z - kagami - dns - "},
	} {
		m := newMessage(c.facility, c.host)
		if got := string(m.append(nil, &c.line)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
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
	l.SetReadDeadline(time.Now().Add(5 * time.Second))
	for _, want := range []string{"one", fits, "two"} {
		b := make([]byte, 2000)
		n, _, err := l.ReadFrom(b)
		if err != nil || string(b[:n]) != header+want {
			t.Errorf("got %q, %v", b[:n], err)
		}
	}
}

// TestSyslogUDPWithoutListener: a dead collector costs no waiting, and is told.
func TestSyslogUDPWithoutListener(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := openSink(t, "syslog+udp://"+l.LocalAddr().String(), syslogEnv)
	defer s.Close()
	w, err := s.Write(context.Background(), linesOf("a", "b", "c", "d"))
	if !errors.Is(err, syscall.ECONNREFUSED) || w.Sent != 4 {
		t.Errorf("%+v, %v", w, err)
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

func TestSyslogTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	newCA(t, dir, "other")
	server := ca.issue(t, dir, "server", "localhost")
	ca.issue(t, dir, "client", "sensor")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	plain := listen(t, "127.0.0.1:0")
	c := collect(tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}))
	strict := collect(tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	old := collect(tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}))

	file := func(name string) string { return filepath.Join(dir, name) }
	for _, k := range []struct {
		name, options string
		to            *collector
		fails         string // "" = works
	}{
		{"right CA", "ca=" + file("ca.pem") + "&server_name=localhost", c, ""},
		{"client certificate", "ca=" + file("ca.pem") + "&server_name=localhost&cert=" + file("client.pem") + "&key=" + file("client.key"), strict, ""},
		{"wrong CA", "ca=" + file("other.pem") + "&server_name=localhost", c, "unknown authority"},
		{"the system's CAs", "server_name=localhost", c, "unknown authority"},
		{"wrong name", "ca=" + file("ca.pem"), c, "127.0.0.1"},
		{"TLS 1.1", "ca=" + file("ca.pem") + "&server_name=localhost", old, "protocol version"},
	} {
		t.Run(k.name, func(t *testing.T) {
			s := openSink(t, "syslog+tls://"+k.to.Addr().String()+"?"+k.options, syslogEnv)
			defer s.Close()
			if k.fails == "" {
				write(t, s, "one", "two")
				k.to.want(t, "one", "two")
				return
			}
			w, err := s.Write(context.Background(), linesOf("secret"))
			if err == nil || w.done() != 0 || !strings.Contains(err.Error(), k.fails) {
				t.Errorf("%+v, %v; want %q", w, err, k.fails)
			}
		})
	}
	if n := len(c.messages); n != 0 {
		t.Errorf("%d messages reached a server that was not verified", n)
	}
}

func TestSyslogTLSFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	os.WriteFile(empty, []byte("nothing"), 0o600)
	for _, q := range []string{"ca=" + empty, "ca=/nowhere", "cert=/nowhere&key=/nowhere"} {
		if _, err := Open(Config{Format: "ecs", To: "syslog+tls://h?" + q}, Env{}); err == nil {
			t.Errorf("%s: no error", q)
		}
	}
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T, dir, name string) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	savePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	return authority{cert, key}
}

func (a authority) issue(t *testing.T, dir, name, host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	savePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	savePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", pkcs8)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func savePEM(t *testing.T, path, kind string, der []byte) {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
