package exporters

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"kagami/packet"
	"kagami/records"
)

func TestCEFOfEveryKind(t *testing.T) {
	checkLines(t, "cef", []string{
		`CEF:0|Kagami|Kagami|1.2|flow-end|Network flow|1|rt=1417824680903 externalId=0000000000000001-0 dvchost=sensor1 cat=flow start=1417824675900 end=1417824680903 src=192.168.100.5 spt=58461 dst=23.23.1.2 dpt=443 dhost=www.example.com proto=TCP app=tls deviceDirection=1 in=1402 out=5320 act=Permit cn1=5003 cn1Label=Duration ms cn2=9 cn2Label=Packets in cn3=8 cn3Label=Packets out cs1=SF cs1Label=Connection state cs2=SHANAI cs2Label=Source zone cs5=fin cs5Label=End reason`,
		`CEF:0|Kagami|Kagami|1.2|dns-query|DNS query|1|rt=1417827835123 externalId=0000000000000001-0 dvchost=sensor1 cat=dns start=1417827835123 end=1417827835123 src=192.168.100.5 spt=47197 dst=10.0.0.53 dpt=53 proto=UDP app=dns destinationDnsDomain=apt.example.com cs1=apt.example.com cs1Label=Query name cs2=A cs2Label=Query type cs3=IN cs3Label=Query class cs4=RD cs4Label=Flags cn1=0 cn1Label=DNS id`,
		`CEF:0|Kagami|Kagami|1.2|dns-answer|DNS answer|1|rt=1417827835126 externalId=0000000000000001-0 dvchost=sensor1 cat=dns start=1417827835123 end=1417827835126 src=192.168.100.5 spt=47197 dst=10.0.0.53 dpt=53 proto=UDP app=dns destinationDnsDomain=apt.example.com reason=NOERROR cs1=apt.example.com cs1Label=Query name cs2=A cs2Label=Query type cs3=IN cs3Label=Query class cs4=RD cs4Label=Flags cs5=x.example.com, 192.0.2.7 cs5Label=Answers cn1=4711 cn1Label=DNS id cn2=2500 cn2Label=Round trip us`,
		`CEF:0|Kagami|Kagami|1.2|http-request|HTTP request|1|rt=0 externalId=0000000000000001-0 dvchost=sensor1 cat=http start=1424251298638 end=1424251299090 src=192.168.1.10 spt=40000 dst=113.1.2.3 dpt=80 dhost=apt.example.com proto=TCP app=http request=http://apt.example.com/xxx/apt.zip requestMethod=GET fileType=application/zip-compressed outcome=success in=0 out=74769 cn1=200 cn1Label=HTTP status`,
		`CEF:0|Kagami|Kagami|1.2|tls-handshake|TLS handshake|1|rt=1417824675950 externalId=0000000000000001-0 dvchost=sensor1 cat=tls start=1417824675900 end=1417824675950 src=192.168.100.5 spt=58461 dst=23.23.1.2 dpt=443 dhost=www.example.com proto=TCP app=tls outcome=success cs1=1.2 cs1Label=TLS version cs2=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 cs2Label=Cipher cs3=6734f37431670b3ab4292b8f60f29984 cs3Label=JA3 cs4=CN\=www.example.com cs4Label=Subject cs5=CN\=R3,O\=Example cs5Label=Issuer cs6=0000000000000000000000000000000000000000000000000000000000000000 cs6Label=Certificate SHA-256 flexString2=t13d0202h2_0123456789ab_0123456789ab flexString2Label=JA4`,
		`CEF:0|Kagami|Kagami|1.2|mail-message|Mail|1|rt=1417824675990 externalId=0000000000000001-0 dvchost=sensor1 cat=mail start=1417824675900 end=1417824675990 src=192.168.100.5 spt=40000 suser=a@example.jp dst=192.0.2.25 dpt=25 proto=TCP app=smtp duser=b@example.com,c@example.com msg=見積 | a\=b outcome=success reason=250 2.0.0 Ok: queued as 1E2891CA025 fname=見積.zip fileType=application/zip fsize=3000 fileHash=5e cs1=Aiko Mori <a@example.jp> cs1Label=From cs2=pc5 cs2Label=HELO cs3=multipart/mixed cs3Label=Content-Type cs4=見積.zip cs4Label=Attachments cs5=<1@pc5> cs5Label=Message-ID cs6=Mailer 1.0 cs6Label=X-Mailer cn1=250 cn1Label=Reply code`,
		`CEF:0|Kagami|Kagami|1.2|file-received|File received|1|rt=1417824675970 externalId=0000000000000001-0 dvchost=sensor1 cat=file start=1417824675900 end=1417824675970 src=192.168.100.5 spt=58461 dst=23.23.1.2 dpt=80 dhost=www.example.com proto=TCP app=http fname=a.exe fileId=0000000000000001-f1 fileType=application/vnd.microsoft.portable-executable fileHash=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 fsize=4096 request=http://www.example.com/a.exe cs1=program cs1Label=Class cs3=declared type cs3Label=Mismatch cs4=pe cs4Label=Content cs5=text/plain cs5Label=Declared type`,
		`CEF:0|Kagami|Kagami|1.2|dhcp-ack|DHCP message|1|rt=1417827835123 externalId=0000000000000001-0 dvchost=sensor1 cat=dhcp start=1417827835123 src=0.0.0.0 spt=68 dst=255.255.255.255 dpt=67 proto=UDP app=dhcp outcome=success cs1=ACK cs1Label=Message type cs2=02:00:00:00:00:05 cs2Label=Client MAC cs3=192.168.100.5 cs3Label=Assigned address cn1=3735928559 cn1Label=Transaction id cn2=3600 cn2Label=Lease time s`,
		`CEF:0|Kagami|Kagami|1.2|quic-handshake|QUIC handshake|1|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=quic start=1417824675900 src=192.168.100.5 spt=58461 dst=23.23.1.2 dpt=443 dhost=www.example.com proto=UDP app=quic outcome=success cs1=2 cs1Label=QUIC version cs2=ISishIH cs2Label=Packet history cs3=6734f37431670b3ab4292b8f60f29984 cs3Label=JA3 cs4=h3 cs4Label=ALPN cs5=0102 cs5Label=Client DCID flexString2=q13d0202h3_0123456789ab_0123456789ab flexString2Label=JA4`,
		`CEF:0|Kagami|Kagami|1.2|socks-request|SOCKS request|1|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=socks start=1417824675900 src=192.168.100.5 spt=58461 suser=bob dst=192.168.100.9 dpt=1080 proto=TCP app=socks outcome=success reason=succeeded act=connect destinationDnsDomain=www.example.com destinationTranslatedPort=443 in=0 out=0 cs1=5 cs1Label=SOCKS version`,
		`CEF:0|Kagami|Kagami|1.2|websocket|WebSocket connection|1|rt=1417824680900 externalId=0000000000000001-0 dvchost=sensor1 cat=websocket start=1417824675900 end=1417824680900 src=192.168.100.5 spt=58461 dst=23.23.1.2 dpt=80 dhost=www.example.com proto=TCP app=websocket request=http://www.example.com/chat in=100 out=200 cs1=chat cs1Label=Subprotocol cs2=permessage-deflate cs2Label=Extensions cn1=3 cn1Label=Frames in cn2=4 cn2Label=Frames out`,
		`CEF:0|Kagami|Kagami|1.2|ftp-retr|FTP command|1|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=ftp start=1417824675900 src=192.168.100.5 spt=40000 suser=bob dst=192.0.2.21 dpt=21 proto=TCP app=ftp act=RETR request=ftp://192.0.2.21/pub/a.txt msg=a.txt filePath=/pub/a.txt fname=a.txt fileType=text/plain fileId=0000000000000001-f1 fsize=100 outcome=success reason=Transfer complete. cn1=226 cn1Label=Reply code cs1=192.0.2.21 cs1Label=Data address cn2=60000 cn2Label=Data port`,
		`CEF:0|Kagami|Kagami|1.2|ntp-server|NTP message|1|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=ntp start=1417824675900 src=192.168.100.5 spt=123 dst=192.0.2.123 dpt=123 proto=UDP app=ntp cn1=4 cn1Label=NTP mode cn2=4 cn2Label=NTP version cn3=2 cn3Label=Stratum cs1=0a:00:00:01 cs1Label=Reference id`,
		`CEF:0|Kagami|Kagami|1.2|ssdp-search|SSDP message|1|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=ssdp start=1417824675900 src=192.168.100.5 spt=50000 dst=239.255.255.250 dpt=1900 proto=UDP app=ssdp requestMethod=M-SEARCH cs1=upnp:rootdevice cs1Label=Type`,
		`CEF:0|Kagami|Kagami|1.2|login-failed|Login failed|3|rt=1417824675900 externalId=0000000000000001-0 dvchost=sensor1 cat=auth start=1417824675900 src=192.168.100.5 spt=40000 dst=192.0.2.110 dpt=110 duser=bob proto=TCP app=pop3 outcome=failure reason=-ERR no cs1=USER cs1Label=Mechanism cs2=password cs2Label=Proof`,
		`CEF:0|Kagami|Kagami|1.2|identity-changed|Identity changed|1|rt=1417824675900 externalId=0000000000000001-0-i1 dvchost=sensor1 cat=identity src=192.168.100.5 shost=pc5 suser=bob cs1=name cs1Label=What cs2=pc4 cs2Label=Old value cs3=pc5 cs3Label=New value cs4=dhcp cs4Label=Told by`,
		`CEF:0|Kagami|Kagami|1.2|direct-egress|192.168.100.5 goes round the proxy|9|rt=1417824675900 externalId=0000000000000001-0-a1 dvchost=sensor1 cat=alert start=1417821075900 end=1417824675900 src=192.168.100.5 shost=pc5 suser=bob dst=23.23.1.2 dpt=443 dhost=www.example.com proto=TCP msg=12 connections; no proxy asked reason=192.168.100.5 goes round the proxy cs1=an update service cs1Label=May be benign cs2=T1071 cs2Label=ATT&CK technique cs5=00000000000000a1 cs5Label=Incident cs6=high cs6Label=Level cn1=0 cn1Label=Flows in the window cn2=0 cn2Label=One-sided flows cn3=0 cn3Label=Frames dropped cfp1=21.5 cfp1Label=Evidence in nats flexNumber1=2 flexNumber1Label=Update of the incident flexString1=find the program flexString1Label=What to do`,
		`CEF:0|Kagami|Kagami|1.2|sensor-stats|Sensor statistics|1|rt=1417824720000 externalId=13ad2012255e2000-0 dvchost=sensor1 cat=stats start=1417824660000 end=1417824720000 in=640000 cn1=1000 cn1Label=Frames received cn2=10 cn2Label=Frames dropped cn3=7 cn3Label=Flows open`,
	})
}

func TestCEFEscapes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`a\b=c|d`, `a\\b\=c|d`},
		{"line\r\nline", `line\r\nline`},
		{"tab\t\x00\x7f", "tab%09%00%7F"},
		{"あ\x83e\u2028\u0085", "あ%83e%E2%80%A8%C2%85"},
		{"100%", "100%"},
	} {
		p := pairs{sep: ' '}
		p.text(c.in, 1000)
		if got := string(p.b); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

// A value is cut before what does not fit whole: no half escape, no half rune.
func TestPairsCut(t *testing.T) {
	for _, leef := range []bool{false, true} {
		for _, in := range []string{strings.Repeat("a=", 40), strings.Repeat("\n", 40), strings.Repeat("あ", 40), strings.Repeat("\xff", 40), strings.Repeat("^", 40)} {
			for limit := range 20 {
				p := pairs{sep: '^', leef: leef}
				p.text(in, limit)
				whole := pairs{sep: '^', leef: leef}
				whole.text(in, 1000)
				if got := string(p.b); len(got) > limit || len(got) < limit-2 || !strings.HasPrefix(string(whole.b), got) || !utf8.ValidString(got) || strings.HasSuffix(got, `\`) || strings.Count(got, "%")*3 != len(got) && strings.Contains(got, "%") {
					t.Errorf("%q to %d: %q", in, limit, got)
				}
			}
		}
	}
}

func TestCEFHeader(t *testing.T) {
	r := alertRecord(t)
	r.Rule, r.Title = `a|b\c`, "x|y\nz"
	line := lineOf(t, newCEF(Env{Version: "1|2"}), r)
	if want := `CEF:0|Kagami|Kagami|1\|2|a\|b\\c|x\|y%0Az|9|`; !strings.HasPrefix(line, want) {
		t.Errorf("got  %s\nwant %s", line, want)
	}
}

func TestCEFIPv6(t *testing.T) {
	r := records.NewHTTP(between(packet.ProtoTCP, "[2001:db8::1]:40000", "[2001:db8::2]:80"))
	line := lineOf(t, newCEF(Env{}), r)
	for _, want := range []string{" c6a2=2001:db8::1 c6a2Label=Source IPv6 Address ", " c6a3=2001:db8::2 c6a3Label=Destination IPv6 Address "} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	if strings.Contains(line, "src=") || strings.Contains(line, "dst=") {
		t.Error(line)
	}
}

// CEF's numbers of octets have 32 bits.
func TestCEFVolume(t *testing.T) {
	r := flowRecord(t, func(r *records.Flow) { r.Orig.IPBytes, r.Resp.IPBytes = 1<<31, 1<<40 })
	line := lineOf(t, newCEF(Env{}), r)
	for _, want := range []string{" in=2147483647 flexNumber1=2147483648 flexNumber1Label=Bytes in ", " out=2147483647 flexNumber2=1099511627776 flexNumber2Label=Bytes out "} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}

// What the network told of the machines stands where the record says nothing.
func TestHostsInPairs(t *testing.T) {
	m := between(packet.ProtoTCP, "192.168.1.10:40000", "113.1.2.3:80")
	m.ClientHost = &records.Host{Name: records.Fact{Value: "pc5"}, User: records.Fact{Value: "bob"}}
	m.Resolved = &records.Resolved{Name: "www.example.com"}
	r := records.NewTLS(m)
	if line := lineOf(t, newCEF(Env{}), r); !strings.Contains(line, " shost=pc5 suser=bob dst=113.1.2.3 dpt=80 dhost=www.example.com ") {
		t.Error(line)
	}
	if line := lineOf(t, newLEEF(Env{}), r); !strings.Contains(line, "^identHostName=pc5^usrName=bob^domain=www.example.com^") {
		t.Error(line)
	}
	r.ServerName = "sni.example.com"
	if line := lineOf(t, newCEF(Env{}), r); !strings.Contains(line, " dhost=sni.example.com ") {
		t.Error(line)
	}
	m.ClientHost = nil
	m.Workstations = &records.Workstations{List: []records.Workstation{{Addr: netip.MustParseAddrPort("192.168.1.77:5000"), User: "dave"}}}
	f := records.NewFlow(m)
	if line := lineOf(t, newCEF(Env{}), f); !strings.Contains(line, " suser=dave ") || !strings.Contains(line, " flexString2=192.168.1.77 flexString2Label=Workstations ") {
		t.Error(line)
	}
	if line := lineOf(t, newLEEF(Env{}), f); !strings.Contains(line, "^usrName=dave^") || !strings.Contains(line, "^workstation=192.168.1.77^") {
		t.Error(line)
	}
	s := records.NewSOCKS(m)
	s.User, s.RequestAddr = "carol", netip.MustParseAddr("2001:db8::9")
	if line := lineOf(t, newCEF(Env{}), s); !strings.Contains(line, " suser=carol ") || !strings.Contains(line, " cs6=2001:db8::9 cs6Label=Requested address") {
		t.Error(line)
	}
}
