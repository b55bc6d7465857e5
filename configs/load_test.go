package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"kagami/exporters"
	"kagami/sensor"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kagami.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	c, err := Load(write(t, `
[capture]
workers = 3
[sensor.timeouts]
established = "1h"
[[network.zones]]
name = "DMZ"
networks = ["192.0.2.0/24"]
[detect]
office_hours = [8, 19]
[detect.beacon]
harmless = ["example.com"]
[site]
proxies = ["10.0.0.6", "2001:db8::6"]
[[export]]
format = "bind"
to = "file:///var/log/kagami/queries.log"
[[export]]
format = "ecs"
to = "syslog+udp://siem.example:514"
records = ["alert"]
`), []string{"output.device=fw1", "capture.workers=8"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Capture.Workers = 8
	want.Sensor.Timeouts.Established = time.Hour
	want.Network.Zones = []sensor.Zone{{Name: "DMZ", Networks: []string{"192.0.2.0/24"}}}
	want.Detect.OfficeHours = [2]int{8, 19}
	want.Detect.Beacon.Harmless = []string{"example.com"}
	want.Site.Proxies = []netip.Addr{netip.MustParseAddr("10.0.0.6"), netip.MustParseAddr("2001:db8::6")}
	want.Output.Device = "fw1"
	want.Export = []exporters.Config{
		{Format: "bind", To: "file:///var/log/kagami/queries.log"},
		{Format: "ecs", To: "syslog+udp://siem.example:514", Records: []string{"alert"}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestLoadNothing(t *testing.T) {
	c, err := Load("", nil)
	if err != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestProblems: each mistake is named with its line and what to write instead,
// and none hides another.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"unknown setting, near miss", "[capture]\nworkers = 2\nring_mb = 16\n",
			[]string{`line 3: unknown setting "capture.ring_mb"; did you mean "capture.ring_mib"?`}},
		{"unknown setting, right name in a wrong section", "[capture]\nmax_flows = 100\n",
			[]string{`line 2: unknown setting "capture.max_flows"; did you mean "sensor.max_flows"?`}},
		{"unknown setting like nothing", "[log]\ncolour_of_the_sky = 1\n",
			[]string{`line 2: unknown setting "log.colour_of_the_sky"`}},
		{"unknown section", "\n[sensors]\nmax_flows = 100\n",
			[]string{`line 2: unknown setting "sensors"; did you mean "sensor"?`}},
		{"unknown setting of the second export", "[[export]]\nformat = \"ecs\"\nto = \"stdout:\"\n[[export]]\nfromat = \"ecs\"\nformat = \"ecs\"\nto = \"stdout:\"\n",
			[]string{`line 5: unknown setting "export.fromat"; did you mean "export.format"?`}},
		{"a setting that the program sets itself", "[sensor]\nWorkers = 2\n",
			[]string{`line 2: unknown setting "sensor.Workers"; did you mean "capture.workers"?`}},
		{"syntax", "[capture]\nworkers = two\n", []string{"line 2: expected value"}},
		{"set twice", "[capture]\nworkers = 1\nworkers = 2\n", []string{"line 3:"}},
		{"text for a number", "[capture]\n# rings\nworkers = \"two\"\n",
			[]string{`line 3: capture.workers: got "two", want a whole number`}},
		{"fraction for a whole number", "[capture]\nworkers = 1.5\n", []string{"line 2: capture.workers: got 1.5, want a whole number"}},
		{"number for a text", "[output]\ndevice = 5\n", []string{"line 2: output.device: got 5, want a text in quotes"}},
		{"text for a truth", "[output]\ndirect_tls = \"yes\"\n", []string{`line 2: output.direct_tls: got "yes", want true or false`}},
		{"text for a list", "[detect.beacon]\nharmless = \"example.com\"\n",
			[]string{`line 2: detect.beacon.harmless: got "example.com", want a list [...], each of it a text in quotes`}},
		{"number in a list of networks", "[detect.scan]\nallow = [\"10.0.0.0/8\", 7]\n",
			[]string{`line 2: detect.scan.allow: got ["10.0.0.0/8", 7], want a list [...], each of it a network such as "192.0.2.0/24"`}},
		{"three office hours", "[detect]\noffice_hours = [8, 12, 19]\n",
			[]string{"line 2: detect.office_hours: got [8, 12, 19], want a list [...] of 2, each of it a whole number"}},
		{"bad address", "[site]\nproxies = [\"10.0.0.256\"]\n",
			[]string{`line 2: site.proxies: got ["10.0.0.256"], want a list [...], each of it an address such as "192.0.2.1"`}},
		{"time without a unit", "[sensor.timeouts]\nudp = 60\n",
			[]string{`line 2: sensor.timeouts.udp: got 60, want a time with its unit such as "90s" or "10m"`}},
		{"time with a bad unit", "[sensor.timeouts]\nudp = \"2 days\"\n",
			[]string{`line 2: sensor.timeouts.udp: got "2 days", want a time with its unit such as "90s" or "10m"`}},
		{"value for a section", "capture = 5\n", []string{"line 1: capture: got 5, want a table [capture]"}},
		{"list for a section", "[[capture]]\nworkers = 5\n", []string{"line 1: capture: got a list of tables, want a table [capture]"}},
		{"section for a list", "[export]\nformat = \"ecs\"\n", []string{"line 1: export: got a table, want tables [[export]]"}},
		{"out of range", "[capture]\nworkers = 99\n", []string{"line 2: capture.workers: got 99, want 1..64"}},
		{"one of two that do not fit", "[capture]\nring_mib = 1\nblock_kib = 1024\n",
			[]string{"line 3: capture.block_kib: got 1024, want at least two blocks in capture.ring_mib = 1"}},
		{"element of a list", "[detect]\noffice_hours = [8, 25]\n", []string{"line 2: detect.office_hours[1]: got 25"}},
		{"hash", "[decode.files]\nhashes = [\"sha256\", \"crc\"]\nmax_ratio = 5\n",
			[]string{`line 2: decode.files.hashes: got "crc", want one of md5, sha1, sha256`, "line 3: decode.files.max_ratio: got 5, want 10 to 100000"}},
		{"zone", "[network]\noutside = \"the world\"\n[[network.zones]]\nname = \"A\"\nnetworks = [\"10.0.0.0/33\"]\n",
			[]string{`line 2: network.outside: got "the world"`, `line 3: network.zones: zone "A": got network "10.0.0.0/33"`}},
		{"format of the second export", "[[export]]\nformat = \"ecs\"\nto = \"stdout:\"\n\n[[export]]\nto = \"stdout:\"\nformat = \"squidd\"\n",
			[]string{`line 7: export 2: export.format: got "squidd"`}},
		{"no format", "[[export]]\nto = \"stdout:\"\n", []string{`line 1: export 1: export.format: got ""`}},
		{"same name", "[[export]]\nname = \"a\"\nformat = \"ecs\"\nto = \"stdout:\"\n[[export]]\nname = \"a\"\nformat = \"eve\"\nto = \"stdout:\"\n",
			[]string{`line 6: export 2: export.name: got "a", as export 1 has`}},
		{"bad name", "[[export]]\nname = \"a/b\"\nformat = \"ecs\"\nto = \"stdout:\"\n", []string{`line 2: export 1: export.name: got "a/b"`}},
		{"same queue", "[[export]]\nqueue = \"disk\"\nformat = \"ecs\"\nto = \"stdout:\"\n[[export]]\nqueue = \"disk\"\nformat = \"ecs\"\nto = \"stdout:\"\n",
			[]string{`line 6: export 2: export.queue: the same format and place as export 1`}},
		{"a file that another export rotates", "[[export]]\nformat = \"ecs\"\nto = \"file:///var/log/k.log?rotate=1h\"\n[[export]]\nformat = \"eve\"\nto = \"file:///var/log//k.log\"\n[[export]]\nformat = \"eve\"\nto = \"file:///var/log/other.log?rotate=1h\"\n",
			[]string{`line 6: export 2: export.to: the same file as export 1, which one of them rotates`}},
		{"account", "[account]\nevery = \"2h\"\nsensor = \"a b\"\ndir = \"\"\n",
			[]string{`line 2: account.every: got 2h0m0s, want 1s..1h`, `line 3: account.sensor: got "a b"`, `line 4: account.dir: want a directory`}},
		{"many at once", "[capture]\nworkers = 0\nsnaplen = \"all\"\nfoo = 1\n[log]\nlevel = \"loud\"\n[metrics]\nlisten = \"9779\"\n[output]\ntime_zone = \"Asia/Tokio\"\n",
			[]string{"line 2: capture.workers: got 0", `line 3: capture.snaplen: got "all"`, `line 4: unknown setting "capture.foo"`,
				`line 6: log.level: got "loud", want one of debug, info, warn, error`, `line 8: metrics.listen: got "9779"`,
				`line 10: output.time_zone: got "Asia/Tokio"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := Load(path, nil)
			got := Problems(err)
			if len(got) != len(c.want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(got), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i].Error(), path+": "+want) {
					t.Errorf("got  %s\nwant %s", strings.TrimPrefix(got[i].Error(), path+": "), want)
				}
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load("/nowhere/kagami.toml", nil)
	if err == nil || !strings.Contains(err.Error(), "no such file; print a complete one with: kagami check --print-default") {
		t.Error(err)
	}
	if _, err = Load(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

func TestOverride(t *testing.T) {
	for _, c := range []struct {
		set  string
		got  func(*Config) any
		want any
	}{
		{"capture.workers=8", func(c *Config) any { return c.Capture.Workers }, 8},
		{" capture.workers = 8 ", func(c *Config) any { return c.Capture.Workers }, 8},
		{"capture.interface=eth1", func(c *Config) any { return c.Capture.Interface }, "eth1"},
		{`capture.interface="eth1"`, func(c *Config) any { return c.Capture.Interface }, "eth1"},
		{"capture.interface=5", func(c *Config) any { return c.Capture.Interface }, "5"},
		{"capture.filter=tcp[13] = 2 and not port 22", func(c *Config) any { return c.Capture.Filter }, "tcp[13] = 2 and not port 22"},
		{`capture.filter=host \a"b`, func(c *Config) any { return c.Capture.Filter }, `host \a"b`},
		{"capture.filter=", func(c *Config) any { return c.Capture.Filter }, ""},
		{"sensor.decode=false", func(c *Config) any { return c.Sensor.Decode }, false},
		{"sensor.timeouts.udp=5s", func(c *Config) any { return c.Sensor.Timeouts.UDP }, 5 * time.Second},
		{"output.time_zone=Asia/Tokyo", func(c *Config) any { return c.Output.TimeZone }, "Asia/Tokyo"},
		{"detect.scan.peer_odds=1e-7", func(c *Config) any { return c.Detect.Scan.PeerOdds }, 1e-7},
		{`detect.beacon.harmless=["a.example", "b.example"]`, func(c *Config) any { return c.Detect.Beacon.Harmless }, []string{"a.example", "b.example"}},
		{"detect.beacon.harmless=[]", func(c *Config) any { return c.Detect.Beacon.Harmless }, []string{}},
		{`export=[{format="ecs", to="stdout:"}]`, func(c *Config) any { return c.Export }, []exporters.Config{{Format: "ecs", To: "stdout:"}}},
	} {
		conf, err := Load("", []string{c.set})
		if err != nil {
			t.Error(err)
		} else if got := c.got(&conf); !reflect.DeepEqual(got, c.want) {
			t.Errorf("--set %s: got %#v, want %#v", c.set, got, c.want)
		}
	}
}

func TestOverrideProblems(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"capture.workers", "--set capture.workers: want section.key=value, for example capture.workers=2"},
		{"=3", "--set =3: want section.key=value, for example capture.workers=2"},
		{"[capture]\nworkers=3", "--set [capture]\nworkers=3: want section.key=value, for example capture.workers=2"},
		{"capture.worker=3", `--set capture.worker=3: unknown setting "capture.worker"; did you mean "capture.workers"?`},
		{"capture.workers=two", `--set capture.workers=two: capture.workers: got "two", want a whole number`},
		{"capture.workers=99", "--set capture.workers: got 99, want 1..64"},
		{"sensor.timeouts.udp=5", `--set sensor.timeouts.udp=5: sensor.timeouts.udp: got 5, want a time with its unit such as "90s" or "10m"`},
		{"detect.beacon.harmless=a.example", `--set detect.beacon.harmless=a.example: detect.beacon.harmless: got "a.example", want a list [...], each of it a text in quotes`},
		{"capture=3", "--set capture=3: capture: got 3, want a table [capture]"},
	} {
		_, err := Load("", []string{c.set})
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestOverrideBeatsFileInMessages(t *testing.T) {
	_, err := Load(write(t, "[capture]\nworkers = 2\n"), []string{"capture.workers=99", "log.level=loud"})
	want := "--set capture.workers: got 99, want 1..64\n--set log.level: got \"loud\", want one of debug, info, warn, error"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestKeys names settings of every depth and kind.
func TestKeys(t *testing.T) {
	keys := strings.Join(Keys(), " ")
	for _, want := range []string{"capture.workers", "sensor.timeouts.udp", "network.zones.networks", "site.proxies",
		"detect.scan.allow", "detect.office_hours", "export.to"} {
		if !strings.Contains(" "+keys+" ", " "+want+" ") {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	if _, err := Load("", []string{`network.zones=[{name="X", networks=["192.0.2.0/24"]}]`}); err != nil {
		t.Fatal(err)
	}
	if z := Default().Network.Zones; z[0].Name != "Trust" || Default().Capture.Workers != min(runtime.NumCPU(), 4) {
		t.Errorf("Default changed: %+v", z)
	}
}
