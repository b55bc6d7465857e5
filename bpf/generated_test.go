package bpf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenerated compiles the C programs again, with the compiler that doc.go's
// directives pin, and compares with the committed files, octet for octet.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles C")
	}
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(source)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate ")
		if !ok {
			continue
		}
		words := arguments(command)
		for _, tool := range words {
			if strings.HasPrefix(tool, "clang-") || strings.HasPrefix(tool, "llvm-strip-") {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("%s is not installed: the compiled programs are not compared with their source", tool)
				}
			}
		}
		dir := t.TempDir()
		at := len(words) - 2 // before the name and the source
		words = append(words[:at:at], append([]string{"-output-dir", dir, "-go-package", "bpf"}, words[at:]...)...)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			fresh, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			committed, err := os.ReadFile(filepath.Base(name))
			if err != nil || !bytes.Equal(fresh, committed) {
				t.Errorf("%s is not what its source gives (%v); run `make generate`", filepath.Base(name), err)
			}
			compared++
		}
	}
	if compared != 4 {
		t.Errorf("%d files compared, want an object and a Go file for each of 2 programs", compared)
	}
}

// arguments splits a command line with double quotes.
func arguments(line string) (words []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
