package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// squidConf is a plain explicit proxy with a memory cache, whose names come from
// a hosts file: nothing leaves the namespace.
const squidConf = `
http_port PROXY:3128
visible_hostname proxy.example
hosts_file DIR/hosts
pid_filename DIR/squid.pid
cache_log DIR/cache.log
access_log stdio:DIR/access.log squid
buffered_logs off
cache_mem 16 MB
shutdown_lifetime 1 second
pinger_enable off
coredump_dir DIR
strip_query_terms off
tcp_outgoing_address PROXY
tcp_outgoing_address PROXY6
dns_nameservers PROXY
dns_timeout 1 second
connect_timeout 2 seconds
auth_param basic program /usr/lib/squid/basic_fake_auth
auth_param basic realm twin
acl known proxy_auth REQUIRED
acl named src NAMED
acl bad dstdomain denied.example
acl CONNECT method CONNECT
acl Safe port 80 443 8080 81 8000 8001 8443
http_access deny bad
http_access deny CONNECT !Safe
http_access allow named known
http_access deny named
http_access allow all
`

// startSquid starts Squid and waits until it takes connections.
func (p *places) startSquid(ctx context.Context, program, dir string) (stop func(), err error) {
	conf := strings.NewReplacer("DIR", dir, "PROXY6", p.proxyIP6, "PROXY", p.proxyIP, "NAMED", p.clientB).Replace(squidConf)
	hosts := p.originV4 + " origin.example secure.example denied.example\n" + p.originV6 + " six.example\n"
	for name, text := range map[string]string{"squid.conf": conf, "hosts": hosts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("write Squid's configuration: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, program, "-N", "-f", filepath.Join(dir, "squid.conf"))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start squid: %w", err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		})
	}
	for range 100 { // the probe's own line in the log bears no request
		if c, err := net.DialTimeout("tcp", p.proxy(), time.Second); err == nil {
			c.Close()
			time.Sleep(200 * time.Millisecond)
			return stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	text, _ := os.ReadFile(filepath.Join(dir, "cache.log"))
	return nil, fmt.Errorf("squid does not listen: %s", text)
}

// startDump captures the loopback interface; the function that it returns ends
// the capture.
func startDump(ctx context.Context, dir string) (stop func() error, err error) {
	path := filepath.Join(dir, "capture.pcap")
	cmd := exec.CommandContext(ctx, "tcpdump", "-i", "lo", "-U", "-B", "16384", "-s", "0", "-w", path, "tcp or udp port 53")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start tcpdump: %w", err)
	}
	for range 50 { // until the file has its header
		if st, err := os.Stat(path); err == nil && st.Size() >= 24 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return func() error {
		time.Sleep(300 * time.Millisecond)
		cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("tcpdump: %w", err)
		}
		return nil
	}, nil
}
