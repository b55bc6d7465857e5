package main

import (
	"context"
	"crypto/x509"
)

// tlsScene: OpenSSL's server and client, in the versions and with the ends that
// they agree on.
func tlsScene() scene {
	return scene{
		name:    "tls",
		needs:   []program{{"openssl", "openssl"}},
		hosts:   []host{{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}}, {"www1", []string{"10.4.0.80/24", "2001:db8:4::80/64"}}},
		setting: tlsSetting,
		play:    tlsPlay,
	}
}

func tlsSetting(ctx context.Context, s *stage) error {
	ca, err := s.authority()
	if err != nil {
		return err
	}
	own, err := s.issue(ca, 443, x509.ExtKeyUsageServerAuth, "portal.corp.example", "xn--wgv71a119e.example", "*.apps.corp.example", "10.4.0.80")
	if err != nil {
		return err
	}
	if _, err := s.issue(ca, 7, x509.ExtKeyUsageClientAuth, "hanako@corp.example"); err != nil {
		return err
	}
	for _, x := range []struct {
		port string
		args []string
	}{
		{"tcp 443", []string{"-rev"}},
		{"tcp 4431", []string{"-rev", "-tls1", "-cipher", "ALL:@SECLEVEL=0"}},
		{"tcp 4432", []string{"-rev", "-Verify", "1", "-verify_return_error", "-CAfile", ca.file}},
		{"tcp 4433", []string{"-rev", "-groups", "P-256"}},
		{"tcp 4434", []string{"-rev", "-tls1_2", "-no_ticket"}},
		{"udp 4435", []string{"-dtls1_2", "-listen", "-mtu", "1200"}},
	} {
		port := x.port[len("tcp "):]
		// s_server ends when its input does.
		args := append([]string{"-c", `sleep 1000 | exec openssl s_server "$@"`, port, "-accept", port, "-cert", own.cert, "-key", own.key, "-cert_chain", ca.file, "-alpn", "http/1.1"}, x.args...)
		if err := s.start(ctx, "www1", []string{x.port}, "sh", args...); err != nil {
			return err
		}
	}
	return nil
}

func tlsPlay(ctx context.Context, s *stage) error {
	const web = "10.4.0.80:443"
	name := []string{"-servername", "portal.corp.example"}
	for _, x := range []struct {
		status int
		at     string
		args   []string
	}{
		{0, web, []string{"-tls1_2", "-alpn", "h2,http/1.1", "-sess_out", "ticket"}},
		{0, web, []string{"-tls1_2", "-alpn", "h2,http/1.1", "-sess_in", "ticket"}},
		{0, web, []string{"-tls1_3", "-alpn", "h2,http/1.1", "-sess_out", "psk"}},
		{0, web, []string{"-tls1_3", "-alpn", "h2,http/1.1", "-sess_in", "psk"}},
		{0, "10.4.0.80:4434", []string{"-sess_out", "id"}},
		{0, "10.4.0.80:4434", []string{"-sess_in", "id"}},
		{0, "10.4.0.80:4433", []string{"-tls1_3", "-groups", "X25519:P-256"}}, // HelloRetryRequest
		{0, "10.4.0.80:4431", []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}},
		{0, "10.4.0.80:4432", []string{"-tls1_2", "-cert", "hanako@corp.example.pem", "-key", "hanako@corp.example.key"}},
		{1, "10.4.0.80:4432", []string{"-tls1_2"}},                                                       // no certificate: handshake_failure
		{1, web, []string{"-tls1_2", "-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore"}}, // unknown_ca
		{1, web, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}},                          // handshake_failure
		{1, web, []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}},                                      // protocol_version
		{0, "[2001:db8:4::80]:443", []string{"-noservername"}},
		{0, "10.4.0.80:4435", []string{"-dtls1_2", "-alpn", "http/1.1"}},
	} {
		args := append([]string{"-c", `printf 'hello\nCLOSE\n' | openssl s_client "$@"`, "s_client", "-connect", x.at}, x.args...)
		if x.args[0] != "-noservername" {
			args = append(args, name...)
		}
		if x.args[0] != "-dtls1_2" && x.status == 0 {
			args = append(args, "-ign_eof")
		}
		if err := s.ends(ctx, x.status, clients, "sh", args...); err != nil {
			return err
		}
	}
	return nil
}
