package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// setting is a line of default.toml that sets something, commented out or not.
var setting = regexp.MustCompile(`(?m)^#(\w+ = |\[)`)

func TestDefaultTextIsTheDefaults(t *testing.T) {
	var got Config
	if p := decode(DefaultText, &got); p != nil {
		t.Fatal(p)
	}
	// What default.toml shows as an example has a default outside the file.
	want := Default()
	want.Capture.Workers = 0
	compare(t, got, want)
	over := Default()
	if p := decode(DefaultText, &over); p != nil {
		t.Fatal(p)
	}
	compare(t, over, Default())
}

func compare(t *testing.T, got, want Config) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, w := map[string]any{}, map[string]any{}
	values(g, "", reflect.ValueOf(got))
	values(w, "", reflect.ValueOf(want))
	for key := range w {
		if !reflect.DeepEqual(g[key], w[key]) {
			t.Errorf("%s: default.toml says %v, Default says %v", key, g[key], w[key])
		}
	}
}

// values lists the settings of a struct.
func values(into map[string]any, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name := nameOf(v.Type().Field(i))
		if name != "" && isTable(v.Field(i).Type()) {
			values(into, prefix+name+".", v.Field(i))
		} else if name != "" {
			into[prefix+name] = v.Field(i).Interface()
		}
	}
}

func TestDefaultTextHasEverySetting(t *testing.T) {
	text := setting.ReplaceAllString(DefaultText, "$1")
	for _, key := range Keys() {
		if n := lineOf(text, key, 0); n == 0 || n == lineOf(text, key[:strings.LastIndexByte(key, '.')], 0) {
			t.Errorf("%s does not occur", key)
		}
	}
}

func TestDefaultTextExamplesAreGood(t *testing.T) {
	c := Default()
	if p := decode(setting.ReplaceAllString(DefaultText, "$1"), &c); p != nil {
		t.Error(p)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if len(c.Export) != 1 || c.Capture.Interface == "" || len(c.Site.Proxies) != 1 {
		t.Errorf("examples were not taken: %+v", c)
	}
}

func TestDefaultIsGood(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestExamplesAreGood(t *testing.T) {
	paths, err := filepath.Glob("examples/*.toml")
	if err != nil || len(paths) < 3 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		c, err := Load(path, nil)
		if err != nil {
			t.Error(err)
		}
		if len(c.Export) == 0 {
			t.Errorf("%s: no record goes anywhere", path)
		}
	}
}

// TestUnitFile checks that the systemd unit names only what the program takes.
func TestUnitFile(t *testing.T) {
	b, err := os.ReadFile("kagami.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for _, want := range []string{
		"ExecStart=/usr/local/bin/kagami run",
		"ExecStartPre=/usr/local/bin/kagami check",
		"ExecReload=/bin/kill -HUP $MAINPID",
		"AmbientCapabilities=CAP_NET_RAW CAP_BPF CAP_PERFMON CAP_NET_ADMIN",
		"LogsDirectory=kagami",
		"StateDirectory=kagami",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q", want)
		}
	}
}
