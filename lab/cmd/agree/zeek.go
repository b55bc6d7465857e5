package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// zeekItems reads a conn, dns, http or ssl log: Zeek's own format, or columns
// that were cut from it, whose first line names them.
func zeekItems(name string, text []byte) []item {
	path, _, _ := strings.Cut(name, ".")
	path, _, _ = strings.Cut(path, "-")
	var columns []string
	var items []item
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		values := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#path"):
			path = values[len(values)-1]
		case strings.HasPrefix(line, "#fields"):
			columns = values[1:]
		case strings.HasPrefix(line, "#"), line == "":
		case columns == nil:
			columns = values
		default:
			z := zeekRow{columns: columns, values: values}
			for _, it := range z.items(path) {
				it.where = fmt.Sprintf("line %d", number)
				items = append(items, it)
			}
		}
	}
	return items
}

type zeekRow struct{ columns, values []string }

// text is a column's value, "" if it is unset, empty or not there.
func (z *zeekRow) text(column string) string {
	if i := slices.Index(z.columns, column); i >= 0 && i < len(z.values) {
		if v := z.values[i]; v != "-" && v != "(empty)" {
			return v
		}
	}
	return ""
}

func (z *zeekRow) items(path string) []item {
	var items []item
	switch path {
	case "conn":
		items = z.conn()
	case "dns":
		items = z.dns()
	case "http":
		items = z.http()
	case "ssl", "ssl1_2":
		items = z.ssl()
	}
	return slices.DeleteFunc(items, func(it item) bool { return len(it.fields) == 0 })
}

// ends are the originator, the responder and the flows that they may have: a
// log may not say the transport. The log has ICMP's type and code as ports.
func (z *zeekRow) ends(transports ...string) (orig netip.AddrPort, flows []flow) {
	for _, transport := range transports {
		origPort, respPort := z.text("id.orig_p"), z.text("id.resp_p")
		if transport != "tcp" && transport != "udp" {
			origPort, respPort = "", ""
		}
		from, okFrom := endpoint(z.text("id.orig_h"), origPort)
		to, okTo := endpoint(z.text("id.resp_h"), respPort)
		if okFrom && okTo {
			orig, flows = from, append(flows, newFlow(transport, from, to))
		}
	}
	return orig, flows
}

// transports are those of the row, or all that it may have.
func (z *zeekRow) transports() []string {
	if p := z.text("proto"); p != "" {
		return []string{transportOf(p)}
	}
	return []string{"tcp", "udp"}
}

func (z *zeekRow) conn() []item {
	orig, flows := z.ends(z.transports()...)
	fields := make(map[string]string)
	z.keep(fields, "state", "conn_state")
	if h := strings.ReplaceAll(z.text("history"), "X", ""); h != "" { // X: Zeek gave up one of its analyzers
		fields["history"] = h
	}
	z.keep(fields, "missed", "missed_bytes")
	z.keep(fields, "community id", "community_id")
	if flows != nil {
		fields["originator"] = orig.String()
		z.keepPair(fields, flows[0], orig, "packets", "orig_pkts", "resp_pkts")
		z.keepPair(fields, flows[0], orig, "ip bytes", "orig_ip_bytes", "resp_ip_bytes")
		z.keepPair(fields, flows[0], orig, "payload", "orig_bytes", "resp_bytes")
	}
	return []item{{kind: kindFlow, flows: flows, fields: fields}}
}

// keep takes a column over, if it has a value.
func (z *zeekRow) keep(fields map[string]string, name, column string) {
	if v := z.text(column); v != "" {
		fields[name] = v
	}
}

func (z *zeekRow) keepPair(fields map[string]string, f flow, orig netip.AddrPort, name, sent, received string) {
	s, errS := strconv.ParseUint(z.text(sent), 10, 64)
	r, errR := strconv.ParseUint(z.text(received), 10, 64)
	if errS == nil && errR == nil {
		fields[name] = f.byEnd(orig, s, r)
	}
}

// dns are the query and the response of a row: Zeek logs them as one.
func (z *zeekRow) dns() []item {
	_, flows := z.ends(z.transports()...)
	question := make(map[string]string)
	z.keep(question, "id", "trans_id")
	if name := z.text("query"); name != "" {
		question["name in lower case"] = legible(zeekName(name))
	}
	if n := z.text("qtype"); n != "" {
		question["type"] = typeName(n)
	}
	if len(question) == 0 {
		return nil
	}
	answer := map[string]string{"sort": "answer"}
	query := map[string]string{"sort": "query"}
	for name, value := range question {
		answer[name], query[name] = value, value
	}
	code := z.text("rcode")
	if code == "" {
		return []item{{kind: kindDNS, flows: flows, fields: query}}
	}
	answer["header rcode"] = rcodeName(code)
	if slices.Contains(z.columns, "answers") {
		answer["a"], answer["aaaa"] = addresses(strings.Split(z.text("answers"), ","))
	}
	items := []item{{kind: kindDNS, flows: flows, fields: answer}}
	if z.text("rtt") != "" {
		items = append(items, item{kind: kindDNS, flows: flows, fields: query})
	}
	return items
}

// addresses are the IPv4 and the IPv6 addresses among values, in order.
func addresses(values []string) (v4, v6 string) {
	var four, six []string
	for _, v := range values {
		switch a, err := netip.ParseAddr(v); {
		case err != nil:
		case a.Is4():
			four = append(four, a.String())
		default:
			six = append(six, a.String())
		}
	}
	return strings.Join(four, ","), strings.Join(six, ",")
}

// http are the request and the response of a row. Zeek decodes percent signs in
// the target.
func (z *zeekRow) http() []item {
	_, flows := z.ends("tcp")
	request, response := make(map[string]string), make(map[string]string)
	z.keep(request, "method", "method")
	if len(request) > 0 {
		z.keep(request, "host", "host")
		z.keep(request, "decoded uri", "uri")
		z.keep(request, "user agent", "user_agent")
		z.keep(request, "referrer", "referrer")
		z.keep(request, "body", "request_body_len")
	}
	z.keep(response, "status", "status_code")
	if len(response) > 0 && slices.Contains(z.columns, "response_body_len") {
		z.keep(response, "body", "response_body_len")
	}
	return []item{{kind: kindRequest, flows: flows, fields: request}, {kind: kindResponse, flows: flows, fields: response}}
}

func (z *zeekRow) ssl() []item {
	version, datagram := strings.CutPrefix(z.text("version"), "D")
	k, transports := kindTLS, []string{"tcp", "udp"} // the log does not say that it is QUIC
	if datagram {
		k, transports = kindDatagram, []string{"udp"}
	}
	_, flows := z.ends(transports...)
	fields := make(map[string]string)
	if v := strings.TrimPrefix(version, "TLSv"); len(v) == 2 {
		fields["version"] = v[:1] + "." + v[1:]
	} else if v == "SSLv3" {
		fields["version"] = "ssl3.0"
	}
	z.keep(fields, "cipher", "cipher")
	z.keep(fields, "curve", "curve")
	z.keep(fields, "server name", "server_name")
	z.keep(fields, "chosen protocol", "next_protocol")
	z.keep(fields, "alert", "last_alert")
	z.keepBool(fields, "resumed", "resumed")
	z.keepBool(fields, "established", "established")
	if first, _, _ := strings.Cut(z.text("cert_chain_fps"), ","); first != "" {
		fields["sha256"] = strings.ToUpper(first)
	}
	return []item{{kind: k, flows: flows, fields: fields}}
}

func (z *zeekRow) keepBool(fields map[string]string, name, column string) {
	switch z.text(column) {
	case "T":
		fields[name] = "true"
	case "F":
		fields[name] = "false"
	}
}

// zeekName undoes the escapes of Zeek's logs: \x and two hexadecimal digits.
func zeekName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
