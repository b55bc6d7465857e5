package main

import (
	"context"
	"crypto/x509"
)

// quicScene: HTTP/3 between ngtcp2's example programs: version 1, Retry,
// 0-RTT, and a version that the server does not have.
func quicScene() scene {
	return scene{
		name:  "quic",
		needs: []program{{"gtlsserver", "ngtcp2-server"}, {"gtlsclient", "ngtcp2-client"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}},
			{"www1", []string{"10.4.0.80/24", "2001:db8:4::80/64"}},
		},
		setting: func(ctx context.Context, s *stage) error {
			if err := s.names("10.4.0.80 portal.corp.example", "2001:db8:4::80 six.corp.example"); err != nil {
				return err
			}
			ca, err := s.authority()
			if err != nil {
				return err
			}
			own, err := s.issue(ca, 443, x509.ExtKeyUsageServerAuth, "portal.corp.example", "six.corp.example")
			if err != nil {
				return err
			}
			if _, err := s.write("www/index.html", page()); err != nil {
				return err
			}
			for _, x := range [][]string{{"443"}, {"4433", "--validate-addr"}} {
				args := append(x[1:], "-q", "-d", s.dir+"/www", "*", x[0], own.key, own.cert)
				if err := s.start(ctx, "www1", []string{"udp " + x[0]}, "gtlsserver", args...); err != nil {
					return err
				}
			}
			return nil
		},
		play: quicPlay,
	}
}

func quicPlay(ctx context.Context, s *stage) error {
	for _, x := range []struct {
		at, port string
		args     []string
	}{
		{"portal.corp.example", "443", []string{"--session-file=session", "--tp-file=parameters"}},
		{"portal.corp.example", "443", []string{"--session-file=session", "--tp-file=parameters"}}, // 0-RTT
		{"portal.corp.example", "4433", nil}, // Retry
		{"six.corp.example", "443", nil},
		{"portal.corp.example", "443", []string{"--version=0x1a2a3a4a", "--other-versions=0x00000001"}},
	} {
		args := append([]string{"-q", "--exit-on-all-streams-close", "--timeout=3s"}, x.args...)
		if err := s.run(ctx, "gtlsclient", append(args, x.at, x.port, "https://"+x.at+"/index.html")...); err != nil {
			return err
		}
	}
	return nil
}
