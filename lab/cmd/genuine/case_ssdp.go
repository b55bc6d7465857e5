package main

import (
	"context"
	"fmt"
)

// ssdpScene: a home router's UPnP daemon, and a client that finds it and asks for
// its description.
func ssdpScene() scene {
	return scene{
		name:  "ssdp",
		needs: []program{{"miniupnpd", "miniupnpd-nftables"}, {"upnpc", "miniupnpc"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24"}},
			{"router", []string{"10.4.0.1/24", "198.51.100.1/24"}},
		},
		play: ssdpPlay,
	}
}

func ssdpPlay(ctx context.Context, s *stage) error {
	conf, err := s.write("miniupnpd.conf", `ext_ifname=eth0
listening_ip=eth0
http_port=5000
enable_natpmp=no
enable_upnp=yes
friendly_name=Lab Router
model_number=9
serial=12345678
uuid=4d696e69-444c-164e-9d41-020000000402
notify_interval=30
secure_mode=yes
lease_file=`+s.dir+`/upnp.leases
`)
	if err != nil {
		return err
	}
	if err := ip("route add 239.0.0.0/8 dev br0"); err != nil {
		return err
	}
	if err := s.start(ctx, "router", []string{"udp 1900", "tcp 5000"}, "miniupnpd", "-d", "-4", "-f", conf); err != nil {
		return err
	}
	// It says that the router is not connected, which is so.
	if err := s.ends(ctx, 1, clients, "upnpc", "-m", "10.4.0.10", "-s"); err != nil {
		return fmt.Errorf("find router: %w", err)
	}
	s.stop("router", "miniupnpd") // it says good bye
	return nil
}
