package exporters

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSyslogTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	newCA(t, dir, "other").issue(t, dir, "stranger", "sensor")
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
		{"no client certificate", "ca=" + file("ca.pem") + "&server_name=localhost", strict, "certificate required"},
		{"a stranger's client certificate", "ca=" + file("ca.pem") + "&server_name=localhost&cert=" + file("stranger.pem") + "&key=" + file("stranger.key"), strict, "certificate"},
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
	ca := newCA(t, dir, "ca")
	ca.issue(t, dir, "open", "sensor")
	os.Chmod(filepath.Join(dir, "open.key"), 0o644)
	empty := filepath.Join(dir, "empty.pem")
	os.WriteFile(empty, []byte("nothing"), 0o600)
	for q, want := range map[string]string{
		"ca=" + empty:                    "holds no PEM certificate",
		"ca=/nowhere":                    "read ca",
		"cert=/nowhere&key=/nowhere":     "read cert and key",
		"cert=D/open.pem&key=D/open.key": "chmod 600",
	} {
		for _, scheme := range []string{"syslog+tls", "ipfix+tls"} {
			p, err := Config{To: scheme + "://h?" + strings.ReplaceAll(q, "D/", dir+"/")}.place()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.entry.open(p.url, Env{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v", scheme, q, err)
			}
		}
	}
}

// TestSyslogRenewedCertificate: the files are read for every connection.
func TestSyslogRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	server := newCA(t, dir, "ca").issue(t, dir, "server", "localhost")
	c := collect(tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{server}}))
	path := filepath.Join(dir, "ca.pem")
	right, _ := os.ReadFile(path)
	newCA(t, dir, "ca") // another one of the same name
	s := openSink(t, "syslog+tls://"+c.Addr().String()+"?server_name=localhost&ca="+path, syslogEnv)
	defer s.Close()
	if _, err := s.Write(context.Background(), linesOf("one")); err == nil {
		t.Fatal("a wrong authority is trusted")
	}
	os.WriteFile(path, right, 0o600)
	write(t, s, "one")
	c.want(t, "one")
}

// TestSyslogTLSResends: a server that reads nothing more and
// resets the connection has what its kernel acknowledged, as far as records tell.
func TestSyslogTLSResends(t *testing.T) {
	dir := t.TempDir()
	server := newCA(t, dir, "ca").issue(t, dir, "server", "localhost")
	first := tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{server}})
	address := first.Addr().String()
	go func() {
		c, err := first.Accept()
		if err != nil {
			return
		}
		c.Read(make([]byte, 1)) // then lines are on their way
		time.Sleep(200 * time.Millisecond)
		c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
		first.Close()
		c.(*tls.Conn).NetConn().Close()
	}()
	s := openSink(t, "syslog+tls://"+address+"?server_name=localhost&ca="+filepath.Join(dir, "ca.pem"), syslogEnv)
	defer s.Close()
	var many []string
	for i := range 8000 {
		many = append(many, strconv.Itoa(i)+strings.Repeat("y", 3000))
	}
	w, err := s.Write(context.Background(), linesOf(many...))
	if err == nil || w.Sent == 0 || w.Sent > 7000 {
		t.Fatalf("%+v, %v", w, err)
	}
	second := collect(tls.NewListener(listen(t, address), &tls.Config{Certificates: []tls.Certificate{server}}))
	write(t, s, many[w.Sent:]...)
	second.want(t, many[w.Sent:]...)
}

func TestSyslogNoSuchName(t *testing.T) {
	s := openSink(t, "syslog+tcp://collector.invalid:601", syslogEnv)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var pass transientError
	if w, err := s.Write(ctx, linesOf("one")); !errors.As(err, &pass) || w.done() != 0 {
		t.Errorf("%+v, %v", w, err)
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

// TestPatience: what a server is given to refuse a client leaves time to connect.
func TestPatience(t *testing.T) {
	for _, c := range []struct{ took, left, want time.Duration }{
		{time.Millisecond, dialTimeout, acceptMin},
		{500 * time.Millisecond, 9500 * time.Millisecond, 1500 * time.Millisecond},
		{3 * time.Second, 7 * time.Second, 3500 * time.Millisecond},
		{9 * time.Second, time.Second, acceptMin},
	} {
		if got := patience(c.took, c.left); got != c.want {
			t.Errorf("after %v, with %v left: %v, want %v", c.took, c.left, got, c.want)
		}
	}
}
