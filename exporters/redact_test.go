package exporters

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for to, want := range map[string]string{
		"file:///var/log/kagami/a.log?rotate=24h&keep=30": "file:///var/log/kagami/a.log?rotate=24h&keep=30",
		"stdout:":                                          "stdout:",
		"syslog+tls://[::1]:6514?ca=/a%20b":                "syslog+tls://[::1]:6514?ca=/a%20b",
		"kafka://a:1,b:2/kagami.{log}":                     "kafka://a:1,b:2/kagami.%7Blog%7D",
		"kafka+tls://h/t?user=u&password=env:P&sasl=plain": "kafka+tls://h/t?user=u&password=env:P&sasl=plain",
		"mail://h?from=a@b.example&to=c@d.example&user=u&password=file:/p": "mail://h?from=a@b.example&to=c@d.example&user=u&password=file:/p",
		"mail://h?password=hunter2&user=u":                                 "mail://h?password=xxxxx&user=u",
		"nats://h/s?token=hunter2":                                         "nats://h/s?token=xxxxx",
		"nats://h/s?token=file:hunter2":                                    "nats://h/s?token=xxxxx", // no reference
		"nats://h/s?pasword=hunter2":                                       "nats://h/s?pasword=xxxxx",
		"nats://h/s?hunter2":                                               "nats://h/s?xxxxx",
		"nats://hunter2@h/s":                                               "nats://xxxxx@h/s",
		"nats://u:hunter2@h/s":                                             "nats://u:xxxxx@h/s",
		"nats://u:hun/ter2@h/s":                                            "nats://xxxxx",
		"nats://h/s#hunter2":                                               "nats://h/s#xxxxx",
		"webhook+https://hooks.slack.com/services/T0/B0/hunter2?style=slack": "webhook+https://hooks.slack.com/xxxxx?style=slack",
		"webhook:hunter2": "webhook:xxxxx",
		"webhook:?style=slack&url=https://hooks.slack.com/hunter2": "webhook:?style=slack&url=xxxxx",
		"https://hooks.slack.com/services/hunter2":                 "https://hooks.slack.com/xxxxx",
		"syslog+tcp://h:port":                                      "syslog+tcp://h:port",
		"syslog+tcp://h:port?token=hunter2":                        "syslog+tcp://h:port?xxxxx",
		"/var/log/x":                                               "/var/log/x",
	} {
		if got := Redact(to); got != want {
			t.Errorf("%s\n got %s\nwant %s", to, got, want)
		}
	}
}

func TestRedactText(t *testing.T) {
	for text, want := range map[string]string{
		`--set export=[{to="nats://u:hunter2@h/s",format="ecs"}]`:                                 `--set export=[{to="nats://u:xxxxx@h/s",format="ecs"}]`,
		`--set export=[{to='mail://h?user=u&password=hunter2'}]`:                                  `--set export=[{to='mail://h?user=u&password=xxxxx'}]`,
		`--set export.password=hunter2: unknown`:                                                  `--set export.password=xxxxx: unknown`,
		`--set export.password = "hunter2"`:                                                       `--set export.password = "xxxxx"`,
		`write user=NAME and password=file:/path (or password=env:NAME): password: want it there`: `write user=NAME and password=file:/path (or password=env:NAME): password: want it there`,
		`--set export.token=file:/a`:                                                              `--set export.token=file:/a`,
		`--set capture.workers=two: capture.workers: got "two"`:                                   `--set capture.workers=two: capture.workers: got "two"`,
		`export.to: got "x", want one of file:, stdout:, nats+tls:`:                               `export.to: got "x", want one of file:, stdout:, nats+tls:`,
	} {
		if got := RedactText(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// host is a URL of every scheme that is valid, or would be with more options.
func placeOf(scheme string) string {
	switch scheme {
	case "file":
		return "file:///var/log/kagami/x.log"
	case "syslog+unix":
		return "syslog+unix:///dev/log"
	case "stdout", "webhook":
		return scheme + ":"
	case "syslog+tcp", "ipfix+tcp":
		return scheme + "://h.example:601"
	case "kafka", "kafka+tls", "nats", "nats+tls":
		return scheme + "://h.example/kagami"
	}
	return scheme + "://h.example"
}

// optionsOf are the options that a place knows, as its own message lists them.
func optionsOf(t *testing.T, scheme string) []string {
	t.Helper()
	for _, s := range sinks {
		if s.scheme != scheme {
			continue
		}
		u, err := url.Parse(placeOf(scheme) + "?no_such_option=1")
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`is unknown here, want one of ([a-z0-9_, ]+)`).FindStringSubmatch(s.check(u).Error())
		if m == nil {
			return nil
		}
		return strings.Split(m[1], ", ")
	}
	return nil
}

// Every option of every place is either shown or a secret, and no literal secret
// gets into an error, whichever option it is given in.
func TestLiteralSecretsAreRefused(t *testing.T) {
	found := map[string]bool{}
	for _, scheme := range Schemes() {
		for _, o := range optionsOf(t, scheme) {
			isSecret := slices.Contains(secretOptions, o)
			if isSecret == slices.Contains(plainOptions, o) {
				t.Errorf("%s: option %s: say in redact.go whether it may be shown", scheme, o)
			}
			if !isSecret {
				continue
			}
			found[o] = true
			for _, value := range []string{"hunter2", "file:hunter2", "env:hunter2%20x", "hun%25ter2", "a&hunter2", "https://h/hunter2"} {
				c := Config{Format: "ecs", To: placeOf(scheme) + "?user=u&" + o + "=" + value}
				err := c.Validate()
				if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hun%") || !strings.Contains(err.Error(), "env:") || !strings.Contains(err.Error(), "file:") {
					t.Errorf("%s: %v", c.To, err)
				}
				if _, err := Open(c, Env{}); err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("open %s: %v", c.To, err)
				}
				if _, err := OpenDurable(c, Env{Logger: slog.New(slog.DiscardHandler)}, t.TempDir()); err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("open %s: %v", c.To, err)
				}
			}
		}
		for _, to := range []string{
			strings.Replace(placeOf(scheme), "//", "//hunter2@", 1), strings.Replace(placeOf(scheme), "//", "//u:hunter2@", 1),
			strings.Replace(placeOf(scheme), "//", "//u:hunter2/x@", 1), placeOf(scheme) + "?pasword=hunter2", placeOf(scheme) + "?PASSWORD=hunter2",
			placeOf(scheme) + "?password=%zzhunter2", placeOf(scheme) + "?password=hunter2;x",
		} {
			if err := (Config{Format: "ecs", To: to}).Validate(); to != placeOf(scheme) && err == nil || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", to, err)
			}
		}
	}
	for _, o := range secretOptions {
		if !found[o] {
			t.Errorf("no place has the option %s", o)
		}
	}
	for _, to := range []string{"webhook+https://hooks.slack.com/services/hunter2?style=slack", "https://hooks.slack.com/services/hunter2", "webhook:hunter2"} {
		if err := (Config{Format: "ecs", To: to}).Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// A secret that was read stands in no name, error or log, not when the server
// sends it back either.
func TestSecretsThatWereReadAreNotShown(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	save(t, file, "hunter2\n")
	server := serve(t, nil, func(w http.ResponseWriter, r *http.Request, _ string) {
		w.WriteHeader(http.StatusForbidden)
		user, password, _ := r.BasicAuth()
		w.Write([]byte(r.Header.Get("Authorization") + " " + user + ":" + password + r.URL.Path))
	})
	save(t, filepath.Join(dir, "url"), server.URL+"/services/hunter2\n")
	for _, to := range []string{
		"opensearch+" + server.URL + "?user=u&password=file:" + file, "elasticsearch+" + server.URL + "?api_key=file:" + file,
		"clickhouse+" + server.URL + "?token=file:" + file, "webhook+" + server.URL + "/hunter2?token=file:" + file, "webhook:?style=slack&url=file:" + dir + "/url",
	} {
		var log strings.Builder
		e, err := Open(Config{Format: "ecs", To: to}, Env{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.sink.Write(context.Background(), alertLines(t, 1))
		if err == nil {
			t.Fatalf("%s: taken", to)
		}
		e.streak.failed(e, err)
		if all := err.Error() + log.String() + e.Name(); strings.Contains(all, "hunter2") || strings.Contains(all, "aHVudGVyMg") || strings.Contains(all, "dTpodW50ZXIy") {
			t.Errorf("%s: %s", to, all)
		}
		e.sink.Close()
	}
}
