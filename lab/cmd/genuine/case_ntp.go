package main

import "context"

// ntpScene: a chronyd that serves its own clock, and clients that ask it, over
// IPv4, IPv6, and with a key.
func ntpScene() scene {
	return scene{
		name:  "ntp",
		needs: []program{{"chronyd", "chrony"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}},
			{"ntp1", []string{"10.4.0.123/24", "2001:db8:4::123/64"}},
			{"ntp2", []string{"10.4.0.124/24"}}, // does not know the time
		},
		setting: func(ctx context.Context, s *stage) error {
			keys, err := s.write("keys", "7 SHA1 HEX:000102030405060708090A0B0C0D0E0F10111213\n")
			if err != nil {
				return err
			}
			for host, more := range map[string]string{"ntp1": "local stratum 3\n", "ntp2": ""} {
				conf, err := s.write(host+".conf", more+"allow all\nbindcmdaddress /\ncmdport 0\nkeyfile "+keys+"\npidfile "+s.dir+"/"+host+".pid\n")
				if err != nil {
					return err
				}
				if err := s.start(ctx, host, []string{"udp 123"}, "chronyd", "-x", "-d", "-u", "root", "-f", conf); err != nil {
					return err
				}
			}
			return nil
		},
		play: ntpPlay,
	}
}

func ntpPlay(ctx context.Context, s *stage) error {
	for _, x := range []struct {
		status int
		server string
	}{
		{0, "10.4.0.123 iburst maxsamples 1"}, {0, "2001:db8:4::123 iburst maxsamples 1"},
		{0, "10.4.0.123 iburst maxsamples 1 key 7"}, {1, "10.4.0.124 iburst maxsamples 1"},
	} {
		if err := s.ends(ctx, x.status, clients, "chronyd", "-Q", "-t", "5", "-u", "root", "-f", "/dev/null",
			"pidfile "+s.dir+"/client.pid", "keyfile "+s.dir+"/keys", "cmdport 0", "server "+x.server); err != nil {
			return err
		}
	}
	return nil
}
