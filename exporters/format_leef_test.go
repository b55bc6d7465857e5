package exporters

import (
	"strings"
	"testing"

	"kagami/records"
)

func TestLEEFOfEveryKind(t *testing.T) {
	checkLines(t, "leef", []string{
		`LEEF:2.0|Kagami|Kagami|1.2|flow-end|^|devTime=1417824680903^cat=flow^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^end=1417824680903^src=192.168.100.5^dst=23.23.1.2^srcPort=58461^dstPort=443^proto=TCP^domain=www.example.com^application=tls^direction=outbound^srcBytes=1402^dstBytes=5320^srcPackets=9^dstPackets=8^totalPackets=17^duration=5003^action=Permit^srcZone=SHANAI^state=SF^endReason=fin`,
		`LEEF:2.0|Kagami|Kagami|1.2|dns-query|^|devTime=1417827835123^cat=dns^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417827835123^src=192.168.100.5^dst=10.0.0.53^srcPort=47197^dstPort=53^proto=UDP^domain=apt.example.com^application=dns^direction=external^query=apt.example.com^qtype=A^qclass=IN^flags=RD^transactionId=0`,
		`LEEF:2.0|Kagami|Kagami|1.2|dns-answer|^|devTime=1417827835126^cat=dns^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417827835126^src=192.168.100.5^dst=10.0.0.53^srcPort=47197^dstPort=53^proto=UDP^domain=apt.example.com^application=dns^direction=external^query=apt.example.com^qtype=A^qclass=IN^flags=RD^rcode=NOERROR^answers=x.example.com, 192.0.2.7^transactionId=4711^rttMicroseconds=2500`,
		`LEEF:2.0|Kagami|Kagami|1.2|http-request|^|devTime=0000000000000^cat=http^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1424251298638^end=1424251299090^src=192.168.1.10^dst=113.1.2.3^srcPort=40000^dstPort=80^proto=TCP^domain=apt.example.com^application=http^direction=external^url=http://apt.example.com/xxx/apt.zip^method=GET^status=200^dstBytes=74769^srcBytes=0^mime=application/zip-compressed`,
		`LEEF:2.0|Kagami|Kagami|1.2|tls-handshake|^|devTime=1417824675950^cat=tls^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^end=1417824675950^src=192.168.100.5^dst=23.23.1.2^srcPort=58461^dstPort=443^proto=TCP^domain=www.example.com^application=tls^direction=external^tlsVersion=1.2^cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256^ja3=6734f37431670b3ab4292b8f60f29984^ja3s=b653c251b0ee54c3088fe7bb3d997859^ja4=t13d0202h2_0123456789ab_0123456789ab^alpn=h2^established=true^subject=CN=www.example.com^issuer=CN=R3,O=Example^certificateSha256=0000000000000000000000000000000000000000000000000000000000000000`,
		`LEEF:2.0|Kagami|Kagami|1.2|mail-message|^|devTime=1417824675990^cat=mail^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^end=1417824675990^src=192.168.100.5^dst=192.0.2.25^srcPort=40000^dstPort=25^proto=TCP^usrName=a@example.jp^application=smtp^direction=external^mailFrom=a@example.jp^rcptTo=b@example.com,c@example.com^from=Aiko Mori <a@example.jp>^subject=見積 | a=b^messageId=<1@pc5>^contentType=multipart/mixed^helo=pc5^mailer=Mailer 1.0^attachment=見積.zip^fileHash=5e^status=250^reply=250 2.0.0 Ok: queued as 1E2891CA025`,
		`LEEF:2.0|Kagami|Kagami|1.2|file-received|^|devTime=1417824675970^cat=file^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^end=1417824675970^src=192.168.100.5^dst=23.23.1.2^srcPort=58461^dstPort=80^proto=TCP^domain=www.example.com^application=http^direction=external^url=http://www.example.com/a.exe^fileName=a.exe^fileId=0000000000000001-f1^fileSize=4096^mime=application/vnd.microsoft.portable-executable^declaredMime=text/plain^class=program^content=pe^mismatch=declared type^md5=d41d8cd98f00b204e9800998ecf8427e^sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709^sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855^complete=true`,
		`LEEF:2.0|Kagami|Kagami|1.2|dhcp-ack|^|devTime=1417827835123^cat=dhcp^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417827835123^src=0.0.0.0^dst=255.255.255.255^srcPort=68^dstPort=67^proto=UDP^application=dhcp^direction=external^messageType=ACK^transactionId=3735928559^clientMac=02:00:00:00:00:05^assignedAddress=192.168.100.5^serverAddress=192.168.100.1^leaseSeconds=3600^outcome=success`,
		`LEEF:2.0|Kagami|Kagami|1.2|quic-handshake|^|devTime=1417824675900^cat=quic^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=23.23.1.2^srcPort=58461^dstPort=443^proto=UDP^domain=www.example.com^application=quic^direction=external^quicVersion=2^ja3=6734f37431670b3ab4292b8f60f29984^ja4=q13d0202h3_0123456789ab_0123456789ab^alpn=h3^clientDcid=0102^established=true^history=ISishIH`,
		`LEEF:2.0|Kagami|Kagami|1.2|socks-request|^|devTime=1417824675900^cat=socks^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=192.168.100.9^srcPort=58461^dstPort=1080^proto=TCP^usrName=bob^application=socks^direction=external^socksVersion=5^command=connect^requestName=www.example.com^requestPort=443^socksStatus=succeeded^srcBytes=0^dstBytes=0`,
		`LEEF:2.0|Kagami|Kagami|1.2|websocket|^|devTime=1417824680900^cat=websocket^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^end=1417824680900^src=192.168.100.5^dst=23.23.1.2^srcPort=58461^dstPort=80^proto=TCP^domain=www.example.com^application=websocket^direction=external^url=http://www.example.com/chat^subprotocol=chat^extensions=permessage-deflate^srcBytes=100^dstBytes=200^srcFrames=3^dstFrames=4`,
		`LEEF:2.0|Kagami|Kagami|1.2|ftp-retr|^|devTime=1417824675900^cat=ftp^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=192.0.2.21^srcPort=40000^dstPort=21^proto=TCP^usrName=bob^application=ftp^direction=external^command=RETR^argument=a.txt^url=ftp://192.0.2.21/pub/a.txt^filePath=/pub/a.txt^fileName=a.txt^fileId=0000000000000001-f1^mime=text/plain^fileSize=100^status=226^reply=Transfer complete.^dataAddress=192.0.2.21^dataPort=60000^passive=true`,
		`LEEF:2.0|Kagami|Kagami|1.2|ntp-server|^|devTime=1417824675900^cat=ntp^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=192.0.2.123^srcPort=123^dstPort=123^proto=UDP^application=ntp^direction=external^ntpVersion=4^ntpMode=4^stratum=2^referenceId=0a:00:00:01`,
		`LEEF:2.0|Kagami|Kagami|1.2|ssdp-search|^|devTime=1417824675900^cat=ssdp^sev=1^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=239.255.255.250^srcPort=50000^dstPort=1900^proto=UDP^application=ssdp^direction=external^method=M-SEARCH^type=upnp:rootdevice`,
		`LEEF:2.0|Kagami|Kagami|1.2|login-failed|^|devTime=1417824675900^cat=auth^sev=3^sensor=sensor1^eventId=0000000000000001-0^start=1417824675900^src=192.168.100.5^dst=192.0.2.110^srcPort=40000^dstPort=110^proto=TCP^usrName=bob^application=pop3^direction=external^mechanism=USER^proof=password^outcome=failure^reply=-ERR no`,
		`LEEF:2.0|Kagami|Kagami|1.2|identity-changed|^|devTime=1417824675900^cat=identity^sev=1^sensor=sensor1^eventId=0000000000000001-0-i1^src=192.168.100.5^identSrc=192.168.100.5^identHostName=pc5^usrName=bob^what=name^old=pc4^new=pc5^toldBy=dhcp`,
		`LEEF:2.0|Kagami|Kagami|1.2|direct-egress|^|devTime=1417824675900^cat=alert^sev=9^sensor=sensor1^eventId=0000000000000001-0-a1^start=1417821075900^end=1417824675900^src=192.168.100.5^dst=23.23.1.2^dstPort=443^proto=TCP^identHostName=pc5^usrName=bob^domain=www.example.com^title=192.168.100.5 goes round the proxy^incident=00000000000000a1^update=2^level=high^evidence=12 connections; no proxy asked^chain=a page^benign=an update service^advice=find the program^technique=T1071^severityName=high^score=21.5`,
		`LEEF:2.0|Kagami|Kagami|1.2|sensor-stats|^|devTime=1417824720000^cat=stats^sev=1^sensor=sensor1^eventId=13ad2012255e2000-0^start=1417824660000^end=1417824720000^frames=1000^bytes=640000^dropped=10^flowsNew=40^flowsOpen=7^gaps=2`,
	})
}

// The two versions differ in header and delimiter; neither lets it into a value.
func TestLEEFVersions(t *testing.T) {
	r := httpRecord(t, func(r *records.HTTP) { r.UserAgent = "a^b\tc=d|e\n" })
	for _, c := range []struct {
		open       func(Env) Format
		head, want string
	}{
		{newLEEF, "LEEF:2.0|Kagami|Kagami|0|http-request|^|devTime=", "^userAgent=a%5Eb%09c=d|e%0A^"},
		{newLEEF1, "LEEF:1.0|Kagami|Kagami|0|http-request|devTime=", "\tuserAgent=a^b%09c=d|e%0A\t"},
	} {
		line := lineOf(t, c.open(Env{}), r)
		if !strings.HasPrefix(line, c.head) || !strings.Contains(line, c.want) {
			t.Errorf("no %q or %q in %q", c.head, c.want, line)
		}
	}
}

func TestLEEFHeader(t *testing.T) {
	r := alertRecord(t)
	r.Rule = "a|b"
	if line := lineOf(t, newLEEF(Env{Version: "1|2"}), r); !strings.HasPrefix(line, "LEEF:2.0|Kagami|Kagami|1%7C2|a%7Cb|^|") {
		t.Error(line)
	}
	r.Rule = ""
	if line := lineOf(t, newLEEF(Env{}), r); !strings.HasPrefix(line, "LEEF:2.0|Kagami|Kagami|0|alert|^|") {
		t.Error(line)
	}
}
