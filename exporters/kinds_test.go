package exporters

import (
	"net/netip"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// sample is one ordinary record of each kind, as a decoder would make it.
func sample(t *testing.T) []records.Record {
	t.Helper()
	return []records.Record{
		flowRecord(t, nil), dnsRecord(t, nil), dnsAnswer(t, nil), httpRecord(t, nil), tlsRecord(t), mailRecord(t), fileRecord(t), dhcpRecord(t, "ACK", true),
		quicRecord(t), socksRecord(t), webSocketRecord(t), ftpRecord(t), ntpRecord(t), ssdpRecord(t), authRecord(t), identityRecord(t), alertRecord(t), statsRecord(t), heartbeatRecord(t),
	}
}

func dnsAnswer(t *testing.T, change func(*records.DNS)) *records.DNS {
	return dnsRecord(t, func(r *records.DNS) {
		r.Response, r.Header, r.RCode, r.RTT = true, 0x8580, "NOERROR", 2500e3
		r.ID, r.TypeNo, r.ClassNo = 4711, 1, 1
		r.Time += r.RTT
		r.Meta().At = r.Time
		r.Answers = []records.Answer{{Name: "apt.example.com", Type: "CNAME", Class: "IN", TTL: 60, Data: "x.example.com"},
			{Name: "x.example.com", Type: "A", Class: "IN", TTL: 30, Data: "192.0.2.7"}}
		if change != nil {
			change(r)
		}
	})
}

func tlsRecord(t *testing.T) *records.TLS {
	r := records.NewTLS(between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:443"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.End = r.Start + 50e6
	r.Meta().At = r.End
	r.ClientHello, r.ServerHello, r.Established = true, true, true
	r.ServerName, r.Version, r.Cipher, r.Curve, r.ALPN = "www.example.com", "1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "x25519", "h2"
	r.ClientVersion, r.ClientALPN, r.ClientExtensions, r.SignatureSchemes = "1.3", []string{"h2", "http/1.1"}, []uint16{0, 16}, []uint16{1027}
	r.JA3, r.JA3Raw, r.JA3S, r.JA3SRaw = "6734f37431670b3ab4292b8f60f29984", "771,4865-49199,0-16,29,0", "b653c251b0ee54c3088fe7bb3d997859", "771,49199,16"
	r.JA4, r.ServerExtensions, r.History = "t13d0202h2_0123456789ab_0123456789ab", []uint16{16}, "CsxknGIti"
	r.Certificate = &records.Certificate{Version: 3, Subject: "CN=www.example.com", Issuer: "CN=R3,O=Example", Serial: "0A1B2C", NotBefore: at(t, "2014-01-01T00:00:00"), NotAfter: at(t, "2015-01-01T00:00:00"),
		Names: []string{"www.example.com"}, DNS: []string{"www.example.com"}, SignatureAlgorithm: "sha256WithRSAEncryption", KeyAlgorithm: "rsaEncryption", KeyType: "rsa", KeyBits: 2048, KeyExponent: "65537", BasicConstraints: true, PathLen: -1}
	r.Intermediates = []*records.Certificate{{Version: 3, Subject: "CN=R3,O=Example", Issuer: "CN=Root", BasicConstraints: true, CA: true, PathLen: 0, SHA256: [32]byte{1}}}
	r.Chain = 2
	return r
}

func mailRecord(t *testing.T) *records.Mail {
	r := records.NewMail(between(packet.ProtoTCP, "192.168.100.5:40000", "192.0.2.25:25"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.End = r.Start + 90e6
	r.Meta().At = r.End
	r.Protocol, r.State, r.Depth, r.Hello, r.Helo, r.Complete = "smtp", records.MailMessage, 1, "EHLO", "pc5", true
	r.Envelope = records.Envelope{Seen: true, From: "a@example.jp", Recipients: []records.Recipient{{Address: "b@example.com", Code: 250}, {Address: "c@example.com", Code: 250}}}
	r.Reply, r.Status, r.QueueID = "250 2.0.0 Ok: queued as 1E2891CA025", 250, "1E2891CA025"
	h := &r.Header
	h.From = []records.MailAddress{{Text: "Aiko Mori <a@example.jp>", Addr: "a@example.jp"}}
	h.To = []records.MailAddress{{Text: "b@example.com", Addr: "b@example.com"}, {Text: "C, D <c@example.com>", Addr: "c@example.com"}}
	h.Subject, h.Date, h.MessageID, h.XMailer, h.ContentType = "見積 | a=b", "Sat, 6 Dec 2014 09:11:15 +0900", "<1@pc5>", "Mailer 1.0", "multipart/mixed; boundary=x"
	h.Received = []string{"from pc5 ([192.0.2.9]) by mx"}
	r.URLs = []string{"http://e.example/"}
	r.Parts = []records.MailPart{{Type: "text/plain", Size: 12}, {Type: "application/zip", Name: "見積.zip", Disposition: "attachment", Size: 3000,
		File: records.FileRef{ID: "0000000000000001-f1", Name: "見積.zip", MIME: "application/zip"}, SHA256: "5e", MD5: "d4"}}
	return r
}

func fileRecord(t *testing.T) *records.File {
	r := new(records.File)
	r.Stamp(between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:80"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.End = r.Start + 70e6
	r.Meta().At = r.End
	r.ID, r.Source, r.Depth, r.URL, r.Host = "0000000000000001-f1", "http", 2, "http://www.example.com/a.exe", "www.example.com"
	r.Name, r.DeclaredType, r.MIME, r.Magic, r.Class = "a.exe", "text/plain", "application/vnd.microsoft.portable-executable", "pe", "program"
	r.Mismatch, r.Size, r.Seen, r.Complete = []string{"declared type"}, 4096, 4096, true
	r.MD5, r.SHA1, r.SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	return r
}

func dhcpRecord(t *testing.T, typ string, response bool) *records.DHCP {
	r := records.NewDHCP(between(packet.ProtoUDP, "0.0.0.0:68", "255.255.255.255:67"))
	r.Time = at(t, "2014-12-06T01:03:55.123999")
	r.Meta().At = r.Time
	r.Version, r.Type, r.XID, r.MAC, r.Response = 4, typ, 0xdeadbeef, [6]byte{2, 0, 0, 0, 0, 5}, response
	if response {
		r.AssignedIP, r.ServerIP, r.LeaseTime = netip.MustParseAddr("192.168.100.5"), netip.MustParseAddr("192.168.100.1"), 3600
		r.Routers, r.SubnetMask = []netip.Addr{netip.MustParseAddr("192.168.100.1")}, netip.MustParseAddr("255.255.255.0")
	} else {
		r.HostName, r.VendorClass, r.Parameters, r.ClientID = "pc5", "MSFT 5.0", []uint16{1, 3, 252}, "\x01\x02\x00\x00\x00\x00\x05"
	}
	return r
}

func quicRecord(t *testing.T) *records.QUIC {
	r := records.NewQUIC(between(packet.ProtoUDP, "192.168.100.5:58461", "23.23.1.2:443"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Start
	r.Version, r.VersionNumber, r.ClientDCID, r.ClientSeen, r.ServerSCID, r.ServerSeen = "2", 0x6b3343cf, "0102", true, "a0a1", true
	r.ServerName, r.ClientALPN, r.JA3, r.JA4, r.History, r.Established = "www.example.com", []string{"h3"}, "6734f37431670b3ab4292b8f60f29984", "q13d0202h3_0123456789ab_0123456789ab", "ISishIH", true
	return r
}

func socksRecord(t *testing.T) *records.SOCKS {
	r := records.NewSOCKS(between(packet.ProtoTCP, "192.168.100.5:58461", "192.168.100.9:1080"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Start
	r.Version, r.Command, r.User, r.Status = "5", "connect", "bob", "succeeded"
	r.RequestName, r.RequestPort, r.BoundAddr, r.BoundPort = "www.example.com", 443, netip.MustParseAddr("0.0.0.0"), 443
	return r
}

func webSocketRecord(t *testing.T) *records.WebSocket {
	r := records.NewWebSocket(between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:80"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.End, r.Meta().At = r.Start+5e9, r.Start+5e9
	r.Host, r.URI, r.URL, r.Subprotocol, r.ClientProtocols = "www.example.com:80", "/chat", "http://www.example.com/chat", "chat", []string{"chat", "superchat"}
	r.ServerExtensions, r.Client, r.Server = []string{"permessage-deflate"}, records.WebSocketSide{Frames: 3, Text: 2, Bytes: 100}, records.WebSocketSide{Frames: 4, Bytes: 200}
	return r
}

func ftpRecord(t *testing.T) *records.FTP {
	r := new(records.FTP)
	r.Stamp(between(packet.ProtoTCP, "192.168.100.5:40000", "192.0.2.21:21"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Start
	r.User, r.Command, r.Argument, r.Path, r.URL = "bob", "RETR", "a.txt", "/pub/a.txt", "ftp://192.0.2.21/pub/a.txt"
	r.Code, r.Reply, r.Passive, r.Data, r.Size = 226, "Transfer complete.", true, netip.MustParseAddrPort("192.0.2.21:60000"), 100
	r.File = records.FileRef{ID: "0000000000000001-f1", Name: "a.txt", MIME: "text/plain"}
	return r
}

func ntpRecord(t *testing.T) *records.NTP {
	r := records.NewNTP(between(packet.ProtoUDP, "192.168.100.5:123", "192.0.2.123:123"))
	r.Time = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Time
	r.Version, r.Mode, r.Stratum, r.Poll, r.Precision, r.RefID = 4, 4, 2, 6, -20, [4]byte{10, 0, 0, 1}
	r.RootDelay, r.RefTime, r.OrgTime, r.RecTime, r.XmtTime = 15e6, r.Time-60e9, r.Time-1e6, r.Time-5e5, r.Time-4e5
	return r
}

func ssdpRecord(t *testing.T) *records.SSDP {
	r := records.NewSSDP(between(packet.ProtoUDP, "192.168.100.5:50000", "239.255.255.250:1900"))
	r.Time = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Time
	r.Method, r.Type, r.Man, r.MaxWait, r.Host = "M-SEARCH", "upnp:rootdevice", "ssdp:discover", 3, "239.255.255.250:1900"
	return r
}

func authRecord(t *testing.T) *records.Auth {
	r := records.NewAuth(between(packet.ProtoTCP, "192.168.100.5:40000", "192.0.2.110:110"))
	r.Start = at(t, "2014-12-06T00:11:15.9")
	r.Meta().At = r.Start
	r.Protocol, r.Mechanism, r.Method, r.User, r.Result, r.Reply = "pop3", "USER", records.AuthPassword, "bob", records.AuthFailure, "-ERR no"
	return r
}

func identityRecord(t *testing.T) *records.Identity {
	r := records.NewIdentity(between(packet.ProtoUDP, "192.168.100.5:68", "192.168.100.1:67"), 1)
	r.Meta().At = at(t, "2014-12-06T00:11:15.9")
	r.Addr, r.What, r.Old, r.New, r.Source = netip.MustParseAddr("192.168.100.5"), "name", "pc4", "pc5", "dhcp"
	r.Host = &records.Host{Name: records.Fact{Value: "pc5", Source: "dhcp"}, User: records.Fact{Value: "bob"}}
	return r
}

func alertRecord(t *testing.T) *records.Alert {
	m := between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:443")
	m.Sub = 1
	r := records.NewAlert(m)
	r.Until = at(t, "2014-12-06T00:11:15.9")
	r.Since, r.Meta().At = r.Until-3600e9, r.Until
	r.Rule, r.Title, r.Severity, r.Score = "direct-egress", "192.168.100.5 goes round the proxy", records.High, 21.5
	r.Source, r.Destination, r.DestAddr, r.DestPort = netip.MustParseAddr("192.168.100.5"), "www.example.com:443", netip.MustParseAddr("23.23.1.2"), 443
	r.Evidence, r.Technique, r.Benign, r.Advice = []string{"12 connections", "no proxy asked"}, []string{"T1071"}, "an update service", "find the program"
	r.Meta().ClientHost = &records.Host{Name: records.Fact{Value: "pc5"}, User: records.Fact{Value: "bob"}}
	r.Incident, r.Update, r.Level, r.Chain = "00000000000000a1", 2, "high", []string{"a page"}
	return r
}

func statsRecord(t *testing.T) *records.Stats {
	r := records.NewStats(records.Meta{At: at(t, "2014-12-06T00:12:00")})
	r.Start, r.Frames, r.Dropped, r.Bytes, r.FlowsNew, r.FlowsOpen, r.Gaps = r.End-60e9, 1000, 10, 640000, 40, 7, 2
	return r
}

// TestEventIDs: what CEF and LEEF call an event is what ECS calls it (refusals apart:
// TestRefusalsHaveIDs), and its id too.
func TestEventIDs(t *testing.T) {
	for _, r := range sample(t) {
		if a, ok := r.(*records.Auth); ok {
			a.Result = records.AuthSuccess
		}
		var action, id string
		for _, f := range records.Plain(r.AppendFields(nil)) {
			switch f.Name {
			case "event.action":
				action = f.Str
			case "event.id":
				id = f.Str
			}
		}
		if got, _ := eventOf(r); got != action {
			t.Errorf("%T: got action %q, want %q", r, got, action)
		}
		if got := r.Meta().ID(); got != id {
			t.Errorf("%T: got id %q, want %q", r, got, id)
		}
	}
}

// checkLines compares the lines of the samples; those of a format of files begin
// with the log's name.
func checkLines(t *testing.T, format string, want []string) {
	t.Helper()
	c := Config{Format: format}
	e, err := c.format()
	if err != nil {
		t.Fatal(err)
	}
	f := e.open(Env{Location: tokyo, HostName: "sensor1", Version: "1.2"})
	var got []string
	for _, l := range allLines(f, sample(t)...) {
		text := string(l.Text)
		if e.logs == logFiles {
			text = l.Log + "\t" + text
		}
		got = append(got, text)
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d:\ngot  %s\nwant %s", i+1, g, w)
		}
	}
}
