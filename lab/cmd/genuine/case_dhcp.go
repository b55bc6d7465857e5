package main

import (
	"context"
	"syscall"
	"time"
)

// dhcpScene: a dnsmasq with fixed leases; a client that takes, renews and gives
// back its lease, one that comes back with another network's, and one of DHCPv6.
func dhcpScene() scene {
	return scene{
		name:  "dhcp",
		needs: []program{{"dnsmasq", "dnsmasq-base"}, {"udhcpc", "udhcpc"}, {"dhclient", "isc-dhcp-client"}},
		hosts: []host{
			{clients, []string{"10.4.0.1/24"}},
			{"dhcp1", []string{"10.4.0.2/24", "2001:db8:4::2/64"}}, // 02:00:00:00:04:02
			{"keiri", nil}, // :03
			{"eigyo", nil}, // :04
		},
		setting: dhcpSetting,
		play:    dhcpPlay,
	}
}

func dhcpSetting(ctx context.Context, s *stage) error {
	conf, err := s.write("dnsmasq.conf", `port=0
keep-in-foreground
user=root
leasefile-ro
dhcp-authoritative
no-ping
domain=corp.example
dhcp-range=10.4.0.100,10.4.0.120,1h
dhcp-range=2001:db8:4::100,2001:db8:4::1ff,64,1h
dhcp-host=02:00:00:00:04:03,10.4.0.103,keiri-07
dhcp-host=02:00:00:00:04:04,10.4.0.104,[2001:db8:4::104]
dhcp-option=option:router,10.4.0.1
dhcp-option=option:dns-server,10.4.0.53
dhcp-option=option:ntp-server,10.4.0.123
dhcp-option=option6:dns-server,[2001:db8:4::53]
dhcp-option=option6:domain-search,corp.example
`)
	if err != nil {
		return err
	}
	return s.start(ctx, "dhcp1", []string{"udp 67", "udp 547"}, "dnsmasq", "-C", conf)
}

func dhcpPlay(ctx context.Context, s *stage) error {
	if err := s.udhcpc(ctx); err != nil {
		return err
	}
	return s.dhclient(ctx)
}

// udhcpc takes a lease, renews it, and gives it back.
func (s *stage) udhcpc(ctx context.Context) error {
	script, err := s.script("udhcpc.sh", "[ \"$1\" = bound ] && ip addr replace $ip/24 dev $interface\nexit 0\n")
	if err != nil {
		return err
	}
	cmd := s.command(ctx, "keiri", "udhcpc", "-f", "-R", "-i", "eth0", "-s", script, "-x", "hostname:keiri-07", "-V", "kagami-lab 1.0")
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	cmd.Process.Signal(syscall.SIGUSR1) // renew
	time.Sleep(2 * time.Second)
	cmd.Process.Signal(syscall.SIGTERM) // -R: release
	return cmd.Wait()
}

// dhclient comes back with a lease of another network, is refused, and asks
// anew; then it asks for an IPv6 address.
func (s *stage) dhclient(ctx context.Context) error {
	conf, err := s.write("dhclient.conf", `send host-name "eigyo-note";
send vendor-class-identifier "MSFT 5.0";
request subnet-mask, routers, domain-name, domain-name-servers, ntp-servers;
timeout 10;
`)
	if err != nil {
		return err
	}
	leases, err := s.write("dhclient.leases", `lease {
  interface "eth0";
  fixed-address 192.168.77.7;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 3600;
  option dhcp-message-type 5;
  option dhcp-server-identifier 192.168.77.1;
  renew 0 2037/01/04 00:00:00;
  rebind 0 2037/01/04 00:00:00;
  expire 0 2037/01/04 00:00:00;
}
`)
	if err != nil {
		return err
	}
	script, err := s.script("dhclient.sh", "exit 0\n")
	if err != nil {
		return err
	}
	common := []string{"-1", "-v", "-cf", conf, "-sf", script}
	if err := s.ends(ctx, 0, "eigyo", "dhclient", append(common, "-lf", leases, "-pf", s.dir+"/4.pid", "eth0")...); err != nil {
		return err
	}
	return s.ends(ctx, 0, "eigyo", "dhclient", append(common, "-6", "-D", "LL", "-lf", s.dir+"/6.leases", "-pf", s.dir+"/6.pid", "eth0")...)
}
