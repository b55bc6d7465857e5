package decoders

import (
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	ssdpSearch = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\nST: upnp:rootdevice\r\n" +
		"USER-AGENT: Google Chrome/120 Windows\r\nCPFN.UPNP.ORG: Keiri\r\n\r\n"
	ssdpNotify = "NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nCache-Control: no-cache, max-age = 1800\r\nLocation: http://10.0.0.9:80/d.xml\r\n" +
		"NT:upnp:rootdevice\r\nNTS: ssdp:alive\r\nServer:Linux/5 UPnP/1.1 MFP/2\r\nUSN: uuid:1-2::upnp:rootdevice\r\n\r\n"
	ssdpResponse = "HTTP/1.1 200 OK\r\nEXT:\r\nCACHE-CONTROL: max-age=120\r\nST: ssdp:all\r\nAL: http://10.0.0.9/\r\nUSN: uuid:1\r\n\r\n"
)

func TestSSDPMatch(t *testing.T) {
	for _, c := range []struct {
		msg  string
		want sensor.Match
	}{
		{ssdpSearch, sensor.FromClient},
		{ssdpNotify, sensor.FromClient},
		{ssdpResponse, sensor.FromServer},
		{"M-SEARCH * HTTP/1.0\n\n", sensor.FromClient},
		{"HTTP/1.0 404\r\n", sensor.FromServer},
		{"GET * HTTP/1.1\r\n\r\n", sensor.No},
		{"NOTIFY sip:a@b SIP/2.0\r\n", sensor.No},
		{"NOTIFY * HTTP/1.1", sensor.No},
		{"NOTIFY * HTTP/1.10\r\n", sensor.No},
		{"HTTP/1.1 abc OK\r\n", sensor.No},
		{"HTTP/1.1x200 OK\r\n", sensor.No},
		{"SIP/2.0 200 OK\r\n", sensor.No},
		{"", sensor.No},
	} {
		if got := matchSSDP(udpFlow(4000, 4001, 0), packet.FromA, []byte(c.msg)); got != c.want {
			t.Errorf("%q: got %v, want %v", c.msg, got, c.want)
		}
	}
	if got := matchSSDP(broadcastTo(udpFlow(1900, 1900, 0)), packet.FromA, []byte(ssdpResponse)); got != sensor.FromClient {
		t.Errorf("response to everybody: its sender stays the originator, got %v", got)
	}
}

func TestSSDPFields(t *testing.T) {
	for _, c := range []struct {
		name, msg string
		want      records.SSDP
	}{
		{"search", ssdpSearch, records.SSDP{Method: "M-SEARCH", Host: "239.255.255.250:1900", Man: "ssdp:discover", MaxWait: 3, MaxAge: -1,
			Type: "upnp:rootdevice", UserAgent: "Google Chrome/120 Windows", Name: "Keiri"}},
		{"announcement", ssdpNotify, records.SSDP{Method: "NOTIFY", Host: "239.255.255.250:1900", MaxWait: -1, MaxAge: 1800,
			Location: "http://10.0.0.9:80/d.xml", Type: "upnp:rootdevice", Event: "ssdp:alive", Server: "Linux/5 UPnP/1.1 MFP/2", USN: "uuid:1-2::upnp:rootdevice"}},
		{"response", ssdpResponse, records.SSDP{Status: 200, MaxWait: -1, MaxAge: 120, Type: "ssdp:all", Location: "http://10.0.0.9/", USN: "uuid:1"}},
		{"of two fields the first one counts", "NOTIFY * HTTP/1.1\nNT: a\nNT: b\n", records.SSDP{Method: "NOTIFY", Type: "a", MaxWait: -1, MaxAge: -1}},
		{"numbers that are none", "M-SEARCH * HTTP/1.1\nMX: -1\nCache-Control: max-age=x\n", records.SSDP{Method: "M-SEARCH", MaxWait: -1, MaxAge: -1}},
		{"a line that is none", "NOTIFY * HTTP/1.1\nwhat\nNT: a\n", records.SSDP{Method: "NOTIFY", Type: "a", MaxWait: -1, MaxAge: -1, Odd: "bad line"}},
		{"what follows the header section is not read", "NOTIFY * HTTP/1.1\r\nNT: a\r\n\r\nUSN: b\r\n", records.SSDP{Method: "NOTIFY", Type: "a", MaxWait: -1, MaxAge: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := datagrams[*records.SSDP](ssdpProtocol(), udpFlow(40000, 1900, 7), packet.FromA, []byte(c.msg))
			if len(out) != 1 {
				t.Fatalf("%d records", len(out))
			}
			got := *out[0]
			*c.want.Meta(), c.want.Time = *got.Meta(), 7
			if got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestSSDPIsBounded(t *testing.T) {
	for _, c := range []struct{ msg, odd string }{
		{"NOTIFY * HTTP/1.1\r\n" + strings.Repeat("x: y\r\n", ssdpMaxLines) + "NT: a\r\n", "too many lines"},
		{"NOTIFY * HTTP/1.1\r\nNT: " + strings.Repeat("a", ssdpMaxField+1) + "\r\n", "field too long"},
	} {
		r := datagrams[*records.SSDP](ssdpProtocol(), udpFlow(40000, 1900, 7), packet.FromA, []byte(c.msg))[0]
		if r.Odd != c.odd || len(r.Type) > ssdpMaxField || c.odd == "too many lines" && r.Type != "" {
			t.Errorf("odd %q, want %q; %d octets", r.Odd, c.odd, len(r.Type))
		}
	}
}

func FuzzSSDP(f *testing.F) {
	addDatagrams(f, 1900)
	f.Add([]byte(ssdpSearch))
	f.Add([]byte(ssdpNotify))
	f.Add([]byte(ssdpResponse))
	f.Fuzz(func(t *testing.T, b []byte) {
		flow := udpFlow(40000, 1900, 0)
		out := datagrams[*records.SSDP](ssdpProtocol(), flow, packet.FromA, b)
		if matched := matchSSDP(flow, packet.FromA, first(b)) != sensor.No; matched != (len(out) == 1) && len(b) <= sensor.MatchLimit {
			t.Fatalf("match %v, %d records", matched, len(out))
		}
		for _, r := range out {
			for _, s := range []string{r.Type, r.Event, r.USN, r.Location, r.Server, r.UserAgent, r.Name, r.Host, r.Man} {
				if len(s) > ssdpMaxField || strings.ContainsAny(s, "\n") {
					t.Fatalf("field %q", s)
				}
			}
			if r.MaxAge < -1 || r.MaxWait < -1 || len(r.AppendFields(nil)) == 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func BenchmarkSSDP(b *testing.B) {
	benchmarkDatagram(b, ssdpProtocol(), udpFlow(40000, 1900, 0), []byte(ssdpNotify))
}
