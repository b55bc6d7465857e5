package tlskeys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the connections of TestInterop to testdata")

// dialogue is a connection between genuine programs. {port}, {cert}, {key} and {dir}
// stand for what the test fills in.
type dialogue struct {
	name   string
	server string
	client string
	// lines are typed into the client, each when the connection has become quiet. Lines
	// of one letter are s_client's commands and not sent.
	lines []string
	// echo turns a line into the server's answer. GnuTLS' server says it by itself, for
	// OpenSSL's it is typed.
	echo   func(string) string
	suite  string
	resume bool // the last connection resumes the first one's session
	early  string
}

const (
	openssl = "openssl s_server -accept {port} -cert {cert} -key {key} -quiet "
	sclient = "openssl s_client -connect 127.0.0.1:{proxy} -servername shop.example -keylogfile {dir}/keys "
	gnutls  = "gnutls-serv --echo -p {port} --x509certfile {cert} --x509keyfile {key} --disable-client-cert --priority "
	gclient = "gnutls-cli --insecure -p {proxy} 127.0.0.1 --sni-hostname shop.example --no-ca-verification --priority "
	legacy  = "-cipher ALL:@SECLEVEL=0 "
)

func same(s string) string { return s }

func reversed(s string) string {
	b := []byte(strings.TrimSuffix(s, "\n"))
	slices.Reverse(b)
	return string(b) + "\n"
}

func opensslDialogue(name, suite, cipher string, version string) dialogue {
	return dialogue{name: name, suite: suite, echo: reversed, lines: []string{"good day\n", "and more of it\n"},
		server: openssl + "-cipher ALL:@SECLEVEL=0 -ciphersuites " + cipherOf13(cipher),
		client: sclient + version + " " + cipherOption(cipher)}
}

func cipherOf13(cipher string) string {
	if strings.HasPrefix(cipher, "TLS_") {
		return cipher
	}
	return "TLS_AES_128_GCM_SHA256"
}

func cipherOption(cipher string) string {
	if strings.HasPrefix(cipher, "TLS_") {
		return "-ciphersuites " + cipher
	}
	return "-cipher " + cipher + ":@SECLEVEL=0"
}

func gnutlsDialogue(name, suite, priority string) dialogue {
	p := "NONE:+VERS-ALL:+KX-ALL:+CIPHER-ALL:+MAC-ALL:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:+ARCFOUR-128:+3DES-CBC:+MD5:+SHA1:+NULL:%COMPAT"
	if strings.Contains(priority, "+NULL") {
		p = priority
	}
	return dialogue{name: name, suite: suite, echo: same, lines: []string{"good day\n", "and more of it\n"},
		server: gnutls + p, client: gclient + priority}
}

var dialogues = []dialogue{
	opensslDialogue("tls13-chacha", "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "-tls1_3"),
	opensslDialogue("tls13-aes256", "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "-tls1_3"),
	opensslDialogue("tls13-ccm", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256", "-tls1_3"),
	opensslDialogue("tls13-ccm8", "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256", "-tls1_3"),
	opensslDialogue("tls12-ccm", "TLS_RSA_WITH_AES_128_CCM", "AES128-CCM", "-tls1_2"),
	opensslDialogue("tls12-ccm8", "TLS_DHE_RSA_WITH_AES_256_CCM_8", "DHE-RSA-AES256-CCM8", "-tls1_2"),
	opensslDialogue("tls12-gcm", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384", "-tls1_2"),
	opensslDialogue("tls12-chacha", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "-tls1_2"),
	opensslDialogue("tls12-cbc384-etm", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384", "-tls1_2"),
	opensslDialogue("tls12-cbc384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384", "-tls1_2 -no_etm"),
	opensslDialogue("tls12-cbc256-etm", "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256", "-tls1_2"),
	opensslDialogue("tls11-cbc-etm", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", "-tls1_1"),
	opensslDialogue("tls10-cbc-etm", "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA", "-tls1"),
	opensslDialogue("tls10-cbc", "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA", "-tls1 -no_etm"),
	gnutlsDialogue("tls10-rc4-md5", "TLS_RSA_WITH_RC4_128_MD5", "NONE:+VERS-TLS1.0:+RSA:+ARCFOUR-128:+MD5:+COMP-NULL:+SIGN-ALL:%NO_ETM"),
	gnutlsDialogue("tls12-rc4-sha", "TLS_ECDHE_RSA_WITH_RC4_128_SHA", "NONE:+VERS-TLS1.2:+ECDHE-RSA:+ARCFOUR-128:+SHA1:+COMP-NULL:+SIGN-ALL:+GROUP-ALL"),
	gnutlsDialogue("tls12-3des-etm", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "NONE:+VERS-TLS1.2:+RSA:+3DES-CBC:+SHA1:+COMP-NULL:+SIGN-ALL"),
	gnutlsDialogue("tls10-3des", "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", "NONE:+VERS-TLS1.0:+DHE-RSA:+3DES-CBC:+SHA1:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:%NO_ETM"),
	gnutlsDialogue("tls12-null", "TLS_RSA_WITH_NULL_SHA256", "NONE:+VERS-TLS1.2:+RSA:+NULL:+SHA256:+COMP-NULL:+SIGN-ALL"),
	{name: "tls12-renegotiation", suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", echo: reversed,
		lines:  []string{"before\n", "R\n", "after\n"},
		server: openssl + "-client_renegotiation " + legacy, client: sclient + "-tls1_2 " + cipherOption("ECDHE-RSA-AES256-GCM-SHA384")},
	{name: "tls10-renegotiation", suite: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", echo: reversed,
		lines:  []string{"before\n", "R\n", "after\n"},
		server: openssl + "-client_renegotiation " + legacy, client: sclient + "-tls1 " + cipherOption("ECDHE-RSA-AES128-SHA")},
	{name: "tls13-keyupdate", suite: "TLS_AES_256_GCM_SHA384", echo: reversed,
		lines:  []string{"one\n", "k\n", "two\n", "K\n", "three\n", "K\n", "four\n"},
		server: openssl, client: sclient + "-tls1_3"},
	{name: "tls13-retry", suite: "TLS_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"},
		server: openssl + "-groups P-384", client: sclient + "-tls1_3"},
	{name: "tls13-no-middlebox", suite: "TLS_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"},
		server: openssl + "-no_middlebox", client: sclient + "-tls1_3 -no_middlebox"},
	{name: "tls12-ticket", suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"}, resume: true,
		server: openssl, client: sclient + "-tls1_2 -sess_out {dir}/session"},
	{name: "tls12-session-id", suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"}, resume: true,
		server: openssl + "-no_ticket", client: sclient + "-tls1_2 -sess_out {dir}/session"},
	{name: "tls13-psk", suite: "TLS_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"}, resume: true,
		server: openssl, client: sclient + "-tls1_3 -sess_out {dir}/session"},
	{name: "tls13-early", suite: "TLS_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"}, resume: true, early: "early bird\n",
		server: openssl + "-early_data -no_anti_replay", client: sclient + "-tls1_3 -sess_out {dir}/session"},
	{name: "tls13-early-refused", suite: "TLS_AES_256_GCM_SHA384", echo: reversed, lines: []string{"good day\n"}, resume: true, early: "early bird\n",
		server: openssl + "-max_early_data 1000", client: sclient + "-tls1_3 -sess_out {dir}/session"},
}

// TestInterop decrypts the connections of OpenSSL and GnuTLS, and keeps them for
// TestTraces.
func TestInterop(t *testing.T) {
	if !*update {
		t.Skip("starts programs and waits for them; what they said is in testdata; -update does it anew")
	}
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			for _, command := range []string{d.server, d.client} {
				if _, err := exec.LookPath(strings.Fields(command)[0]); err != nil {
					t.Skip(err)
				}
			}
			d.run(t)
		})
	}
}

func (d *dialogue) run(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir)
	port := freePort(t)
	proxy := newProxy(t, port)
	fill := strings.NewReplacer("{dir}", dir, "{cert}", dir+"/cert", "{key}", dir+"/key",
		"{port}", fmt.Sprint(port), "{proxy}", fmt.Sprint(proxy.port))
	server, answers, said := start(t, dir, fill.Replace(d.server))
	defer server.Wait()
	defer server.Process.Kill()
	await(t, port)
	converse := func(command string) {
		c, in, _ := start(t, dir, fill.Replace(command))
		defer c.Process.Kill()
		proxy.quiet(t)
		for _, line := range d.lines {
			io.WriteString(in, line)
			proxy.quiet(t)
			if strings.HasPrefix(d.server, "openssl") && len(line) > 2 {
				io.WriteString(answers, d.echo(line))
				proxy.quiet(t)
			}
		}
		in.Close()
		done := make(chan error, 1)
		go func() { done <- c.Wait() }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			c.Process.Kill()
			<-done
		}
		proxy.quiet(t)
	}
	converse(d.client)
	if d.resume {
		again := strings.Replace(d.client, "-sess_out", "-sess_in", 1)
		if d.early != "" {
			if err := os.WriteFile(dir+"/early", []byte(d.early), 0o600); err != nil {
				t.Fatal(err)
			}
			again += " -early_data {dir}/early"
		}
		converse(again)
	}
	keys, err := os.ReadFile(dir + "/keys")
	if err != nil {
		t.Fatalf("%v; server: %s", err, said)
	}
	d.check(t, string(keys), proxy.wires())
}

// start starts a program that writes its key log into dir.
func start(t *testing.T, dir, command string) (*exec.Cmd, io.WriteCloser, *bytes.Buffer) {
	t.Helper()
	args := strings.Fields(command)
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), "SSLKEYLOGFILE="+dir+"/keys")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, in, &said
}

func (d *dialogue) check(t *testing.T, keys string, wires []*wire) {
	t.Helper()
	log, err := Parse(strings.NewReader(keys))
	if err != nil || log.BadLines > 0 {
		t.Fatal(err, log.Bad)
	}
	want := 1
	if d.resume {
		want = 2
	}
	if len(wires) != want {
		t.Fatalf("%d connections, want %d", len(wires), want)
	}
	for i, w := range wires {
		var sent, answered string
		if i > 0 && d.early != "" && !strings.HasSuffix(d.name, "refused") {
			sent = d.early
		}
		for _, line := range d.lines {
			if len(line) > 2 {
				sent += line
				answered += d.echo(line)
			}
		}
		out, r := replay(log, w.parts, 0)
		if string(out.plain[client]) != sent || string(out.plain[server]) != answered {
			t.Errorf("connection %d: got %q and %q, want %q and %q; %+v", i, out.plain[client], out.plain[server], sent, answered, r)
		}
		if r.SuiteName() != d.suite || r.Resumed != (i > 0) {
			t.Errorf("connection %d: %s, %+v", i, r.SuiteName(), r)
		}
		small, r2 := replay(log, w.parts, 1)
		if fmt.Sprint(small, r2) != fmt.Sprint(out, r) {
			t.Errorf("connection %d: in pieces of one octet %+v, whole %+v", i, r2, r)
		}
		if i == len(wires)-1 && !t.Failed() {
			d.save(t, keys, wires, sent, answered)
		}
	}
}

// save writes the connections as a trace for TestTraces.
func (d *dialogue) save(t *testing.T, keys string, wires []*wire, sent, answered string) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# %s\n", strings.TrimSpace(d.server), strings.TrimSpace(d.client))
	for line := range strings.Lines(keys) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "EXPORTER") {
			b.WriteString(line)
		}
	}
	for i, w := range wires {
		if i > 0 {
			b.WriteString("-\n")
		}
		for _, p := range w.parts {
			for o := p.b; len(o) > 0; {
				n := min(60, len(o))
				fmt.Fprintf(&b, "%c %x\n", "CS"[p.side], o[:n])
				o = o[n:]
			}
		}
	}
	fmt.Fprintf(&b, "> %q\n< %q\n", sent, answered)
	if err := os.WriteFile(filepath.Join("testdata", d.name+".txt"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeCertificate(t *testing.T, dir string) {
	c := certificates()["rsa"]
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert": {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		"key":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
