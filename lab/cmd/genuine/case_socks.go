package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// socksScene: clients that reach a web server by way of a Dante, with SOCKS4, 4a
// and 5, and of a microsocks that wants a password.
func socksScene() scene {
	return scene{
		name:  "socks",
		needs: []program{{"danted", "dante-server"}, {"microsocks", "microsocks"}, {"nginx", "nginx"}, {"curl", "curl"}, {"dnsmasq", "dnsmasq-base"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24"}},
			{"gw1", []string{"10.4.0.3/24", "198.51.100.3/24"}},
			{"www1", []string{"198.51.100.80/24"}},
		},
		setting: func(ctx context.Context, s *stage) error {
			if err := s.names("198.51.100.80 portal.example"); err != nil {
				return err
			}
			if err := s.nginx(ctx, "www1", "listen 80;", "tcp 80"); err != nil {
				return err
			}
			names, err := s.write("dnsmasq.conf", "no-daemon\nuser=root\nno-hosts\nno-resolv\nlocal=/example/\nhost-record=portal.example,198.51.100.80\n")
			if err != nil {
				return err
			}
			if err := s.start(ctx, "www1", []string{"udp 53"}, "dnsmasq", "-C", names); err != nil {
				return err
			}
			conf, err := s.write("danted.conf", `logoutput: stderr
internal: 10.4.0.3 port = 1080
external: 198.51.100.3
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: root
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: 198.51.100.66/32 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 protocol: tcp udp }
`)
			if err != nil {
				return err
			}
			if err := s.start(ctx, "gw1", []string{"tcp 1080"}, "danted", "-f", conf, "-p", s.dir+"/danted.pid"); err != nil {
				return err
			}
			return s.start(ctx, "gw1", []string{"tcp 1081"}, "microsocks", "-p", "1081", "-u", "taro", "-P", "lab-pass-1")
		},
		play: socksPlay,
	}
}

func socksPlay(ctx context.Context, s *stage) error {
	const page, dante, micro = "http://portal.example/report.pdf", "10.4.0.3:1080", "10.4.0.3:1081"
	for _, x := range []struct {
		status int
		args   []string
	}{
		{0, []string{page, "--socks4", dante}}, {97, []string{page, "--socks4a", dante}}, // Dante does not know 4a, and tries to reach 0.0.0.1
		{0, []string{page, "--socks5", dante}}, {0, []string{page, "--socks5-hostname", dante}},
		{0, []string{page, "--socks5-hostname", micro, "--proxy-user", "taro:lab-pass-1"}},
		{97, []string{page, "--socks5-hostname", micro, "--proxy-user", "taro:wrong"}},
		{97, []string{"http://198.51.100.66/", "--socks5", dante}},    // not allowed
		{97, []string{"http://198.51.100.80:81/", "--socks5", dante}}, // refused
		{97, []string{"http://198.51.100.80:81/", "--socks4", dante}},
	} {
		if err := s.curl(ctx, x.status, x.args...); err != nil {
			return err
		}
	}
	return associate(ctx)
}

// associate asks for a relay of datagrams (RFC 1928 sections 4 and 7) and sends a
// DNS question through it.
func associate(ctx context.Context) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", "10.4.0.3:1080")
	if err != nil {
		return fmt.Errorf("associate: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	var method [2]byte
	var granted [10]byte
	io.WriteString(c, "\x05\x01\x00")
	if _, err := io.ReadFull(c, method[:]); err != nil {
		return fmt.Errorf("associate: %w", err)
	}
	io.WriteString(c, "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00")
	if _, err := io.ReadFull(c, granted[:]); err != nil || granted[1] != 0 {
		return fmt.Errorf("associate: answer %x: %v", granted, err)
	}
	relay := &net.UDPAddr{IP: granted[4:8], Port: int(granted[8])<<8 | int(granted[9])}
	u, err := net.DialUDP("udp4", nil, relay)
	if err != nil {
		return fmt.Errorf("associate: %w", err)
	}
	defer u.Close()
	u.SetDeadline(time.Now().Add(5 * time.Second))
	u.Write([]byte("\x00\x00\x00\x01\xc6\x33\x64\x50\x00\x35" + "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06portal\x07example\x00\x00\x01\x00\x01"))
	var answer [512]byte
	if _, err := u.Read(answer[:]); err != nil {
		return fmt.Errorf("associate: %w", err)
	}
	return nil
}
