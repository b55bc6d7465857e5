package main

import (
	"context"
	"crypto/x509"
	"strings"
)

// proxyScene: an explicit Squid between curl and an nginx, with both of its legs
// and its questions to the resolver in the capture.
func proxyScene() scene {
	return scene{
		name:  "proxy",
		needs: []program{{"squid", "squid"}, {"nginx", "nginx"}, {"dnsmasq", "dnsmasq-base"}, {"curl", "curl"}},
		also:  []string{"access.log"},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "10.4.0.11/24"}},
			{"proxy1", []string{"10.4.0.6/24", "198.51.100.6/24"}},
			{"www1", []string{"198.51.100.80/24"}},
			{"dns1", []string{"10.4.0.53/24"}},
		},
		setting: proxySetting,
		play:    proxyPlay,
	}
}

const squidConf = `http_port 10.4.0.6:3128
visible_hostname proxy.corp.example
hosts_file none
pid_filename DIR/squid/squid.pid
cache_log DIR/squid/cache.log
access_log stdio:DIR/squid/access.log squid
buffered_logs off
cache_mem 16 MB
shutdown_lifetime 1 second
pinger_enable off
coredump_dir DIR/squid
strip_query_terms off
dns_nameservers 10.4.0.53
connect_timeout 2 seconds
auth_param basic program /usr/lib/squid/basic_fake_auth
auth_param basic realm lab
acl known proxy_auth REQUIRED
acl named src 10.4.0.11
acl bad dstdomain denied.example
acl CONNECT method CONNECT
http_access deny bad
acl secure port 443
http_access deny CONNECT !secure
http_access allow named known
http_access deny named
http_access allow all
`

func proxySetting(ctx context.Context, s *stage) error {
	ca, err := s.authority()
	if err != nil {
		return err
	}
	own, err := s.issue(ca, 443, x509.ExtKeyUsageServerAuth, "secure.example")
	if err != nil {
		return err
	}
	listen := "listen 80; listen 443 ssl; ssl_certificate " + own.cert + "; ssl_certificate_key " + own.key + "; location = /style.css { expires 1h; }"
	if err := s.nginx(ctx, "www1", listen, "tcp 80", "tcp 443"); err != nil {
		return err
	}
	names, err := s.write("dnsmasq.conf", "no-daemon\nuser=root\nno-hosts\nno-resolv\nlocal=/example/\nhost-record=origin.example,198.51.100.80\nhost-record=secure.example,198.51.100.80\n")
	if err != nil {
		return err
	}
	if err := s.start(ctx, "dns1", []string{"udp 53"}, "dnsmasq", "-C", names); err != nil {
		return err
	}
	conf := strings.NewReplacer("DIR", s.dir).Replace(squidConf)
	if _, err := s.write("squid/made", ""); err != nil {
		return err
	}
	path, err := s.write("squid.conf", conf)
	if err != nil {
		return err
	}
	if err := s.run(ctx, "chown", "-R", "proxy", s.dir+"/squid"); err != nil { // Squid gives up root
		return err
	}
	return s.start(ctx, "proxy1", []string{"tcp 3128"}, "squid", "-N", "-f", path)
}

func proxyPlay(ctx context.Context, s *stage) error {
	for _, x := range []struct {
		status int
		args   []string
	}{
		{0, []string{"http://origin.example/index.html"}},
		{0, []string{"http://origin.example/style.css"}},
		{0, []string{"http://origin.example/style.css"}}, // from the cache
		{0, []string{"http://origin.example/report.pdf", "-e", "http://origin.example/index.html"}},
		{0, []string{"http://origin.example/nothing.html?q=1"}},
		{0, []string{"http://denied.example/"}},
		{0, []string{"http://nowhere.example/"}},
		{0, []string{"http://198.51.100.80:81/"}}, // refused
		{0, []string{"https://secure.example/index.html"}},
		{56, []string{"https://secure.example:22/"}},
		{0, []string{"http://origin.example/index.html", "--interface", "10.4.0.11"}}, // 407
		{0, []string{"http://origin.example/index.html", "--interface", "10.4.0.11", "-U", "hanako:lab-pass-2"}},
		{0, []string{"https://secure.example/report.pdf", "--interface", "10.4.0.11", "-U", "hanako:lab-pass-2"}},
	} {
		args := append([]string{"-k", "-x", "http://10.4.0.6:3128", "--interface", "10.4.0.10"}, x.args...)
		if err := s.curl(ctx, x.status, args...); err != nil {
			return err
		}
	}
	s.stop("proxy1", "squid")
	return s.run(ctx, "cp", "squid/access.log", "access.log")
}
