package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryCap(t *testing.T) {
	for _, c := range []struct {
		name   string
		cgroup string
		files  map[string]string
		want   int64
	}{
		{"version 2", "0::/system.slice/kagami.service\n",
			map[string]string{"system.slice/kagami.service/memory.max": "268435456\n", "system.slice/memory.max": "max\n"}, 256 << 20},
		{"the group above is tighter", "0::/a/b\n",
			map[string]string{"a/b/memory.max": "268435456\n", "a/memory.max": "134217728\n"}, 128 << 20},
		{"in a container", "0::/\n", map[string]string{"memory.max": "100000000\n"}, 100_000_000},
		{"version 1", "4:memory:/box\n1:cpu:/\n0::/\n",
			map[string]string{"memory/box/memory.limit_in_bytes": "67108864\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 << 20},
		{"a path of another namespace", "4:memory:/outer/box\n", map[string]string{"memory/memory.limit_in_bytes": "67108864\n"}, 64 << 20},
		{"none", "0::/user.slice\n", map[string]string{"user.slice/memory.max": "max\n"}, 0},
		{"no control groups", "", nil, 0},
		{"nonsense", "4:memory\nx\n0::/a\n", map[string]string{"a/memory.max": "-3 what"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			put := func(path, text string) {
				t.Helper()
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("proc/self/cgroup", c.cgroup)
			for name, text := range c.files {
				put("sys/fs/cgroup/"+name, text)
			}
			if got := memoryCap(root); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
	if got := memoryCap(filepath.Join(t.TempDir(), "nothing")); got != 0 {
		t.Errorf("without /proc: got %d", got)
	}
}
