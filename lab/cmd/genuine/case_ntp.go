package main

import "context"

// ntpScene: a chronyd that serves its own clock, and clients that ask it, over
// IPv4, IPv6, and with a key.
func ntpScene() scene {
	return scene{
		name:  "ntp",
		needs: []program{{"chronyd", "chrony"}, {"busybox", "busybox"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}},
			{"ntp1", []string{"10.4.0.123/24", "2001:db8:4::123/64"}},
		},
		setting: func(ctx context.Context, s *stage) error {
			keys, err := s.write("keys", "7 SHA1 HEX:000102030405060708090A0B0C0D0E0F10111213\n")
			if err != nil {
				return err
			}
			conf, err := s.write("chrony.conf", "local stratum 3\nallow all\nbindcmdaddress /\ncmdport 0\nkeyfile "+keys+"\npidfile "+s.dir+"/chronyd.pid\n")
			if err != nil {
				return err
			}
			return s.start(ctx, "ntp1", []string{"udp 123"}, "chronyd", "-x", "-d", "-u", "root", "-f", conf)
		},
		play: ntpPlay,
	}
}

func ntpPlay(ctx context.Context, s *stage) error {
	for _, server := range []string{"10.4.0.123 iburst maxsamples 1", "2001:db8:4::123 iburst maxsamples 1", "10.4.0.123 iburst maxsamples 1 key 7"} {
		if err := s.run(ctx, "chronyd", "-Q", "-t", "8", "-u", "root", "-f", "/dev/null", "pidfile "+s.dir+"/client.pid", "keyfile "+s.dir+"/keys", "cmdport 0", "server "+server); err != nil {
			return err
		}
	}
	return s.run(ctx, "busybox", "timeout", "4", "sh", "-c", "busybox ntpd -n -w -d -p 10.4.0.123 & sleep 3; exit 0")
}
