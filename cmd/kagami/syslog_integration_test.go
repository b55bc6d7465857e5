package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/configs"
	"kagami/exporters"
	"kagami/lab/integration"
	"kagami/records"
)

// collector is a real syslog daemon, started for a test with its own
// configuration and stopped with it. It writes the text of messages to a file.
type collector struct{ *integration.Collector }

// syslogPlace is one way to a collector.
type syslogPlace struct {
	name   string
	url    string // P is the port, D the directory
	config string // the daemon's source, with the same letters
}

var rsyslogPlaces = []syslogPlace{
	{"udp", "syslog+udp://127.0.0.1:P?max=65000&rate=2000", `module(load="imudp") input(type="imudp" address="127.0.0.1" port="P" rcvbufSize="8m" ruleset="r")`},
	{"tcp", "syslog+tcp://127.0.0.1:P?max=65000", `module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="P" ruleset="r")`},
	{"tcp lf", "syslog+tcp://127.0.0.1:P?max=65000&framing=lf", `module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="P" ruleset="r")`},
	{"tcp lf rfc3164", "syslog+tcp://127.0.0.1:P?max=65000&framing=lf&rfc=3164", `module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="P" ruleset="r")`},
	{"tls", "syslog+tls://127.0.0.1:P?max=65000&ca=D/ca.pem&cert=D/client.pem&key=D/client.key&server_name=localhost",
		`module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid") input(type="imtcp" address="127.0.0.1" port="P" ruleset="r")`},
	{"unix datagram", "syslog+unix://D/log?max=65000", `module(load="imuxsock" SysSock.Use="off") input(type="imuxsock" Socket="D/log" ruleset="r")`},
}

var syslogNGPlaces = []syslogPlace{
	{"udp", "syslog+udp://127.0.0.1:P?max=65000&rate=2000", `syslog(ip(127.0.0.1) port(P) transport(udp) so-rcvbuf(8388608));`},
	{"tcp", "syslog+tcp://127.0.0.1:P?max=65000", `syslog(ip(127.0.0.1) port(P) transport(tcp));`},
	{"tcp lf", "syslog+tcp://127.0.0.1:P?max=65000&framing=lf", `network(ip(127.0.0.1) port(P) transport(tcp) flags(syslog-protocol));`},
	{"tcp lf rfc3164", "syslog+tcp://127.0.0.1:P?max=65000&framing=lf&rfc=3164", `network(ip(127.0.0.1) port(P) transport(tcp));`},
	{"tls", "syslog+tls://127.0.0.1:P?max=65000&ca=D/ca.pem&cert=D/client.pem&key=D/client.key&server_name=localhost",
		`syslog(ip(127.0.0.1) port(P) transport(tls) tls(key-file("D/server.key") cert-file("D/server.pem") ca-file("D/ca.pem") peer-verify(required-trusted)));`},
	{"unix datagram", "syslog+unix://D/log?max=65000", `unix-dgram("D/log");`},
	{"unix stream", "syslog+unix://D/log?max=65000", `unix-stream("D/log");`},
}

const rsyslogHead = `global(workDirectory="D" maxMessageSize="128k" net.enableDNS="off" defaultNetstreamDriver="ptcp" defaultNetstreamDriverCAFile="D/ca.pem" defaultNetstreamDriverCertFile="D/server.pem" defaultNetstreamDriverKeyFile="D/server.key")
template(name="text" type="string" string="%msg%\n")
ruleset(name="r") { action(type="omfile" file="D/out" template="text") }
`

const syslogNGConfig = `@version: 3.38
options { stats-level(0); keep-hostname(yes); use-dns(no); dns-cache(no); log-msg-size(131072); };
source s { SOURCE };
destination d { file("D/out" template("$MSG\n")); };
log { source(s); destination(d); flags(flow-control); };
`

// newCollector starts a daemon; without it the test is skipped, and says so.
func newCollector(t *testing.T, daemon string, p syslogPlace) (*collector, string) {
	t.Helper()
	config := rsyslogHead + p.config + "\n"
	if daemon == "syslog-ng" {
		config = strings.ReplaceAll(syslogNGConfig, "SOURCE", p.config)
	}
	c := &collector{integration.Syslog(t, daemon, config, func(dir string) { issueCertificates(t, dir) })}
	return c, c.Fill(p.url)
}

// texts are the messages that arrived, once as many did, or no more come.
func (c *collector) texts(want int) []string {
	var out [][]byte
	for still, last := 0, -1; still < 30; still++ {
		out = bytes.Split(bytes.TrimSuffix(c.Received(), []byte("\n")), []byte("\n"))
		if len(out) >= want {
			break
		}
		if len(out) != last {
			last, still = len(out), 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	lines := make([]string, len(out))
	for i, l := range out {
		lines[i] = strings.TrimPrefix(string(l), " ") // RFC 3164: the blank behind the tag
	}
	return lines
}

// TestIntegrationSyslog: every record of the bundled capture arrives whole and in
// order, over each transport, at the daemons themselves.
func TestIntegrationSyslog(t *testing.T) {
	for daemon, places := range map[string][]syslogPlace{"rsyslogd": rsyslogPlaces, "syslog-ng": syslogNGPlaces} {
		for _, p := range places {
			t.Run(daemon+" "+p.name, func(t *testing.T) {
				c, to := newCollector(t, daemon, p)
				truth := filepath.Join(c.Dir, "truth")
				conf := configs.Default()
				conf.Detect.State = ""
				exports := []exporters.Config{{Format: "ecs", To: "file://" + truth}, {Format: "ecs", To: to}}
				readInto(t, conf, exports)
				b, _ := os.ReadFile(truth)
				want := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
				got := c.texts(len(want))
				if len(got) != len(want) || len(want) < 15000 {
					t.Fatalf("%d messages of %d arrived", len(got), len(want))
				}
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("message %d:\ngot  %s\nwant %s", i, got[i], want[i])
					}
				}
				t.Logf("%d of %d arrived whole and in order", len(got), len(want))
			})
		}
	}
}

// readInto reads the bundled capture.
func readInto(t testing.TB, c configs.Config, to []exporters.Config) {
	t.Helper()
	var r recording
	for _, copying := range []bool{false, true} {
		if err := r.read(officeCapture, copying); err != nil {
			t.Fatal(err)
		}
	}
	p, err := newPipeline(c, to, false, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.engine.Read(context.Background(), &playback{recording: &r}); err != nil {
		t.Fatal(err)
	}
	p.drain()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationSyslogRestart: the daemon is restarted while 50,000 lines come.
// What its kernel had acknowledged and it had not read is lost, for syslog has no
// acknowledgement; the test says how much that was, and that nothing else is.
func TestIntegrationSyslogRestart(t *testing.T) {
	const lines = 50000
	for daemon, places := range map[string][]syslogPlace{"rsyslogd": {rsyslogPlaces[1], rsyslogPlaces[4]}, "syslog-ng": {syslogNGPlaces[1], syslogNGPlaces[4]}} {
		for _, p := range places {
			t.Run(daemon+" "+p.name, func(t *testing.T) {
				c, to := newCollector(t, daemon, p)
				all := recordsOfCapture(t)
				x, err := exporters.Open(exporters.Config{Format: "ecs", To: to}, exporters.Env{HostName: "sensor"})
				if err != nil {
					t.Fatal(err)
				}
				q := exporters.NewQueue(x, exporters.Limits{Lines: lines, Bytes: 256 << 20}, exporters.Drop)
				restarted := make(chan bool)
				for i := range lines {
					q.Write(all[i%len(all) : i%len(all)+1])
					if i == lines/2 {
						go func() { c.Stop(); time.Sleep(time.Second); c.Run(); restarted <- true }()
					}
					if i%1000 == 0 {
						time.Sleep(20 * time.Millisecond) // 50,000 a second at most
					}
				}
				<-restarted
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := q.Close(ctx); err != nil {
					t.Fatal(err)
				}
				s := q.Stats()
				got := c.texts(lines + 1)
				missing, repeated, broken := compare(t, all, lines, got)
				t.Logf("%d of %d arrived: %d missing, %d repeated, %d broken, %d attempts failed", len(got), lines, missing, repeated, broken, s.Errors)
				if s.Sent != lines || s.Errors == 0 || missing > 8000 || broken > 1 {
					t.Error("more went wrong than what lay in sockets")
				}
			})
		}
	}
}

// compare counts the lines of the first n records that did not arrive, those that
// arrived more often than they were sent, and what is no line at all.
func compare(t *testing.T, all []records.Record, n int, got []string) (missing, repeated, broken int) {
	t.Helper()
	var text bytes.Buffer
	x, err := exporters.Open(exporters.Config{Format: "ecs", To: "stdout:"}, exporters.Env{HostName: "sensor", Stdout: &text})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Write(all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	sent := map[string]int{}
	for i := range n {
		sent[lines[i%len(all)]]++
	}
	for _, l := range got {
		if _, ok := sent[l]; !ok {
			broken++
		}
		sent[l]--
	}
	for _, left := range sent {
		missing += max(0, left)
		repeated += max(0, -left)
	}
	return missing, repeated - broken, broken
}

// issueCertificates makes ca.pem, and certificate and key of a server called
// localhost and of a client.
func issueCertificates(t *testing.T, dir string) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	save := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	}
	ca, caKey := template(1, "test authority"), key()
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	save("ca.pem", "CERTIFICATE", der)
	for i, name := range []string{"server", "client"} {
		c, k := template(int64(i+2), name), key()
		c.DNSNames, c.KeyUsage = []string{"localhost"}, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &k.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		save(name+".pem", "CERTIFICATE", der)
		pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		save(name+".key", "PRIVATE KEY", pkcs8)
	}
}
