package exporters

import (
	"context"
	"strings"
	"testing"
	"time"

	"kagami/lab/integration"
)

const rsyslogDir = "../configs/siem/rsyslog/"

// rsyslog is a shipped file for this site. log is where its files go.
func (s *siemSite) rsyslog(t *testing.T, file, log string) string {
	t.Helper()
	text := readText(t, rsyslogDir+file)
	if strings.Contains(text, `"/etc/rsyslog.d/tls/`) {
		text = edit(t, text, `"/etc/rsyslog.d/tls/`, `"`+s.dir+`/tls/`)
	}
	if strings.Contains(text, `"/var/log/`) {
		text = edit(t, text, `"/var/log/`, `"`+s.dir+"/"+log+"/")
	}
	return text
}

// rsyslogConf is kagami.conf on this site's ports, with what stands before it in
// rsyslog.conf.
func (s *siemSite) rsyslogConf(t *testing.T, work string) string {
	t.Helper()
	return `global(workDirectory="` + s.dir + "/" + work + `" net.enableDNS="off")` + "\n" + edit(t, s.rsyslog(t, "kagami.conf", "log"),
		`port="6514"`, `address="127.0.0.1" port="`+s.tls+`"`, `port="601"`, `address="127.0.0.1" port="`+s.tcp+`"`, `port="514"`, `address="127.0.0.1" port="`+s.udp+`"`)
}

const siemMinutes = 250 // 21 records each

// TestIntegrationSIEMRsyslog: what the shipped kagami.toml sends over each transport
// is in the shipped kagami.conf's files as it was made.
func TestIntegrationSIEMRsyslog(t *testing.T) {
	for _, transport := range []string{"tls", "tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			integration.Need(t, "rsyslogd")
			s := newSIEMSite(t)
			s.daemon(t, "rsyslogd", s.rsyslogConf(t, "work"))
			sent := s.send(t, s.here(t, siemExports(t, rsyslogDir+"kagami.toml"), transport), siemMinutes)
			wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
			wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)
		})
	}
}

// TestIntegrationSIEMRsyslogFormats: the other formats come through the same files.
func TestIntegrationSIEMRsyslogFormats(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s := newSIEMSite(t)
	s.daemon(t, "rsyslogd", s.rsyslogConf(t, "work"))
	base := siemExports(t, rsyslogDir+"kagami.toml")[0]
	var exports []Config
	for _, format := range []string{"cef", "leef", "eve", "zeek-json", "squid-combined"} {
		exports = append(exports, Config{Name: format, Format: format, To: base.To + "&tag=" + format, Queue: QueueDisk})
	}
	sent := s.send(t, s.here(t, exports, "tls"), 40)
	for _, c := range exports {
		wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/"+c.Name+".log", c.Name, sent)
	}
}

// TestIntegrationSIEMRsyslogStranger: a sensor whose certificate has another name is
// not let in, and its lines stay in the queue.
func TestIntegrationSIEMRsyslogStranger(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s := newSIEMSite(t)
	d := s.daemon(t, "rsyslogd", s.rsyslogConf(t, "work"))
	wantStranger(t, s, rsyslogDir, d)
}

// TestIntegrationSIEMRsyslogOpenSSL: with rsyslog's other TLS driver, as kagami.conf
// says to write it, a certificate of another authority is not let in.
func TestIntegrationSIEMRsyslogOpenSSL(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s := newSIEMSite(t)
	d := s.daemon(t, "rsyslogd", edit(t, s.rsyslogConf(t, "work"), `streamDriver.name="gtls"`, `streamDriver.name="ossl"`,
		`streamDriver.authMode="x509/name"`, `streamDriver.authMode="x509/certvalid"`, `permittedPeer=["*.sensors.example.jp"]`, ""))
	sent := s.send(t, s.here(t, siemExports(t, rsyslogDir+"kagami.toml"), "tls"), 40)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)

	other := newCA(t, t.TempDir(), "ca")
	other.issue(t, s.dir+"/tls", "stranger", siemHost)
	before := len(arrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", 1))
	deliverAs(t, s, rsyslogDir, "stranger")
	if n := len(arrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", before+1)); n != before {
		t.Errorf("%d lines of a stranger were taken: %s", n-before, d.Log())
	}
}

func wantStranger(t *testing.T, s *siemSite, dir string, d *integration.Server) {
	t.Helper()
	st := deliverAs(t, s, dir, "stranger")
	if lines := arrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", 1); strings.Join(lines, "") != "" {
		t.Errorf("%d lines of a stranger were taken: %s", len(lines), d.Log())
	}
	if st.Made == 0 || st.Sent != 0 {
		t.Errorf("of %d lines %d count as sent, want 0", st.Made, st.Sent)
	}
	t.Logf("none of %d lines arrived, none counts as sent", st.Made)
}

// deliverAs sends some records with another certificate, and tells what the sensor
// counted.
func deliverAs(t *testing.T, s *siemSite, dir, name string) Stats {
	t.Helper()
	c := s.here(t, siemExports(t, dir+"kagami.toml")[:1], "tls")[0]
	c.To = strings.ReplaceAll(c.To, "sensor.", name+".")
	x, err := OpenDurable(c, Env{HostName: siemHost}, s.dir+"/spool-"+name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := x.Write(varied(t, i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	x.Close(ctx) // what it could not deliver stays in the queue
	return x.Stats()
}

// TestIntegrationSIEMRsyslogTools: access logs are in the files where tools look for
// them, as the programs would have written them, and the stamped ones verify.
func TestIntegrationSIEMRsyslogTools(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s := newSIEMSite(t)
	s.daemon(t, "rsyslogd", s.rsyslog(t, "access-logs.conf", "log")+edit(t, s.rsyslogConf(t, "work"), "#call kagami-tools", "call kagami-tools"))
	exports := siemExports(t, rsyslogDir+"kagami-access-logs.toml")
	sent := s.send(t, s.here(t, exports, "tls"), 40)
	files := map[string]string{"access": "squid/access.log", "queries": "named/queries.log", "traffic": "netscreen/traffic.log", "mail": "kagami-mail.log"}
	tags := map[string]string{"access": "squid", "queries": "named", "traffic": "netscreen", "mail": "postfix"}
	for _, c := range exports {
		wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/"+tags[c.Name]+".log", c.Name, sent)
		wantLines(t, s.dir+"/log/"+files[c.Name], "", sent.lines[c.Name])
	}
	classic := newSIEMSite(t)
	classic.daemon(t, "rsyslogd", classic.rsyslog(t, "access-logs.conf", "log")+edit(t, classic.rsyslogConf(t, "work"), "#call kagami-tools", "call kagami-tools"))
	exports = classic.here(t, siemExports(t, rsyslogDir+"kagami-access-logs.toml"), "tcp")
	for i := range exports {
		exports[i].To += "&rfc=3164&time=utc"
	}
	sent = classic.send(t, exports, 40)
	files["access"], files["queries"] = "squid/access-syslog.log", "named/queries-syslog.log"
	headers := map[string]string{"access": "squid: ", "queries": "named: "}
	for _, c := range exports {
		wantLines(t, classic.dir+"/log/"+files[c.Name], headers[c.Name], sent.lines[c.Name])
	}
}

// wantLines tells whether a file has these lines and no other; header stands behind
// date and host before each, "" = nothing does.
func wantLines(t *testing.T, path, header string, want []string) {
	t.Helper()
	got := arrived(t, path, len(want))
	for i := range got {
		if header != "" {
			_, got[i], _ = strings.Cut(got[i], " "+siemHost+" "+header)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: %d lines, want %d:\ngot  %q\nwant %q", path, len(got), len(want), got[0], want[0])
		return
	}
	t.Logf("%s: %d lines as made", path, len(got))
}

// TestIntegrationSIEMRsyslogForward: one daemon hands on to the next, which was away
// at first, and nothing changes on the way.
func TestIntegrationSIEMRsyslogForward(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s, next := newSIEMSite(t), newSIEMSite(t)
	forward := edit(t, s.rsyslog(t, "forward.conf", "log"), `target="siem.example.jp" port="6514"`, `target="127.0.0.1" port="`+next.tls+`"`,
		`PermittedPeers="siem.example.jp"`, `PermittedPeers="localhost"`, `resumeInterval="10"`, `resumeInterval="1"`)
	s.daemon(t, "rsyslogd", forward+edit(t, s.rsyslogConf(t, "work"), "#call kagami-forward", "call kagami-forward"))
	sent := s.send(t, s.here(t, siemExports(t, rsyslogDir+"kagami.toml"), "tls"), siemMinutes)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
	next.takeCertificates(t, s)
	conf := edit(t, next.rsyslogConf(t, "work"), `permittedPeer=["*.sensors.example.jp"]`, `permittedPeer=["localhost"]`)
	next.daemon(t, "rsyslogd", conf)
	wantForwarded(t, next.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
	wantForwarded(t, next.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)
}
