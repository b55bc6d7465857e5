package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// clients is the name of the host that the process itself is: the clients'
// machine, whose interface is the bridge.
const clients = "clients"

// host is a machine on the network. The first one of a stage is the clients'.
type host struct {
	name      string
	addresses []string // with prefix lengths; none = it must ask for one
}

// stage is a network of hosts behind one bridge, which is also where the mirror
// port is.
type stage struct {
	dir   string // configurations, logs, the capture
	hosts []host

	running map[string]*exec.Cmd // servers, by host and program
}

// furnish makes the mounts and the network. The clients' interface is the bridge
// itself; every other host has one end of a veth pair.
func (s *stage) furnish() error {
	if err := privateMounts(); err != nil {
		return err
	}
	orders := []string{"link set lo up", "link add br0 address 02:00:00:00:04:01 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 addrgenmode none up"}
	for i, h := range s.hosts {
		dev, in := "br0", ""
		if i > 0 {
			dev, in = "eth0", "-n "+h.name+" "
			orders = append(orders, "netns add "+h.name,
				fmt.Sprintf("link add to%d type veth peer name eth0 address 02:00:00:00:04:%02x netns %s", i, i+1, h.name),
				fmt.Sprintf("link set to%d master br0 addrgenmode none up", i),
				in+"link set lo up", in+"link set eth0 up")
		}
		for _, a := range h.addresses {
			orders = append(orders, in+"addr add "+a+" dev "+dev+nodad(a))
		}
		orders = append(orders, s.routes(in, dev, h)...)
	}
	if err := ip(orders...); err != nil {
		return err
	}
	return s.plainFrames()
}

func nodad(a string) string {
	if strings.Contains(a, ":") {
		return " nodad"
	}
	return ""
}

// routes lets everybody reach the networks of the others directly.
func (s *stage) routes(in, dev string, h host) (orders []string) {
	own := map[netip.Prefix]bool{}
	for _, a := range h.addresses {
		own[netip.MustParsePrefix(a).Masked()] = true
	}
	for i := range s.hosts {
		for _, a := range s.hosts[i].addresses {
			if p := netip.MustParsePrefix(a).Masked(); !own[p] && len(h.addresses) > 0 {
				own[p] = true
				orders = append(orders, in+"route add "+p.String()+" dev "+dev)
			}
		}
	}
	return orders
}

// plainFrames switches off what makes captures unlike a wire: frames longer than
// the medium's, and sums that are not there.
func (s *stage) plainFrames() error {
	for i, h := range s.hosts {
		at := [][]string{{"ethtool", "-K", "br0"}}
		if i > 0 {
			at = [][]string{{"ethtool", "-K", fmt.Sprintf("to%d", i)}, {"ip", "netns", "exec", h.name, "ethtool", "-K", "eth0"}}
		}
		for _, x := range at {
			x = append(x, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
			if out, err := exec.Command(x[0], x[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", strings.Join(x, " "), err, out)
			}
		}
	}
	return nil
}

func ip(orders ...string) error {
	for _, args := range orders {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return nil
}

// privateMounts hides what servers write to, and shows the processes of the new
// namespace.
func privateMounts() error {
	for _, m := range [][2]string{{"/proc", "proc"}, {"/run", "tmpfs"}, {"/var/log", "tmpfs"}} {
		if err := syscall.Mount(m[1], m[0], m[1], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[0], err)
		}
	}
	for _, dir := range []string{"/var/log/samba", "/run/samba", "/run/vsftpd/empty", "/run/dovecot"} { // which packages make at boot
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	return nil
}

// write puts a file into the stage's directory and returns its path.
func (s *stage) write(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write file: %w", err)
	}
	return path, os.Chmod(path, 0o644)
}

// script is a file that can be run.
func (s *stage) script(name, text string) (string, error) {
	path, err := s.write(name, "#!/bin/sh\n"+text)
	if err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o755)
}

// cover puts a file in place of a system's one, for this case only.
func (s *stage) cover(system, text string) error {
	path, err := s.write("cover"+strings.ReplaceAll(system, "/", "-"), text)
	if err != nil {
		return err
	}
	if err := syscall.Mount(path, system, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("cover %s: %w", system, err)
	}
	return nil
}

// names tells every program who has which address; no resolver is asked.
func (s *stage) names(lines ...string) error {
	return s.cover("/etc/hosts", "127.0.0.1 localhost\n"+strings.Join(lines, "\n")+"\n")
}

// capture starts tcpdump at the bridge; the function that it returns ends it.
func (s *stage) capture(ctx context.Context) (stop func() error, err error) {
	path := filepath.Join(s.dir, "in.pcap")
	cmd := exec.CommandContext(ctx, "tcpdump", "-i", "br0", "-U", "-Z", "root", "-B", "16384", "-s", "0", "-w", path, "tcp or udp")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start tcpdump: %w", err)
	}
	for range 100 { // until the file has its header
		if st, err := os.Stat(path); err == nil && st.Size() >= 24 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return func() error {
		time.Sleep(1500 * time.Millisecond) // tcpdump reads once a second
		cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("tcpdump: %w", err)
		}
		return nil
	}, nil
}
