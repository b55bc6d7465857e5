package records

import (
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestTLSFields(t *testing.T) {
	r := NewTLS(wholeMeta(packet.ProtoTCP))
	r.Start, r.End = 100, 300
	r.ClientHello, r.ServerHello, r.HelloRetry, r.Established = true, true, true, true
	r.ClientRandom[31], r.HelloVerify, r.History, r.ESNI = 0xef, true, "Cs", true
	r.ServerName, r.ECH, r.SSLv2Hello, r.ClientALPN = "www.example.jp", &ECH{KDF: 1, AEAD: 2, ConfigID: 3, PayloadLen: 4}, true, []string{"h2"}
	r.ClientVersion, r.ClientVersions, r.Ciphers = "1.3", []string{"1.3", "1.2"}, []string{"TLS_AES_128_GCM_SHA256"}
	r.JA3, r.JA3Raw, r.JA4, r.JA3S = "j3", "raw", "j4", "j3s"
	r.Version, r.Cipher, r.Curve, r.ALPN, r.Resumed = "1.2", "TLS_AES_128_GCM_SHA256", "x25519", "h2", true
	c := &Certificate{Subject: "CN=a", Issuer: "CN=b", NotBefore: 1, NotAfter: 2, Serial: "0ABC", Names: []string{"a"}, SelfSigned: true, Malformed: true,
		Version: 3, KeyAlgorithm: "rsaEncryption", KeyBits: 2048, KeyExponent: "65537", KeyCurve: "none", SignatureAlgorithm: "sha256WithRSAEncryption", PathLen: -1}
	c.SHA1[19], c.SHA256[31] = 0xab, 0xcd
	r.Certificate, r.Chain, r.ClientCertificate = c, 2, c
	r.Intermediates, r.ClientIntermediates, r.ClientChain, r.ChainBytes = []*Certificate{{Subject: "CN=ca", PathLen: -1, BasicConstraints: true, CA: true}}, nil, 1, 900
	r.Resumption, r.TicketLifetime, r.DHBits, r.EarlyData, r.EarlyDataBytes = "ticket", 300, 2048, true, 7
	r.AlertFrom, r.LastAlert, r.LastAlertFrom = "client", "close_notify", "server"
	r.Alert, r.Via, r.Gap, r.Odd = "handshake_failure", "CONNECT", true, "not a TLS record"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	zeros := strings.Repeat("0", 38)
	sha1, sha256 := zeros+"AB", zeros+strings.Repeat("0", 24)+"CD"
	certificate := func(side string) []string {
		p := "tls." + side + "."
		return []string{p + "hash.sha1=" + sha1, p + "hash.sha256=" + sha256, p + "issuer=CN=b", p + "not_after=2", p + "not_before=1",
			p + "subject=CN=a", p + "x509.alternative_names=[a]", p + "x509.public_key_algorithm=rsaEncryption",
			p + "x509.public_key_curve=none", p + "x509.public_key_exponent=65537", p + "x509.public_key_size=2048", p + "x509.serial_number=0ABC",
			p + "x509.signature_algorithm=sha256WithRSAEncryption", p + "x509.version_number=3"}
	}
	want := slices.Concat([]string{"event.outcome=success", "event.duration=200", "destination.domain=www.example.jp",
		"related.hash=[j3 j3s j4 " + sha1 + " " + sha256 + "]", "related.hosts=[www.example.jp]", "tls.cipher=TLS_AES_128_GCM_SHA256"},
		certificate("client"),
		[]string{"tls.client.ja3=j3", "tls.client.server_name=www.example.jp", "tls.client.supported_ciphers=[TLS_AES_128_GCM_SHA256]",
			"tls.curve=x25519", "tls.established=1", "tls.next_protocol=h2", "tls.resumed=1"},
		certificate("server"),
		[]string{"tls.server.ja3s=j3s", "tls.version=1.2", "tls.version_protocol=tls",
			"kagami.tls.alert=handshake_failure", "kagami.tls.alert_from=client", "kagami.tls.chain_bytes=900", "kagami.tls.chain_length=2",
			"kagami.tls.client_alpn=[h2]", "kagami.tls.client_chain_length=1", "kagami.tls.client_random=" + strings.Repeat("00", 31) + "ef",
			"kagami.tls.client_version=1.3", "kagami.tls.client_versions=[1.3 1.2]", "kagami.tls.dh_bits=2048", "kagami.tls.early_data=1",
			"kagami.tls.early_data_bytes=7", "kagami.tls.ech=1", "kagami.tls.ech_aead=2", "kagami.tls.ech_config_id=3", "kagami.tls.ech_kdf=1",
			"kagami.tls.ech_payload_bytes=4", "kagami.tls.esni=1", "kagami.tls.gap=1", "kagami.tls.hello_retry=1", "kagami.tls.hello_verify=1",
			"kagami.tls.history=Cs", "[ kagami.tls.intermediates", "ca=1", "sha1=" + strings.Repeat("0", 40), "sha256=" + strings.Repeat("0", 64),
			"subject=CN=ca", "] kagami.tls.intermediates", "kagami.tls.ja4=j4", "kagami.tls.last_alert=close_notify", "kagami.tls.last_alert_from=server",
			"kagami.tls.malformed_certificate=1", "kagami.tls.name_matches_certificate=0", "kagami.tls.odd=not a TLS record",
			"kagami.tls.resumption=ticket", "kagami.tls.self_signed=1", "kagami.tls.sslv2_hello=1", "kagami.tls.ticket_lifetime=300", "kagami.tls.via=CONNECT"})
	got := lines(fields, "tls.", "kagami.tls", "related.ha", "related.hosts", "event.outcome", "event.duration", "destination.domain")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTLSFieldsOfAHalf(t *testing.T) {
	r := NewTLS(Meta{})
	r.ClientHello, r.Alert = true, "protocol_version"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.outcome=failure", "tls.established=0", "tls.resumed=0", "kagami.tls.alert=protocol_version"}
	if got := lines(fields, "tls.", "kagami.tls", "event.outcome", "destination.domain"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestTLSVersion(t *testing.T) {
	for in, want := range map[string][2]string{"1.3": {"1.3", "tls"}, "ssl3": {"3.0", "ssl"}, "ssl2": {"2.0", "ssl"}, "dtls1.2": {"1.2", "dtls"}} {
		if v, p := tlsVersion(in); v != want[0] || p != want[1] {
			t.Errorf("%q: %q %q", in, v, p)
		}
	}
}
