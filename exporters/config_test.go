package exporters

import (
	"context"
	"strings"
	"testing"

	"kagami/records"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		want   []string // parts of the message; none = valid
	}{
		{"file", Config{Format: "squid", To: "file:///var/log/kagami/access.log"}, nil},
		{"stdout, chosen records", Config{Format: "ecs", To: "stdout:", Records: []string{"alert", "flow"}}, nil},
		{"syslog UDP", Config{Format: "ecs", To: "syslog+udp://[::1]?facility=local4&max=1400"}, nil},
		{"syslog TCP", Config{Format: "ecs", To: "syslog+tcp://siem.example.jp:601"}, nil},
		{"syslog with all options", Config{Format: "ecs", To: "syslog+udp://h?rfc=3164&tag=k&time=utc&pen=1&rate=0&max=480&facility=user"}, nil},
		{"syslog TCP with lines", Config{Format: "ecs", To: "syslog+tcp://h:1?framing=lf&max=1048576"}, nil},
		{"local syslog", Config{Format: "ecs", To: "syslog+unix:///dev/log?rfc=5424"}, nil},
		{"local syslog without a path", Config{Format: "ecs", To: "syslog+unix://host/dev/log"}, []string{"absolute path of a socket"}},
		{"rfc", Config{Format: "ecs", To: "syslog+udp://h?rfc=5425"}, []string{"want 5424 or 3164"}},
		{"time without RFC 3164", Config{Format: "ecs", To: "syslog+udp://h?time=utc"}, []string{"goes with rfc=3164"}},
		{"framing of datagrams", Config{Format: "ecs", To: "syslog+udp://h?framing=lf"}, []string{`option "framing" is unknown here`}},
		{"tag", Config{Format: "ecs", To: "syslog+udp://h?tag=a%20b"}, []string{"tag: got"}},
		{"syslog TLS", Config{Format: "ecs", To: "syslog+tls://siem.example.jp?ca=/ca.pem&cert=/c.pem&key=/k.pem&server_name=x"}, nil},
		{"format misspelt", Config{Format: "squib", To: "stdout:"}, []string{`export.format: got "squib"`, "ecs, squid, squid-combined, netscreen, bind", `did you mean "squid"?`}},
		{"format missing", Config{To: "stdout:"}, []string{`export.format: got ""`}},
		{"scheme misspelt", Config{Format: "ecs", To: "syslog+tlss://h:1"}, []string{"export.to:", `did you mean "syslog+tls"?`}},
		{"half a scheme", Config{Format: "ecs", To: "syslog://h:1"}, []string{"did you mean syslog+udp or syslog+tcp or syslog+tls or syslog+unix?"}},
		{"a queue on disk", Config{Format: "ecs", To: "stdout:", Queue: "disk", DiskBytes: 1 << 30}, nil},
		{"half a queue on disk", Config{Format: "ecs", To: "stdout:", DiskBytes: 1 << 30}, []string{`want queue = "disk"`}},
		{"a webhook", Config{Format: "ecs", To: "webhook+https://h/x", Records: []string{"flow", "alert"}}, nil},
		{"a webhook that gets nothing", Config{Format: "ecs", To: "webhook+https://h/x", Records: []string{"flow"}}, []string{"only alerts go to"}},
		{"two options are two lines", Config{Format: "ecs", To: "syslog+tcp://h:1?framing=x&max=1"}, []string{`max=1": framing: got "x"`, `max=1": max: got "1"`}},
		{"a path, no URL", Config{Format: "ecs", To: "/var/log/x"}, []string{"file:///var/log/kagami/access.log"}},
		{"two slashes", Config{Format: "ecs", To: "file://var/log/x"}, []string{"three slashes"}},
		{"relative path", Config{Format: "ecs", To: "file:x.log"}, []string{"absolute path"}},
		{"file that rotates", Config{Format: "ecs", To: "file:///x?rotate=24h&rotate_bytes=1G&keep=30&fsync=5s&mode=0600&compress=no"}, nil},
		{"directory that rotates", Config{Format: "zeek", To: "file:///x/?rotate=1h"}, nil},
		{"mode", Config{Format: "ecs", To: "file:///x?mode=1"}, []string{`mode: got "1"`}},
		{"time that a day is no multiple of", Config{Format: "ecs", To: "file:///x?rotate=7h"}, []string{"rotate: got"}},
		{"too small a file", Config{Format: "ecs", To: "file:///x?rotate_bytes=9K"}, []string{"at least 64K"}},
		{"fsync", Config{Format: "ecs", To: "file:///x?fsync=5ms"}, []string{"never, rotate, always"}},
		{"keep without rotation", Config{Format: "ecs", To: "file:///x?keep=3"}, []string{"go with rotate_bytes"}},
		{"an option twice", Config{Format: "ecs", To: "file:///x?mode=0640&mode=0600"}, []string{"given 2 times"}},
		{"file option misspelt", Config{Format: "ecs", To: "file:///x?rotat=1h"}, []string{`did you mean "rotate"?`}},
		{"stdout with a path", Config{Format: "ecs", To: "stdout:///x"}, []string{`"stdout:"`}},
		{"no host", Config{Format: "ecs", To: "syslog+udp://"}, []string{"want a host"}},
		{"TCP without port", Config{Format: "ecs", To: "syslog+tcp://h"}, []string{"want a port"}},
		{"a path on a host", Config{Format: "ecs", To: "syslog+tcp://h:1/x"}, []string{"no path"}},
		{"TLS option without TLS", Config{Format: "ecs", To: "syslog+tcp://h:1?ca=/x"}, []string{`option "ca" is unknown here`}},
		{"option misspelt", Config{Format: "ecs", To: "syslog+udp://h?facilty=local1"}, []string{`did you mean "facility"?`}},
		{"facility", Config{Format: "ecs", To: "syslog+udp://h?facility=local9"}, []string{"facility: got", "local7"}},
		{"max", Config{Format: "ecs", To: "syslog+udp://h?max=100"}, []string{"from 480 to 65507"}},
		{"cert without key", Config{Format: "ecs", To: "syslog+tls://h?cert=/x"}, []string{"cert and key"}},
		{"kind misspelt", Config{Format: "ecs", To: "stdout:", Records: []string{"alerts"}}, []string{`did you mean "alert"?`}},
		{"kind without line", Config{Format: "bind", To: "stdout:", Records: []string{"flow"}}, []string{`format "bind" has no line for "flow" records, only for dns`}},
		{"every problem is told", Config{Format: "x", To: "y", Records: []string{"z"}}, []string{"export.format", "export.to", "export.records"}},
	} {
		err := c.config.Validate()
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in: %v", c.name, w, err)
			}
		}
	}
}

func TestOpenRefusesWhatIsNotValid(t *testing.T) {
	for _, c := range []Config{{Format: "x", To: "stdout:"}, {Format: "ecs", To: "file:///proc/nowhere/x"}, {Format: "ecs", To: "syslog+tls://h?ca=/nowhere.pem"}} {
		if _, err := Open(c, Env{}); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
}

func TestExportWritesChosenRecords(t *testing.T) {
	var out strings.Builder
	e, err := Open(Config{Format: "ecs", To: "stdout:", Records: []string{"dns"}}, Env{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	recs := []records.Record{flowRecord(t, nil), dnsRecord(t, nil), httpRecord(t, nil), dnsRecord(t, nil)}
	if err := e.Write(recs); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"dataset":"kagami.dns"`); n != 2 || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("got %s", out.String())
	}
	if s := e.Stats(); s != (Stats{Made: 2, Sent: 2}) {
		t.Errorf("%+v", s)
	}
}
