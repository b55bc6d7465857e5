package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCasesSquid: access.log has the lines that the Squid in the capture wrote
// itself, but for their times and for words that name the inside of its cache.
func TestCasesSquid(t *testing.T) {
	const folder = "../../testdata/proxy"
	line := regexp.MustCompile(`^[0-9.]+ +[0-9]+ (\S+) [A-Z_]+/([0-9]+ .*)$`)
	known := func(path string) (out []string) {
		for _, l := range lines(t, path) {
			m := line.FindSubmatch(l)
			if m == nil {
				t.Fatalf("%s: %s", path, l)
			}
			out = append(out, string(m[1])+" "+string(m[2]))
		}
		return out
	}
	dir := read(t, []string{filepath.Join(folder, "in.pcap.zst")})
	sameLines(t, known(filepath.Join(dir, "access.log")), known(filepath.Join(folder, "access.log")))
}

// TestCasesPostfix: mail.log has the lines that the Postfix in the capture wrote of
// header fields, but for host and process. What it got behind STARTTLS cannot be
// seen; and what is not UTF-8 it lets through if it looks like the beginning of
// a letter, where Kagami's line shall be UTF-8.
func TestCasesPostfix(t *testing.T) {
	const folder = "../../testdata/smtp"
	const behindTLS = 4 // header fields of the message
	line := regexp.MustCompile(`^(... .\d \d\d:\d\d:\d\d) \S+ postfix/cleanup\[\d+\]: (\w+: warning: header .*)$`)
	known := func(path string) (out []string) {
		for _, l := range lines(t, path) {
			if m := line.FindSubmatch(l); m != nil {
				out = append(out, string(m[1])+" "+questioned(string(m[2])))
			}
		}
		return out
	}
	dir := read(t, []string{filepath.Join(folder, "in.pcap.zst")})
	ours, genuine := known(filepath.Join(dir, "mail.log")), known(filepath.Join(folder, "mail.log"))
	all := len(genuine)
	ids := make(map[string]bool) // queue ids that the wire shows
	id := func(l string) string { return strings.Fields(l)[3] }
	for _, l := range ours {
		ids[id(l)] = true
	}
	genuine = slices.DeleteFunc(genuine, func(l string) bool { return !ids[id(l)] })
	if all-len(genuine) != behindTLS {
		t.Errorf("%d lines of Postfix are of messages that Kagami does not see, want %d", all-len(genuine), behindTLS)
	}
	sameLines(t, ours, genuine)
}

// questioned has a question mark for each octet that is not of UTF-8.
func questioned(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == '\uFFFD' && s[i] != "\uFFFD"[0] {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// sameLines compares without order: records of requests that wait for another
// leg come later.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if len(want) < 10 {
		t.Fatalf("%d lines to compare with", len(want))
	}
	slices.Sort(got)
	slices.Sort(want)
	for _, l := range want {
		if _, found := slices.BinarySearch(got, l); !found {
			t.Errorf("missing: %s", l)
		}
	}
	for _, l := range got {
		if _, found := slices.BinarySearch(want, l); !found {
			t.Errorf("only Kagami: %s", l)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}
