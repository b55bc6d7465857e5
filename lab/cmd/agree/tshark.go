package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// tsharkFields are asked of tshark. A prepared file may have other columns, and
// one called "capture" before them.
func tsharkFields() []string {
	return []string{"frame.number", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
		"http.request.method", "http.host", "http.request.uri", "http.user_agent", "http.response.code", "http.content_type",
		"http2.headers.method", "http2.headers.authority", "http2.headers.path", "http2.headers.status",
		"dns.id", "dns.flags.response", "dns.qry.name", "dns.qry.type", "dns.flags.rcode", "dns.a", "dns.aaaa",
		"nbns.id", "nbns.flags.response", "nbns.name",
		"tls.handshake.extensions_server_name", "tls.handshake.extensions_alpn_str", "tls.handshake.ja3",
		"dtls.handshake.extensions_server_name", "dtls.handshake.extensions_alpn_str", "dtls.handshake.ja3",
		"smtp.req.command", "smtp.req.parameter", "mime_multipart.header.content-disposition"}
}

// tsharkKinds are the kinds of which the columns name everything.
func tsharkKinds(columns []string) []kind {
	var some []kind
	for k, column := range map[kind]string{kindRequest: "http.request.method", kindResponse: "http.response.code", kindDNS: "dns.id", kindLocalDNS: "frame.protocols", kindNBNS: "nbns.id",
		kindTLS: "tls.handshake.ja3", kindQUIC: "tls.handshake.ja3", kindDTLS: "dtls.handshake.ja3"} {
		if slices.Contains(columns, column) {
			some = append(some, k)
		}
	}
	return some
}

// tsharkFilter picks the frames that have a message of a kind that is compared.
const tsharkFilter = "http.request.method || http.response.code || http2.headers.method || http2.headers.status || dns.id || nbns.id || " +
	"tls.handshake.ja3 || dtls.handshake.ja3 || smtp.req.command || mime_multipart.header.content-disposition"

// separator stands between the values of a field that occurs several times in
// a frame: a prepared file uses tshark's usual comma.
const (
	ownSeparator      = "\x1f"
	preparedSeparator = ","
)

// runTshark is what tshark sees in a capture.
func runTshark(ctx context.Context, program, capture string) ([]item, error) {
	args := []string{"-n", "-r", capture, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=" + ownSeparator,
		"-Y", tsharkFilter}
	for _, f := range tsharkFields() {
		args = append(args, "-e", f)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// It exits with 2 at a torn end, after what comes before it.
	if err := cmd.Run(); err != nil && stdout.Len() == 0 {
		message := strings.TrimSpace(stderr.String())
		return nil, fmt.Errorf("run tshark: %w: %s", err, message[strings.LastIndexByte(message, '\n')+1:])
	}
	var items []item
	for line := range strings.Lines(stdout.String()) {
		items = append(items, newFrame(tsharkFields(), line, ownSeparator).items()...)
	}
	return once(items), nil
}

// once leaves out the hellos of DTLS that come again in their flow: with the
// server's cookie, or because nothing was heard.
func once(items []item) []item {
	seen := make(map[string]bool)
	return slices.DeleteFunc(items, func(it item) bool {
		if it.kind != kindDTLS {
			return false
		}
		key := it.flows[0].String() + it.brief()
		again := seen[key]
		seen[key] = true
		return again
	})
}

// prepared are tshark's items by capture, read from a file, and the kinds of which
// they are all.
type prepared struct {
	items map[string][]item
	kinds []kind
}

// readPrepared reads tshark's fields of many captures; the first line names the
// columns, the first of which is the capture.
func readPrepared(path string) (prepared, error) {
	f, err := os.Open(path)
	if err != nil {
		return prepared{}, fmt.Errorf("open tshark's fields: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return prepared{}, fmt.Errorf("open %q: %w", path, err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	if !lines.Scan() {
		return prepared{}, fmt.Errorf("read %q: no line with the columns' names", path)
	}
	columns := strings.Split(lines.Text(), "\t")
	if columns[0] != "capture" || !slices.Contains(columns, "frame.number") {
		return prepared{}, fmt.Errorf("read %q: the first line is %.40q, want the columns capture, frame.number and so on", path, lines.Text())
	}
	columns = columns[1:]
	items := make(map[string][]item)
	for lines.Scan() {
		capture, rest, _ := strings.Cut(lines.Text(), "\t")
		items[capture] = append(items[capture], newFrame(columns, rest, preparedSeparator).items()...)
	}
	return prepared{items: items, kinds: tsharkKinds(columns)}, lines.Err()
}

// frame is what tshark says of one frame.
type frame struct {
	columns, values []string
	separator       string
}

func newFrame(columns []string, line, separator string) *frame {
	return &frame{columns: columns, values: strings.Split(strings.TrimRight(line, "\r\n"), "\t"), separator: separator}
}

func (f *frame) text(column string) string {
	if i := slices.Index(f.columns, column); i >= 0 && i < len(f.values) {
		return unescape(f.values[i])
	}
	return ""
}

func (f *frame) list(column string) []string {
	if s := f.text(column); s != "" {
		return strings.Split(s, f.separator)
	}
	return nil
}

// unescape undoes what tshark writes for characters that would break its lines;
// it leaves backslashes alone.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(s)
}

func (f *frame) items() []item {
	flows := f.flows()
	if len(flows) == 0 || f.isQuote() {
		return nil
	}
	var items []item
	udp := flows[0].transport == "udp"
	if !udp { // HTTP over UDP is SSDP
		items = append(items, f.requests()...)
		items = append(items, f.responses()...)
	}
	items = append(items, f.dns()...)
	items = append(items, f.nbns()...)
	if udp {
		quic := f.hellos(kindQUIC, "tls.")
		for i := range quic {
			if quic[i].fields["offered protocols"] == "" { // which QUIC demands (RFC 9001 section 8.1)
				quic[i].kind = kindUDP
			}
		}
		items = append(items, quic...)
		items = append(items, f.hellos(kindDTLS, "dtls.")...)
	} else {
		items = append(items, f.hellos(kindTLS, "tls.")...)
	}
	items = append(items, f.commands()...)
	items = append(items, f.parts()...)
	for i := range items {
		items[i].flows, items[i].where = flows, "frame "+f.text("frame.number")
	}
	return items
}

// flows are the endpoints, innermost first: a frame with a tunnel or a quoted
// datagram has several, and the columns do not say which belong together.
func (f *frame) flows() []flow {
	var flows []flow
	for _, ip := range []string{"ipv6", "ip"} {
		sources, targets := f.list(ip+".src"), f.list(ip+".dst")
		for i := min(len(sources), len(targets)) - 1; i >= 0; i-- {
			for _, transport := range []string{"tcp", "udp"} {
				from, to := f.list(transport+".srcport"), f.list(transport+".dstport")
				for j := min(len(from), len(to)) - 1; j >= 0; j-- {
					a, okA := endpoint(sources[i], from[j])
					b, okB := endpoint(targets[i], to[j])
					if okA && okB {
						flows = append(flows, newFlow(transport, a, b))
					}
				}
			}
		}
	}
	return flows
}

// isQuote tells whether the frame quotes a datagram instead of carrying it: the
// outer one, of ICMP, goes to where the inner one came from.
func (f *frame) isQuote() bool {
	if protocols := f.text("frame.protocols"); protocols != "" {
		return strings.Contains(protocols, ":icmp:ip") || strings.Contains(protocols, ":icmpv6:ipv6")
	}
	for _, ip := range []string{"ipv6", "ip"} {
		sources, targets := f.list(ip+".src"), f.list(ip+".dst")
		for i := 1; i < len(sources) && i <= len(targets); i++ {
			if sources[i] == targets[i-1] {
				return true
			}
		}
	}
	return false
}

// column says which field of an item a column of tshark's is.
type column struct{ field, name string }

func requestColumns() []column {
	return []column{{"method", "http.request.method"}, {"host", "http.host"}, {"uri", "http.request.uri"}, {"user agent", "http.user_agent"}}
}

// HTTP/2 has columns of its own.
func request2Columns() []column {
	return []column{{"method", "http2.headers.method"}, {"host", "http2.headers.authority"}, {"uri", "http2.headers.path"}}
}

func responseColumns() []column {
	return []column{{"status", "http.response.code"}, {"content type", "http.content_type"}}
}

func helloColumns(protocol string) []column {
	p := protocol + "handshake."
	return []column{{"ja3", p + "ja3"}, {"server name", p + "extensions_server_name"}, {"offered protocols", p + "extensions_alpn_str"}}
}

func dnsColumns() []column {
	return []column{{"id", "dns.id"}, {"sort", "dns.flags.response"}, {"name", "dns.qry.name"}, {"type", "dns.qry.type"},
		{"header rcode", "dns.flags.rcode"}, {"a of all sections", "dns.a"}, {"aaaa of all sections", "dns.aaaa"}}
}

// messages are those of one kind in the frame, one for each value of the first
// column. A field whose values cannot be told apart is not compared.
func (f *frame) messages(k kind, columns []column) []item {
	items := make([]item, len(f.list(columns[0].name)))
	for i := range items {
		items[i] = item{kind: k, fields: make(map[string]string)}
	}
	for _, c := range columns {
		values := f.list(c.name)
		for i := range items {
			switch {
			case len(items) == 1:
				items[i].fields[c.field] = strings.Join(values, ",")
			case len(values) == len(items):
				items[i].fields[c.field] = values[i]
			}
		}
	}
	return items
}

func (f *frame) requests() []item {
	items := append(f.messages(kindRequest, requestColumns()), f.messages(kindRequest, request2Columns())...)
	for i := range items {
		// tshark's host is the header's; where the target names one, that rules (RFC 9112 section 3.2.2).
		if uri, ok := items[i].fields["uri"]; !ok || !strings.HasPrefix(uri, "/") {
			delete(items[i].fields, "host")
		}
	}
	return items
}

func (f *frame) responses() []item {
	items := append(f.messages(kindResponse, responseColumns()), f.messages(kindResponse, []column{{"status", "http2.headers.status"}})...)
	for i := range items {
		if t, ok := items[i].fields["content type"]; ok {
			items[i].fields["content type"] = mediaType(t)
		}
	}
	return items
}

func (f *frame) hellos(k kind, protocol string) []item {
	items := f.messages(k, helloColumns(protocol))
	for i := range items {
		items[i].fields["client hello"] = "true"
	}
	return items
}

// dns are the frame's DNS messages, with the numbers turned into names.
func (f *frame) dns() []item {
	k := kindDNS
	if protocols := f.text("frame.protocols"); strings.Contains(protocols, ":mdns") || strings.Contains(protocols, ":llmnr") {
		k = kindLocalDNS
	}
	items := f.messages(k, dnsColumns())
	questions, types := f.list("dns.qry.name"), f.list("dns.qry.type")
	for i := range items {
		fields := items[i].fields
		fields["id"], fields["sort"] = decimal(fields["id"]), sortOf(fields["sort"])
		response := fields["sort"] == "answer"
		switch {
		case response && len(questions) == 0: // Kagami's record bears the query's
			delete(fields, "name")
			delete(fields, "type")
		case len(items) == 1 && len(questions) > 1 && len(types) == len(questions): // and of several the first
			fields["name"], fields["type"] = questions[0], types[0]
		}
		translate(fields, "name", tsharkName)
		translate(fields, "type", typeName)
		translate(fields, "header rcode", rcodeName)
		translate(fields, "a of all sections", canonicalAddresses)
		translate(fields, "aaaa of all sections", canonicalAddresses)
	}
	return items
}

func translate(fields map[string]string, name string, to func(string) string) {
	if s := fields[name]; s != "" {
		fields[name] = to(s)
	}
}

// canonicalAddresses writes addresses as RFC 5952 asks.
func canonicalAddresses(list string) string {
	parts := strings.Split(list, ",")
	for i, p := range parts {
		if a, err := netip.ParseAddr(p); err == nil {
			parts[i] = a.String()
		}
	}
	return strings.Join(parts, ",")
}

// nbns are the frame's messages of the NetBIOS name service.
func (f *frame) nbns() []item {
	items := f.messages(kindNBNS, []column{{"id", "nbns.id"}, {"sort", "nbns.flags.response"}, {"name", "nbns.name"}})
	names := f.list("nbns.name") // of the question, and of every record
	for i := range items {
		fields := items[i].fields
		fields["id"] = decimal(fields["id"])
		fields["sort"] = sortOf(fields["sort"])
		delete(fields, "name")
		if len(items) == 1 && len(names) > 0 {
			name, _, _ := strings.Cut(names[0], " (")                          // what the suffix means follows
			fields["name"] = legible(strings.ReplaceAll(name, "<00><00>", "")) // of the name "*"
		}
	}
	return items
}

// decimal is a number in tshark's hexadecimal.
func decimal(s string) string {
	if n, err := strconv.ParseUint(s, 0, 16); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return s
}

// sortOf is the sort of a message with the response flag.
func sortOf(flag string) string {
	if flag == "1" || flag == "True" {
		return "answer"
	}
	return "query"
}
