package exporters_test

import (
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"kagami/configs"
	"kagami/exporters"
)

// TestSIEMConfigurations: every kagami.toml that is shipped for a SIEM is a good
// one, and says what its page promises: names that differ, a disk queue where lines
// go over a network, and alerts in an export of their own.
func TestSIEMConfigurations(t *testing.T) {
	files, err := filepath.Glob("../configs/siem/*/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(file) == "vector.toml" { // Vector's own
			continue
		}
		c, err := configs.Load(file, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		var names []string
		for _, e := range c.Export {
			names = append(names, e.Name)
			if e.Name != "" && e.Queue != exporters.QueueDisk && needsQueue(e.To) {
				t.Errorf("%s: export %q has no queue on disk", file, e.Name)
			}
		}
		slices.Sort(names)
		if names = slices.DeleteFunc(names, func(n string) bool { return n == "" }); len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%s: two exports have one name: %q", file, names)
		}
		if slices.Contains(names, "siem") && !slices.Contains(names, "alerts") {
			t.Errorf("%s: alerts have no export of their own", file)
		}
	}
}

// needsQueue tells whether lines to a place cross a network that can be away.
func needsQueue(to string) bool {
	u, err := url.Parse(to)
	return err == nil && !slices.Contains([]string{"file", "stdout"}, u.Scheme)
}
