package exporters

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"kagami/records"
)

var shapes = map[string]*regexp.Regexp{
	"squid":          regexp.MustCompile(`^-?\d+\.\d{3} +\d+ [0-9a-f.:]+ [A-Z_]+/\d{3} -?\d+ \S+ \S+ \S+ HIER_(DIRECT/[0-9a-f.:]+|NONE/-) \S+$`),
	"squid-combined": regexp.MustCompile(`^[0-9a-f.:]+ - [^\s"]+ \[[^\]]+\] "[^\s"]+ [^\s"]+ HTTP/[0-9.]+" \d+ -?\d+ "[^"\\]*" "[^"\\]*" [A-Z_]+:HIER_(DIRECT|NONE)$`),
	"netscreen": regexp.MustCompile(`^\w{3} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ (\w+): NetScreen device_id=\w+ \[Root\]system-notification-00257\(traffic\): start_time="[^"]+" duration=\d+ policy_id=\d service=\S+ proto=\d+ ` +
		`src zone=\w+ dst zone=\w+ action=(Permit|Deny) sent=\d+ rcvd=\d+ src=[0-9a-f.:]+ dst=[0-9a-f.:]+ src_port=\d+ dst_port=\d+( src-xlated ip=\S+ port=\d+ dst-xlated ip=\S+ port=\d+)? session_id=0( reason=Close - [A-Z ]+)?$`),
	"bind": regexp.MustCompile(`^\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\.\d{3} queries: info: client [0-9a-f.:]+#\d+ \((\S+)\): query: (\S+) (IN|CH|HS|ANY) \w+ [+-]S?(E\(\d+\))?T?D?C?[KV]? \([0-9a-f.:]+\)( \[ECS [0-9a-fA-F.:/_]+\])?$`),
	"ecs":  regexp.MustCompile(`^\{.*\}$`),
}

// FuzzLines: whatever the wire puts into a record's strings, every format makes
// exactly one line of it, of its own shape, and ECS gives the strings back.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "-", "a b", "\n", "\r\n1424251299.090 evil", `"`, `\`, `\"`, "あ", "\x83e", "\u2028\u2029\u0085", "\x00\x7f\xff",
		"http://[::1]/%zz", "/x", "*", "IN", "QUERY", "CONNECT", strings.Repeat("\xe3\x81", 100)} {
		f.Add(s, s, uint16(0xffff), uint8(6))
	}
	f.Fuzz(func(t *testing.T, a, b string, bits uint16, proto uint8) {
		m := between(proto, "192.168.100.5:58461", "23.23.1.2:443")
		m.At, m.ClientZone, m.ServerZone, m.CommunityID = int64(bits)*1e15, a, b, a
		http, flow, dns, tls, alert := records.NewHTTP(m), records.NewFlow(m), records.NewDNS(m), records.NewTLS(m), records.NewAlert(m)
		tls.Certificate = new(records.Certificate)
		all := []records.Record{http, flow, dns, tls, alert}
		for i, r := range all {
			fill(reflect.ValueOf(r).Elem(), []string{a, b}, bits, i)
		}
		dns.Protocol, dns.Opcode, dns.Class, dns.Response, dns.Questions = "dns", "QUERY", "IN", false, 1
		http.RequestSeen = true
		if bits&1 != 0 {
			flow.Service, flow.Tunnel, flow.Resp.Packets = "tls", "", 1
			http.Method = "CONNECT"
		}
		for _, e := range formats {
			if shapes[e.name] == nil { // FuzzRecords has those
				continue
			}
			format := e.open(Env{Location: tokyo, HostName: a, Device: b})
			for _, r := range all {
				line, ok := format.Append(nil, r)
				if !ok {
					if len(line) != 0 {
						t.Fatalf("%s: refused, and yet wrote %q", e.name, line)
					}
					continue
				}
				checkLine(t, e.name, string(line))
				if e.name == "ecs" {
					checkECS(t, string(line), r)
				}
			}
		}
	})
}

func checkLine(t *testing.T, name, line string) {
	t.Helper()
	if !utf8.ValidString(line) {
		t.Fatalf("%s: not UTF-8: %q", name, line)
	}
	for _, r := range line {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%s: control character %U in %q", name, r, line)
		}
	}
	if !shapes[name].MatchString(line) {
		t.Fatalf("%s: not its shape: %q", name, line)
	}
	if name != "ecs" && len(line) > 8191 {
		t.Fatalf("%s: %d octets", name, len(line))
	}
}

// fill sets every exported field of a struct and of those within it, strings in
// turn to those given.
func fill(v reflect.Value, s []string, bits uint16, n int) {
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() {
			fillValue(f, s, bits, i+n)
		}
	}
}

func fillValue(f reflect.Value, s []string, bits uint16, n int) {
	switch f.Type() {
	case reflect.TypeFor[netip.Addr]():
		addrs := []string{"2001:db8::1", "192.0.2.1"}
		f.Set(reflect.ValueOf(netip.MustParseAddr(addrs[n%2])))
		return
	case reflect.TypeFor[netip.AddrPort]():
		f.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.1:443")))
		return
	case reflect.TypeFor[netip.Prefix]():
		f.Set(reflect.ValueOf(netip.MustParsePrefix("2001:db8::/64")))
		return
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(s[n%len(s)])
	case reflect.Bool:
		f.SetBool(bits>>(n%16)&1 != 0)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16:
		f.SetInt(int64(bits))
	case reflect.Int8:
		f.SetInt(int64(int8(bits)))
	case reflect.Uint8:
		f.SetUint(uint64(bits % 3)) // every enumeration has three values or more
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.SetUint(uint64(bits))
	case reflect.Float64:
		f.SetFloat(float64(bits) / 3)
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		fill(f.Elem(), s, bits, n)
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		for j := range 2 {
			fillValue(f.Index(j), s, bits, n+j)
		}
	case reflect.Array:
		for j := range f.Len() {
			fillValue(f.Index(j), s, bits, n+j)
		}
	case reflect.Struct:
		fill(f, s, bits, n)
	}
}
