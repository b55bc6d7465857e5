package query

import (
	"errors"
	"strings"
	"testing"
)

// TestErrors: each says where, what was wanted, and where possible what to write
// instead, in one line.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		col  int
		says string // all of the parts between …
	}{
		{"", 1, "is empty; for everything write all"},
		{"  ", 3, "is empty"},
		{"host", 5, "host wants an address, a network or a name, found the end"},
		{"client and port 80", 8, `found "and"; a host of that name is written in double quotes`},
		{"server )", 8, `found ")"`},
		{"10.0.0.7 and", 13, "the query ends here; want an atom"},
		{"or port 80", 1, `unexpected "or"`},
		{"port 80 or or port 81", 12, `unexpected "or"`},
		{"()", 2, `unmatched ")"`},
		{"(a.b or c.d", 1, `"(" is not closed`},
		{"a.b)", 4, `unmatched ")"`},
		{"(a.b > 3)", 6, `unexpected ">"; comparisons are for bytes only`},
		{"a.b, c.d", 4, "lists are for port, proto and vlan"},
		{"a.b & c.d", 5, "unexpected '&'; and is also written &&"},
		{"a.b | c.d", 5, "unexpected '|'"},
		{`host "a`, 6, "the quote is not closed"},
		{`host "a\b"`, 9, "behind a backslash"},
		{"host \"a\tb\"", 8, `unexpected character "\t" inside quotes`},
		{"host a\x00b", 7, `unexpected character "\x00"`},
		{"höst a\xffb", 7, "unexpected character"},

		// Near misses.
		{"clent 10.0.0.7", 1, `unknown word "clent"; did you mean client?`},
		{"PROT tcp", 1, "did you mean proto?"},
		{"last 2h hots 10.0.0.7", 9, "did you mean host?"},
		{"last 2h laptop", 9, "for a host of that name write host laptop"},
		{"port http", 6, "port wants numbers from 0 to 65535 or ranges such as 8000-8099, found \"http\""},
		{"port 80,", 9, "found the end"},
		{"port 80-", 6, `found "80-"`},
		{"port +80", 6, `found "+80"`},
		{"port 65536", 6, "from 0 to 65535"},
		{"port 90-80", 6, `range "90-80" ends before it begins`},
		{"vlan 0", 6, "from 1 to 4094"},
		{"proto http", 7, "for HTTP write port 80,8080"},
		{"proto ip6", 7, "for IPv6 write net ::/0"},
		{"proto 256", 7, "a number from 0 to 255"},
		{`proto "tcp"`, 7, "proto wants tcp"},
		{"net 10.0.0.7", 5, "is an address; write host 10.0.0.7, or net 10.0.0.7/32"},
		{"net evil.example", 5, "net wants a network such as 10.0.0.0/8"},
		{"net 10.0.0.0/33", 5, "net wants a network"},
		{"10.0.0.0/33", 1, "is no network"},
		{"host 10.0.0", 6, "is no whole IPv4 address"},
		{"host 10.0.0.256", 6, "is no whole IPv4 address"},
		{"host fe80::1%eth0", 6, "has a zone"},
		{"10.0.0.1:80", 1, "write host 10.0.0.1 and port N"},
		{"[2001:db8::1]:80", 1, "has brackets"},
		{"host 1:2", 6, "is neither an address nor a name"},
		{"https://evil.example/a", 1, "is a URL; write its host only"},
		{"*.evil.example", 1, "write evil.example"},
		{"host bob@evil.example", 6, "is a mail address"},
		{"host a..b", 6, "has an empty label"},
		{"host .", 6, "is no name"},
		{`host ""`, 6, "is no name"},
		{"host b$d", 6, "write it in double quotes"},
		{"host " + strings.Repeat("a", 256), 6, "longer than 255 octets"},
		{"host -ü.example", 6, "is no internationalized name"},
		{"flow", 5, "flow wants a Community ID such as 1:"},
		{"flow 2:wCb3OG7yAFWelaUydu0D+125CLM=", 6, "flow wants a Community ID"},
		{"flow 00112233aabbccdd", 6, "its network.community_id can"},
		{"alert", 6, "alert wants the id of an alert, found the end"},
		{"case or case", 6, "case wants the name of a case"},
		{"case " + strings.Repeat("é", 128), 6, "longer than 255 octets"},
		{"bytes 5", 7, "bytes wants >, >=, < or <= and a number"},
		{"bytes = 5", 7, "bytes wants >"},
		{"bytes > 5t", 9, "with k, m or g behind it"},
		{"bytes > 99999999999g", 9, "with k, m or g behind it"},
		{"mac 00:11:22:33:44:55", 1, "Ethernet addresses are not indexed"},

		// Times.
		{"from", 5, "from wants a time such as 2026-06-01T08:15, found the end"},
		{"from 2026", 6, "is no time"},
		{"from 2026-13-01", 6, "is no time"},
		{"from 1969-01-01", 6, "outside the years 1971 to 2261"},
		{"from 99999999999", 6, "outside the years"},
		{"from 2026-06-01 to +101w+", 20, "is no duration"},
		{"from 2026-06-01 to +90000d", 20, "longer than a hundred years"},
		{"from 2026-06-01 to +900000h900000h900000h", 20, "longer than a hundred years"},
		{"last", 5, "last wants a duration such as 15m, 2h or 1d, found the end"},
		{"last 2", 6, "want numbers with s, m, h, d or w"},
		{"last h", 6, "is no duration"},
		{"last 2y", 6, "is no duration"},
		{"last 0s", 6, "is no time at all"},
		{"last 99d to 1h", 13, "is no time; want"},
		{"to +15m", 4, "add from or last"},
		{"from 08:00 to 08:00", 15, "from 2026-06-01T08:00:00Z is not before to 2026-06-01T08:00:00Z; to is exclusive"},
		{"from 23:00 to 01:00", 15, "is not before"},
		{"from 08:00 from 09:00", 12, "from is given twice"},
		{"last 1h from 09:00", 9, "last and from both say where to begin"},
		{"last 2h client a.b or client c.d", 1, "cannot stand in an alternative; write last … and (… or …)"},
		{"client a.b or last 2h", 15, "cannot stand in an alternative"},
		{"(last 2h and a.b)", 2, "write it outside parentheses, without not, joined by and"},
		{"not last 2h", 5, "write it outside parentheses"},

		// Filters of other programs.
		{"tcp port 80", 1, "write proto tcp and port 80, or --bpf"},
		{"last 2h and udp", 13, "write proto udp, or --bpf"},
		{"src host 10.0.0.7", 1, "write client 10.0.0.7 or server 10.0.0.7, or for packets --bpf 'src host 10.0.0.7'"},
		{"src 10.0.0.7", 1, "write client 10.0.0.7"},
		{"dst port 80,443", 1, "write port 80,443, or for packets --bpf 'dst port 80,443'"},
		{"portrange 1-2", 1, "write port 1-2"},
		{"ether host 00:11:22:33:44:55", 1, "for packets --bpf 'ether host 00:11:22:33:44:55'"},
		{"tcp[13] = 4", 1, "--bpf 'tcp[13] = 4'"},
		{"ip6", 1, "write net ::/0"},
		{"ip.addr == 10.0.0.7", 1, "a Wireshark display filter does not work here"},

		// Limits.
		{strings.Repeat("(", 65) + "all" + strings.Repeat(")", 65), 65, "nested more than 64 deep"},
		{strings.Repeat("not ", 70) + "all", 257, "nested more than 64 deep"},
		{"host " + strings.Repeat("a", 4096), 1, "longer than 4096 octets"},
		{strings.Repeat(":: ", 1000), 1, "longer than 4096 octets when written out in full"},
	} {
		_, err := Parse(tt.text, Options{Now: noon()})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: error %v", tt.text, err)
			continue
		}
		if e.Col != tt.col || !strings.Contains(e.Msg, tt.says) || strings.ContainsAny(e.Error(), "\n\r\t") {
			t.Errorf("%q: %v\nwant col %d: …%s…", tt.text, err, tt.col, tt.says)
		}
	}
}

// TestNoPresent: without Now only what needs it fails.
func TestNoPresent(t *testing.T) {
	for text, says := range map[string]string{
		"last 2h":    "last needs to know the time; write from and to",
		"from 08:15": "needs a date here, as in 2026-06-01T08:15",
	} {
		if _, err := Parse(text, Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if q, err := Parse("from 2026-06-01", Options{}); err != nil || q.String() != "from 2026-06-01T00:00:00Z" {
		t.Errorf("a date: %v, %v", q, err)
	}
}
