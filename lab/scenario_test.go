package lab

import (
	"os"
	"strings"
	"testing"
)

// A mistake in a scenario is named with the key and what was wanted.
func TestScenarioMistakes(t *testing.T) {
	text, err := os.ReadFile(officeScenario)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown key", "seed  = 20261116", "seeed = 1", "seeed: unknown key"},
		{"not toml", "seed  = 20261116", "seed = ", "line 9"},
		{"end before start", "2026-11-16T18:00", "2026-11-16T08:00", "end: got"},
		{"forty days and more", "2026-11-16T18:00", "2027-11-16T18:00", "want at most"},
		{"no such proxy", `proxy      = "proxy"`, `proxy      = "squid"`, `network.proxy: got "squid", want the name of a host`},
		{"no proxy port", "proxy_port = 3128", "proxy_port = 0", "network.proxy_port: got 0"},
		{"host outside", `ip   = "10.0.0.10"`, `ip   = "192.0.2.10"`, "want one inside network.internal"},
		{"site inside", `ip     = "203.0.113.53"`, `ip     = "10.0.9.9"`, "want one outside network.internal"},
		{"address twice", `ip   = "10.0.0.10"`, `ip   = "10.0.0.11"`, "want an IPv4 address of its own"},
		{"bad hardware address", "02:4b:00:00:00:10", "02:4b:00", "want six pairs of hex digits"},
		{"bad role", `role = "device"`, `role = "toaster"`, `role: got "toaster"`},
		{"bad time of day", `at            = "10:12:07"`, `at            = "ten"`, "want 15:04 or 15:04:05"},
		{"attack at night", `at            = "10:12:07"`, `at            = "02:00"`, "want a time of day inside the capture"},
		{"unknown group", `hosts  = ["@workstation"]`, `hosts  = ["@robots"]`, "want a host's name or @role"},
		{"unknown profile", `tls        = "legacy"`, `tls        = "netscape"`, `tls: got "netscape"`},
		{"poll of nobody", "http://crl.trust-services.example/g2.crl", "http://nowhere.example/", "want a URL of a site"},
		{"too fast", `sleep          = "300s"`, `sleep          = "1ms"`, "sleep: got 1ms, want at least 1s"},
		{"too much jitter", "jitter_percent = 22", "jitter_percent = 220", "want 0 to 90"},
		{"sizes the wrong way round", "[196, 204]", "[204, 196]", "want least and most bytes"},
		{"range the wrong way round", "10.0.0.5-10.0.0.30", "10.0.0.30-10.0.0.5", "smaller first"},
		{"payload too large", "payload_size  = 92160", "payload_size  = 921600000", "payload_size: got 921600000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(string(text), tt.old) {
				t.Fatalf("%q is not in the scenario any more", tt.old)
			}
			_, err := Parse(strings.Replace(string(text), tt.old, tt.new, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// All problems are named, not only the first.
func TestScenarioNamesAllMistakes(t *testing.T) {
	_, err := Parse(`[[host]]` + "\n" + `name = "a"`)
	if err == nil {
		t.Fatal("want an error")
	}
	for _, want := range []string{"name: got nothing", "network.domain", "network.gateway", `host "a": ip`, `host "a": mac`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q too", err, want)
		}
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	if _, err := Load("scenarios/missing.toml"); err == nil || !strings.Contains(err.Error(), "scenarios/missing.toml") {
		t.Errorf("got %v, want the path", err)
	}
}
