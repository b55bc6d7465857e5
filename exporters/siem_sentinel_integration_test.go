package exporters

import (
	"bufio"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/lab/integration"
)

// agent takes lines on a port, as the Azure Monitor Agent does.
type agent struct {
	mu    sync.Mutex
	lines []string
}

func startAgent(t *testing.T, port string) *agent {
	t.Helper()
	l := listen(t, "127.0.0.1:"+port)
	a := &agent{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go a.read(conn)
		}
	}()
	return a
}

func (a *agent) read(conn net.Conn) {
	defer conn.Close()
	s := bufio.NewScanner(conn)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		a.mu.Lock()
		a.lines = append(a.lines, s.Text())
		a.mu.Unlock()
	}
}

// wait returns what came once it is n lines, or no more come.
func (a *agent) wait(n int) []string {
	for range 100 {
		a.mu.Lock()
		lines := a.lines
		a.mu.Unlock()
		if len(lines) >= n {
			return lines
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lines
}

// TestIntegrationSIEMSentinel: the forwarder's rsyslog keeps what came for kagami
// verify, and hands each line to the agent behind the header that it wants; rsyslog's
// own reader of CEF takes all of them. The agent itself runs in Azure only.
func TestIntegrationSIEMSentinel(t *testing.T) {
	integration.Need(t, "rsyslogd")
	s := newSIEMSite(t)
	text := readText(t, sentinelDir+"20-kagami.conf")
	ama := startAgent(t, s.ama)
	s.daemon(t, "rsyslogd", `global(workDirectory="`+s.dir+`/work" net.enableDNS="off")`+"\n"+edit(t, text,
		`"/etc/rsyslog.d/tls/`, `"`+s.dir+`/tls/`, `"/var/log/`, `"`+s.dir+`/log/`, `port="6514"`, `address="127.0.0.1" port="`+s.tls+`"`,
		`port="28330"`, `port="`+s.ama+`"`))
	sent := s.send(t, s.here(t, siemExports(t, sentinelDir+"kagami.toml"), "tls"), siemMinutes)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami.log", "siem", sent)
	wantArrived(t, s.dir+"/log/kagami/"+siemHost+"/kagami-alerts.log", "alerts", sent)

	kept := map[string]bool{}
	for _, file := range []string{"kagami.log", "kagami-alerts.log"} {
		for _, l := range arrived(t, s.dir+"/log/kagami/"+siemHost+"/"+file, 1) {
			kept[l] = true
		}
	}
	lines := ama.wait(len(kept))
	header := regexp.MustCompile(`^<13[1-4]>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d ` + regexp.QuoteMeta(siemHost) + ` (CEF:0\|Kagami\|Kagami\|.*)$`)
	for _, l := range lines {
		m := header.FindStringSubmatch(l)
		if m == nil || !kept[m[1]] {
			t.Fatalf("the agent was handed %q", l)
		}
	}
	if len(lines) != len(kept) || len(kept) < 20*siemMinutes {
		t.Fatalf("the agent was handed %d lines of %d", len(lines), len(kept))
	}
	t.Logf("the agent's port was handed %d lines, octet for octet behind their headers", len(lines))
	wantNormalized(t, s.dir, kept)
}

// wantNormalized tells whether liblognorm, which rsyslog reads CEF with, takes lines.
func wantNormalized(t *testing.T, dir string, lines map[string]bool) {
	t.Helper()
	integration.Need(t, "lognormalizer")
	writeText(t, dir+"/rules", "version=2\nrule=:%f:cef%\n")
	var in strings.Builder
	for l := range lines {
		in.WriteString(l + "\n")
	}
	cmd := integration.Command("lognormalizer", "-r", dir+"/rules", "-e", "json")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if taken := strings.Count(string(out), `"DeviceVendor": "Kagami"`); taken != len(lines) || strings.Contains(string(out), "unparsed-data") {
		t.Errorf("liblognorm took %d lines of %d: %.500s", taken, len(lines), out)
	} else {
		t.Logf("liblognorm took %d of %d lines", taken, len(lines))
	}
}
