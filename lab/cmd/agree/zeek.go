package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// zeekColumns are the columns of Zeek's logs that are compared, by log: all but
// those that every run makes anew (ts, uid, fuid), that follow from settings
// (local_orig, analyzers, password), and conn's duration, which in Zeek does not
// include the last ACK. A prefix says that the order of a set's elements does not
// count.
func zeekColumns(log string) []string {
	columns := map[string]string{
		"conn": "id.orig_h id.orig_p proto {}service orig_bytes resp_bytes conn_state missed_bytes history orig_pkts orig_ip_bytes " +
			"resp_pkts resp_ip_bytes ip_proto",
		"dns": "proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name AA TC RD RA Z answers TTLs rejected opcode opcode_name",
		"http": "trans_depth method host uri referrer version user_agent origin request_body_len response_body_len status_code status_msg info_code " +
			"info_msg username {}proxied orig_filenames orig_mime_types resp_filenames resp_mime_types",
		"ssl": "version cipher curve server_name resumed last_alert next_protocol established ssl_history cert_chain_fps client_cert_chain_fps sni_matches_cert",
		"x509": "fingerprint certificate.version certificate.serial certificate.subject certificate.issuer certificate.not_valid_before " +
			"certificate.not_valid_after certificate.key_alg certificate.sig_alg certificate.key_type certificate.key_length certificate.exponent " +
			"certificate.curve san.dns san.uri san.email san.ip basic_constraints.ca basic_constraints.path_len host_cert client_cert",
		"files": "source mime_type filename is_orig seen_bytes total_bytes missing_bytes overflow_bytes timedout md5 sha1 sha256",
		"smtp": "trans_depth helo mailfrom {}rcptto date from {}to {}cc reply_to msg_id in_reply_to subject x_originating_ip first_received " +
			"second_received last_reply path user_agent tls",
		"dhcp": "client_addr server_addr mac host_name client_fqdn domain requested_addr assigned_addr lease_time client_message server_message " +
			"msg_types duration circuit_id agent_remote_id subscriber_id",
		"ntp":       "version mode stratum poll precision root_delay root_disp ref_id ref_time org_time rec_time xmt_time num_exts",
		"socks":     "version user status request.host request.name request_p bound.host bound.name bound_p",
		"quic":      "version client_initial_dcid client_scid server_scid server_name client_protocol history",
		"websocket": "host uri user_agent subprotocol client_protocols server_extensions client_extensions",
		"ftp":       "user command arg mime_type file_size reply_code reply_msg data_channel.passive data_channel.orig_h data_channel.resp_h data_channel.resp_p",
	}
	return strings.Fields(columns[log])
}

// zeekItems reads a log in Zeek's own format, by Zeek or by Kagami, or columns that
// were cut from one, whose first line names them.
func zeekItems(name string, text []byte) []item {
	log := logOf(name)
	var columns []string
	var items []item
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		values := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#path"):
			log = values[len(values)-1]
		case strings.HasPrefix(line, "#fields"):
			columns = values[1:]
		case strings.HasPrefix(line, "#"), line == "":
		case columns == nil:
			columns = values
		default:
			z := zeekRow{columns: columns, values: values}
			if it := z.item(log); len(it.fields) > 0 && isComparedRow(log, it.fields) {
				it.where = fmt.Sprintf("line %d", number)
				items = append(items, it)
			}
		}
	}
	return items
}

// logOf is the log that a file's name tells of: "ssl-all.log", "manager.dhcp.log".
func logOf(name string) string {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		for _, log := range []string{part, strings.TrimRight(part, "0123456789"), "x509"} {
			if len(zeekColumns(log)) > 0 && strings.HasPrefix(part, log) {
				return log
			}
		}
	}
	return ""
}

type zeekRow struct{ columns, values []string }

// text is a column's value; it is not ok if the column is unset, not there, or a
// time that the tests blot out.
func (z *zeekRow) text(column string) (value string, ok bool) {
	i := slices.Index(z.columns, column)
	if i < 0 || i >= len(z.values) || z.values[i] == "-" || strings.HasPrefix(z.values[i], "XXXXXXXXXX.") {
		return "", false
	}
	if z.values[i] == "(empty)" {
		return "", true
	}
	return z.values[i], true
}

func (z *zeekRow) item(log string) item {
	it := item{kind: lineKind(log), flows: z.flows(), fields: make(map[string]string)}
	for _, column := range zeekColumns(log) {
		name, unordered := strings.CutPrefix(column, "{}")
		value, ok := z.text(name)
		if !ok {
			continue
		}
		if unordered {
			values := strings.Split(value, ",")
			if name == "service" {
				values = decodedServices(values)
			}
			if value = set(values); value == "" {
				continue
			}
		}
		it.fields[name] = zeekValue(log, name, value)
	}
	return it
}

// isComparedRow tells what is no row of Kagami's by intent: files inside files, of
// certificates and of SMB, and FTP commands that change nothing, which some tests
// log; logins are records of their own.
func isComparedRow(log string, fields map[string]string) bool {
	switch {
	case log == "files":
		return slices.Contains([]string{"", "HTTP", "SMTP", "FTP_DATA"}, fields["source"])
	case log == "ftp":
		return !slices.Contains([]string{"<init>", "USER", "PASS", "SYST"}, fields["command"])
	}
	return true
}

// zeekValue makes equal what Zeek's version or state decides, or names otherwise.
func zeekValue(log, column, value string) string {
	switch {
	case log == "conn" && column == "history":
		return strings.ReplaceAll(value, "X", "") // Zeek gave up one of its analyzers
	case column == "last_reply", column == "reply_msg":
		return strings.TrimSpace(value)
	case strings.HasSuffix(column, "mime_type"), strings.HasSuffix(column, "mime_types"):
		types := strings.Split(value, ",")
		for i := range types {
			types[i] = mimeClass(types[i])
		}
		return strings.Join(types, ",")
	}
	return value
}

// mimeClass is a media type by content. All kinds of text are one: Kagami takes the
// declared one, Zeek looks for marks of some.
func mimeClass(s string) string {
	switch {
	case s == "application/vnd.adobe.flash.movie":
		return "application/x-shockwave-flash"
	case s == "application/vnd.microsoft.portable-executable":
		return "application/x-dosexec"
	case strings.HasPrefix(s, "text/"), strings.HasSuffix(s, "json"), strings.HasSuffix(s, "javascript"), strings.HasSuffix(s, "xml"):
		return "text"
	}
	return s
}

// decodedServices are the services that Kagami decodes, of a set in conn.log.
func decodedServices(values []string) []string {
	return slices.DeleteFunc(values, func(s string) bool {
		switch s {
		case "dhcp", "dns", "ftp", "ftp-data", "http", "imap", "ntp", "pop3", "quic", "smtp", "socks", "ssl", "websocket":
			return false
		}
		return true
	})
}

// flows are the endpoints; a log need not say the transport. ICMP's type and code
// stand for ports.
func (z *zeekRow) flows() []flow {
	var ends [2]netip.AddrPort
	for i, side := range [...]string{"orig", "resp"} {
		address, _ := z.text("id." + side + "_h")
		port, _ := z.text("id." + side + "_p")
		end, ok := endpoint(address, port)
		if !ok {
			return nil
		}
		ends[i] = end
	}
	return []flow{newFlow("", ends[0], ends[1])}
}
