package main

import (
	"context"
	"fmt"
	"strings"
)

// httpScene: HTTP/1 between curl and nginx, with names looked up before.
func httpScene() scene {
	return scene{
		name:  "http",
		needs: []program{{"nginx", "nginx"}, {"curl", "curl"}, {"dnsmasq", "dnsmasq-base"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}},
			{"www1", []string{"10.4.0.80/24", "2001:db8:4::80/64"}},
			{"dns1", []string{"10.4.0.53/24"}},
		},
		setting: func(ctx context.Context, s *stage) error {
			if err := s.application(); err != nil {
				return err
			}
			if err := s.nginx(ctx, "www1", "listen 80; listen [::]:80;", "tcp 80"); err != nil {
				return err
			}
			if err := s.names(); err != nil {
				return err
			}
			if err := s.cover("/etc/resolv.conf", "nameserver 10.4.0.53\n"); err != nil {
				return err
			}
			conf, err := s.write("dnsmasq.conf", "no-daemon\nuser=root\nno-hosts\nno-resolv\nlocal=/example/\nhost-record=portal.corp.example,10.4.0.80\n")
			if err != nil {
				return err
			}
			return s.start(ctx, "dns1", []string{"udp 53"}, "dnsmasq", "-C", conf)
		},
		play: httpPlay,
	}
}

func httpPlay(ctx context.Context, s *stage) error {
	const at = "http://portal.corp.example"
	schedule, err := s.write("schedule.txt", scheduleText())
	if err != nil {
		return err
	}
	tool, err := s.write("tool.exe", executable())
	if err != nil {
		return err
	}
	for i, args := range [][]string{
		{at + "/index.html", at + "/style.css", at + "/nothing.html", "-o", "/dev/null", "-o", "/dev/null"}, // one connection
		{at + "/index.html", "--compressed", "-A", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Lab/1.0", "-e", "http://search.example/?q=lab"},
		{at + "/app/br", "--compressed"}, {at + "/app/gzip", "--compressed"}, {at + "/app/chunked"},
		{at + "/report.pdf", "-r", "100-199"}, {at + "/report.pdf", "-r", "0-9,20-29"},
		{at + "/report.pdf", "-I"}, {at + "/report.pdf", "-z", "Mon, 01 Jan 2046 00:00:00 GMT"}, {at + "/old/page", "-L"},
		{at + "/app/form", "-d", "name=taro&pass=x"}, {at + "/app/put", "-T", schedule, "-H", "Expect: 100-continue"},
		{at + "/app/stream", "-X", "POST", "-T", schedule, "-H", "Transfer-Encoding: chunked", "-H", "Content-Type: text/plain"},
		{at + "/app/upload", "-F", "title=予定", "-F", "file=@" + schedule + ";filename=予定表.txt;type=text/plain", "-F", "file=@" + tool + ";filename=tool.exe"},
		{at + "/private/plan.txt"}, {at + "/private/plan.txt", "-u", "hanako:wrong"}, {at + "/private/plan.txt", "-u", "hanako:lab-pass-2"},
		{at + "/app/digest", "--digest", "-u", "ichiro:lab-pass-3"}, {at + "/app/api", "-H", "Authorization: Bearer lab-token"},
		{at + "/app/logo.gif"}, {at + "/app/download"}, {"http://[2001:db8:4::80]/style.css", "--http1.0"},
		{at + "/app/dav", "-X", "PROPFIND", "-H", "X-Forwarded-For: 192.0.2.7, 192.0.2.8", "-H", "Via: 1.1 gw.corp.example"},
	} {
		if err := s.curl(ctx, 0, args...); err != nil {
			return err
		}
		if i == 1 { // the rest needs no questions
			if err := s.names("10.4.0.80 portal.corp.example"); err != nil {
				return err
			}
		}
	}
	return httpOctets(ctx)
}

// httpOctets are the conversations that need exact octets.
func httpOctets(ctx context.Context) error {
	const host = "Host: portal.corp.example\r\n"
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\n" + host }
	for _, turns := range [][]turn{
		{{get("/app/1") + "\r\n" + get("/app/2") + "\r\n" + get("/app/3") + "Connection: close\r\n\r\n", "{\"method\":\"GET\"}"}, {"", "{"}, {"", "{"}}, // pipelined
		{{get("/app/\x93\xfa\x96\x7b?q=\x8c\x9f\x8d\xf5") + "Connection: close\r\n\r\n", "{"}},
		{{"GET http://portal.corp.example/app/absolute HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "{"}},
		{{"GET /index.html\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400"}},
		{{"POST /app/cut HTTP/1.1\r\n" + host + "Content-Length: 1000\r\n\r\n" + strings.Repeat("c", 100), ""}},
		{{get("/app/socket") + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nOrigin: http://portal.corp.example\r\n\r\n", "\r\n"}, {socketTalk(), ""}},
	} {
		if err := talk(ctx, "10.4.0.10", "10.4.0.80:80", turns...); err != nil {
			return fmt.Errorf("%.60q: %w", turns[0].send, err)
		}
	}
	return nil
}
