package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// readExpected reads which results there are for which captures: a capture and
// a result in each line, tab separated; results' paths are relative to the file.
func readExpected(path string) (map[string][]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read expected results: %w", err)
	}
	results := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		capture, result, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if !ok || result == "" {
			return nil, fmt.Errorf("read %q: got the line %.60q, want a capture, a tab and a result", path, line)
		}
		results[capture] = append(results[capture], filepath.Join(filepath.Dir(path), result))
	}
	return results, nil
}

// readResult reads another program's result, which its name and its content
// tell apart: what it expects, each to be compared with all that Kagami found.
// A result of a sort that is not compared expects nothing.
func readResult(path string) ([]expectation, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	e := expectation{file: shortName(path)}
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	switch {
	case name == "test.yaml":
		return suricataChecks(e.file, text), nil
	case strings.HasSuffix(name, ".test"):
		e.program = "Arkime"
		e.items, err = arkimeItems(text)
	case strings.HasSuffix(name, ".out"):
		e.program, e.items = "nDPI", ndpiItems(text)
	case strings.HasSuffix(name, ".json") && bytes.Contains(text, []byte(`"JA4.1"`)):
		e.program = "JA4"
		e.items, err = ja4Items(text)
	case strings.Contains(name, ".log"):
		e.program, e.items, e.several = "Zeek", zeekItems(name, text), true
	}
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", path, err)
	}
	return []expectation{e}, nil
}

// shortName is a path's last two parts: results of one name stand in many folders.
func shortName(path string) string {
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open result: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if magic, _ := r.Peek(2); string(magic) != "\x1f\x8b" {
		return io.ReadAll(r)
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return io.ReadAll(z)
}
