package exporters

import (
	"strings"
	"testing"

	"kagami/lab/integration"
)

const syslogNGDir = "../configs/siem/syslog-ng/"

// syslogNG is a shipped file for this site.
func (s *siemSite) syslogNG(t *testing.T, file string) string {
	t.Helper()
	text := readText(t, syslogNGDir+file)
	for _, path := range [][2]string{{`"/etc/syslog-ng/tls/`, `"` + s.dir + `/tls/`}, {`"/var/log/`, `"` + s.dir + `/log/`}, {`"/var/lib/syslog-ng"`, `"` + s.dir + `/work"`}} {
		if strings.Contains(text, path[0]) {
			text = edit(t, text, path[0], path[1])
		}
	}
	return text
}

// syslogNGConf is kagami.conf on this site's ports, with what stands before it in
// syslog-ng.conf.
func (s *siemSite) syslogNGConf(t *testing.T) string {
	t.Helper()
	return "@version: 3.38\noptions { stats-level(0); };\n" + edit(t, s.syslogNG(t, "kagami.conf"),
		"port(6514)", "ip(127.0.0.1) port("+s.tls+")", "port(601)", "ip(127.0.0.1) port("+s.tcp+")", "port(514)", "ip(127.0.0.1) port("+s.udp+")")
}

// TestIntegrationSIEMSyslogNG: what the shipped kagami.toml sends over each transport
// is in the shipped kagami.conf's files as it was made.
func TestIntegrationSIEMSyslogNG(t *testing.T) {
	for _, transport := range []string{"tls", "tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			integration.Need(t, "syslog-ng")
			s := newSIEMSite(t)
			s.daemon(t, "syslog-ng", s.syslogNGConf(t))
			sent := s.send(t, s.here(t, siemExports(t, syslogNGDir+"kagami.toml"), transport), siemMinutes)
			wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
			wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)
		})
	}
}

// TestIntegrationSIEMSyslogNGFormats: the other formats come through the same files,
// those without room for a stamp with their headers' structured data.
func TestIntegrationSIEMSyslogNGFormats(t *testing.T) {
	integration.Need(t, "syslog-ng")
	s := newSIEMSite(t)
	s.daemon(t, "syslog-ng", s.syslogNGConf(t))
	base := siemExports(t, syslogNGDir+"kagami.toml")[0]
	var exports []Config
	for _, format := range []string{"cef", "leef", "eve", "zeek-json", "squid", "bind", "netscreen", "postfix"} {
		exports = append(exports, Config{Name: format, Format: format, To: base.To + "&tag=" + format, Queue: QueueDisk})
	}
	sent := s.send(t, s.here(t, exports, "tls"), 40)
	for _, c := range exports {
		wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/"+c.Name+".log", c.Name, sent)
	}
}

// TestIntegrationSIEMSyslogNGStranger: a sensor whose certificate has another name is
// not let in.
func TestIntegrationSIEMSyslogNGStranger(t *testing.T) {
	integration.Need(t, "syslog-ng")
	s := newSIEMSite(t)
	wantStranger(t, s, syslogNGDir, s.daemon(t, "syslog-ng", s.syslogNGConf(t)))
}

// TestIntegrationSIEMSyslogNGAlerts: alerts.conf writes a line for each alert, and
// leaves the record itself alone.
func TestIntegrationSIEMSyslogNGAlerts(t *testing.T) {
	integration.Need(t, "syslog-ng")
	s := newSIEMSite(t)
	s.daemon(t, "syslog-ng", s.syslogNGConf(t)+s.syslogNG(t, "alerts.conf"))
	sent := s.send(t, s.here(t, siemExports(t, syslogNGDir+"kagami.toml"), "tls"), 40)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)
	for _, line := range arrived(t, s.dir+"/log/kagami/alerts.log", len(sent.lines["alerts"])) {
		m := alertRecord(t)
		for _, want := range []string{" " + siemHost + " ", " " + m.Level + " " + m.Rule + " ", " incident=" + m.Incident} {
			if !strings.Contains(line, want) {
				t.Fatalf("%q lacks %q", line, want)
			}
		}
	}
}

// TestIntegrationSIEMSyslogNGForward: one daemon hands on to the next, which was away
// at first, and nothing changes on the way.
func TestIntegrationSIEMSyslogNGForward(t *testing.T) {
	integration.Need(t, "syslog-ng")
	s, next := newSIEMSite(t), newSIEMSite(t)
	forward := edit(t, s.syslogNG(t, "forward.conf"), `"siem.example.jp"`, `"localhost"`, "port(6514)", "port("+next.tls+") time-reopen(1)")
	s.daemon(t, "syslog-ng", s.syslogNGConf(t)+forward)
	sent := s.send(t, s.here(t, siemExports(t, syslogNGDir+"kagami.toml"), "tls"), siemMinutes)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
	next.takeCertificates(t, s)
	next.daemon(t, "syslog-ng", edit(t, next.syslogNGConf(t), `"CN=*.sensors.example.jp", "CN=*.sensors.example.jp, *"`, `"CN=localhost"`))
	wantForwarded(t, next.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
	wantForwarded(t, next.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)
}
