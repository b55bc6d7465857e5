package main

import (
	"fmt"
	"strconv"
	"strings"
)

// check is a filter of a suricata-verify test: so many events match so much.
type check struct {
	count int
	line  int
	match map[string]string
	old   bool // for versions before one: events had other fields then

	// Where the reader is: the section and the key of match, and their columns.
	section, key                     string
	indent, sectionIndent, keyIndent int
}

// suricataChecks reads the checks of a test that count events of the kinds that
// Kagami has. Each expects as many items as it counts; several may count the same
// event. Keys that are not compared are left out, so that at least so many must be
// found.
func suricataChecks(file string, text []byte) []expectation {
	var all []expectation
	for _, c := range readChecks(text) {
		e := expectation{program: "Suricata", file: file}
		it, ok := c.item()
		for range c.count {
			e.items = append(e.items, it)
		}
		if ok && c.count > 0 && !c.old {
			all = append(all, e)
		}
	}
	return all
}

// readChecks reads the filters of a test.yaml: lists and maps by indentation,
// plain scalars, also folded ones, and quoted ones, which is all that these tests
// use there.
func readChecks(text []byte) []check {
	var checks []check
	var one *check
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		trimmed := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if one != nil && indent <= one.indent {
			one = nil
		}
		switch {
		case one != nil:
			one.read(trimmed, indent)
		case trimmed == "- filter:":
			checks = append(checks, check{line: number, indent: indent, match: make(map[string]string)})
			one = &checks[len(checks)-1]
		}
	}
	return checks
}

// read reads a line of the check.
func (c *check) read(line string, indent int) {
	if c.section != "" && indent <= c.sectionIndent {
		c.section, c.key = "", ""
	}
	key, value, _ := strings.Cut(line, ":")
	value = scalar(value)
	switch {
	case c.key != "" && indent > c.keyIndent:
		c.match[c.key] += " " + line
	case c.section == "" && value == "":
		c.section, c.sectionIndent = key, indent
	case c.section == "" && key == "count":
		c.count, _ = strconv.Atoi(value)
	case c.section == "match":
		c.key, c.keyIndent, c.match[key] = key, indent, value
	case c.section == "requires" && key == "lt-version":
		c.old = true
	}
}

func scalar(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	s, _, _ = strings.Cut(s, " #")
	return strings.TrimSpace(s)
}

// item is an event that the check counts; not ok if nothing of what it asks can
// be compared.
func (c *check) item() (it item, ok bool) {
	event := c.match["event_type"]
	fields := make(map[string]string)
	for key, value := range c.match {
		if isCompared(event, key) && (key != "app_proto" || isDecoded(value)) {
			fields[key] = value
		}
	}
	fields = eveFields(fields)
	it = item{kind: eventKind(event), flows: eveFlows(c.match), where: fmt.Sprintf("line %d", c.line), fields: fields}
	return it, isEvent(event) && (len(fields) > 0 || len(c.match) == 1)
}

// isEvent tells whether Kagami has events of the type.
func isEvent(event string) bool {
	switch event {
	case "dhcp", "dns", "fileinfo", "flow", "ftp", "ftp_data", "http", "llmnr", "mdns", "ntp", "pop3", "quic", "smtp", "tls":
		return true
	}
	return false
}

// isCompared tells whether a key of an event is: those of its own objects, unless
// Kagami's events leave them out for the reasons in docs/COVERAGE.md. Keys with two
// underscores are conditions.
func isCompared(event, key string) bool {
	for _, prefix := range []string{"dns.grouped", "dns.tx_id", "dns.version", "fileinfo.stored", "fileinfo.tx_id", "flow.action", "flow.alerted",
		"flow.exception_policy", "quic.extensions", "tcp.psh", "tcp.tc_max_regions", "tcp.tcp_flags", "tcp.ts_max_regions"} {
		if strings.HasPrefix(key, prefix) {
			return false
		}
	}
	switch key {
	case "app_proto", "community_id", "icmp_type", "icmp_code":
		return true
	}
	object, _, inner := strings.Cut(key, ".")
	switch {
	case !inner, strings.Contains(key, "__"):
		return false
	case object == event, object == "email" && event == "smtp", object == "tcp" && event == "flow":
		return true
	}
	return event == "fileinfo" && object == "http"
}

// isDecoded tells whether Kagami decodes a protocol of Suricata's.
func isDecoded(protocol string) bool {
	switch protocol {
	case "dhcp", "dns", "ftp", "ftp-data", "http", "http2", "imap", "llmnr", "mdns", "ntp", "pop3", "quic", "smtp", "tls", "websocket":
		return true
	}
	return false
}

// eveFields makes equal what versions of Suricata call differently, and what may
// be written in several ways.
func eveFields(fields map[string]string) map[string]string {
	for key, value := range fields {
		switch {
		case key == "dns.type" && value == "query":
			fields[key] = "request"
		case key == "dns.type" && value == "answer":
			fields[key] = "response"
		case strings.EqualFold(value, "true"), strings.EqualFold(value, "false"):
			fields[key] = strings.ToLower(value)
		}
	}
	for _, name := range [...]string{"rrname", "rrtype"} { // of version 2
		if v, ok := fields["dns."+name]; ok {
			delete(fields, "dns."+name)
			fields["dns.queries[0]."+name] = v
		}
	}
	return fields
}
