package main

import (
	"fmt"
	"net/netip"
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
// event. Keys that Kagami has no field for are left out, so that at least so many
// must be found.
func suricataChecks(file string, text []byte) []expectation {
	var all []expectation
	for _, c := range readChecks(text) {
		e := expectation{program: "Suricata", file: file}
		for range c.count {
			e.items = append(e.items, c.items()...)
		}
		if len(e.items) > 0 && !c.old {
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

// items are what one event of a check is, none if it cannot be compared.
func (c *check) items() []item {
	make1 := func(k kind, fields map[string]string) item {
		return item{kind: k, flows: c.flows(), where: fmt.Sprintf("line %d", c.line), fields: fields}
	}
	var items []item
	switch c.match["event_type"] {
	case "dns":
		items = []item{make1(kindDNS, c.dns())}
	case "http":
		request := c.fields(map[string]string{"http.http_method": "method", "http.hostname": "host name", "http.url": "uri",
			"http.http_user_agent": "user agent", "http.http_refer": "referrer"})
		response := c.fields(map[string]string{"http.status": "status", "http.http_content_type": "content type"})
		items = []item{make1(kindRequest, request), make1(kindResponse, response)}
		if len(response) == 0 {
			items = items[:1]
		} else if len(request) == 0 {
			items = items[1:]
		}
	case "tls":
		items = []item{make1(kindTLS, c.tls())}
	case "flow":
		items = []item{make1(kindFlow, c.flow())}
	}
	if len(items) == 1 && len(items[0].fields) == 0 && len(c.match) > 1 {
		return nil // nothing of what it asks can be compared
	}
	return items
}

// fields are those of the check's keys that have a name here.
func (c *check) fields(names map[string]string) map[string]string {
	fields := make(map[string]string)
	for key, name := range names {
		if v, ok := c.match[key]; ok {
			fields[name] = v
		}
	}
	return fields
}

func (c *check) flows() []flow {
	transport := transportOf(c.match["proto"])
	a, okA := endpoint(c.match["src_ip"], c.match["src_port"])
	b, okB := endpoint(c.match["dest_ip"], c.match["dest_port"])
	if !okA || !okB || (transport != "icmp" && (a.Port() == 0 || b.Port() == 0)) || c.match["proto"] == "" {
		return nil
	}
	if transport == "icmp" {
		a, b = netip.AddrPortFrom(a.Addr(), 0), netip.AddrPortFrom(b.Addr(), 0)
	}
	return []flow{newFlow(transport, a, b)}
}

func (c *check) dns() map[string]string {
	fields := c.fields(map[string]string{"dns.id": "id", "dns.rcode": "rcode",
		"dns.queries[0].rrname": "name", "dns.queries[0].rrtype": "type"})
	switch c.match["dns.type"] {
	case "request", "query":
		fields["sort"] = "query"
	case "response", "answer":
		fields["sort"] = "answer"
	}
	var values []string
	for i := 0; ; i++ {
		v, ok := c.match[fmt.Sprintf("dns.answers[%d].rdata", i)]
		if !ok {
			break
		}
		values = append(values, v)
	}
	if values != nil {
		fields["a"], fields["aaaa"] = addresses(values)
	}
	return fields
}

func (c *check) tls() map[string]string {
	fields := c.fields(map[string]string{"tls.sni": "server name", "tls.ja3.hash": "ja3", "tls.ja3s.hash": "ja3s", "tls.ja4": "ja4"})
	switch v := c.match["tls.version"]; v {
	case "TLS 1.3", "TLS 1.2", "TLS 1.1":
		fields["version"] = strings.TrimPrefix(v, "TLS ")
	case "TLSv1":
		fields["version"] = "1.0"
	}
	if v := c.match["tls.fingerprint"]; v != "" {
		fields["sha1"] = strings.ToUpper(strings.ReplaceAll(v, ":", ""))
	}
	if v := strings.ReplaceAll(c.match["tls.serial"], ":", ""); v != "" {
		fields["serial"] = strings.TrimPrefix(v, "00")
	}
	return fields
}

func (c *check) flow() map[string]string {
	fields := c.fields(map[string]string{"community_id": "community id"})
	flows := c.flows()
	if flows == nil {
		return fields
	}
	client, _ := endpoint(c.match["src_ip"], c.match["src_port"])
	for name, keys := range map[string][2]string{"packets": {"flow.pkts_toserver", "flow.pkts_toclient"}, "bytes": {"flow.bytes_toserver", "flow.bytes_toclient"}} {
		sent, errS := strconv.ParseUint(c.match[keys[0]], 10, 64)
		received, errR := strconv.ParseUint(c.match[keys[1]], 10, 64)
		if errS == nil && errR == nil {
			fields[name] = flows[0].byEnd(client, sent, received)
		}
	}
	return fields
}
