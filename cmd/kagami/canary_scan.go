package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// maxUnused is the size of the largest network that may be named as unused.
const maxUnused = 256

// scan is the step that tries unused addresses, one after the other, until the scan
// is told.
func (p *canaryPlan) scan(s canaryStep, to *canaryPlaces) (canaryStep, bool) {
	if len(to.unused) == 0 {
		return s, false
	}
	last := to.unused[len(to.unused)-1]
	s.pause = scanEvery
	s.what = fmt.Sprintf("a connection to tcp/%d of each of %s to %s, one every %v or slower, until the scan is told", scanPort, to.unused[0], last, scanEvery)
	s.check = "the sensor must see " + to.unused[0].String() + " asked for (over a router: the packets to it; beside it: ARP requests and answers); a search is news again after six hours only, an address after weeks: kagami explain " + p.from
	s.want = wanted{all: []string{"lateral-scan"}}
	for _, a := range to.unused {
		s.want.words = append(s.want.words, a.String())
	}
	s.send = func(ctx context.Context, enough func() bool) (string, error) { return probe(ctx, to.unused, enough) }
	return s, true
}

// probe asks each address for a connection, and closes it at once if there is one.
func probe(ctx context.Context, addrs []netip.Addr, enough func() bool) (string, error) {
	n, used := 0, 0
	for _, a := range addrs {
		d := net.Dialer{Timeout: time.Second} // long enough for one SYN
		conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, scanPort).String())
		switch {
		case err == nil:
			conn.Close()
			used++
		case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENETUNREACH):
			return "", err // this machine's own firewall, or no way there: nothing is sent
		}
		if n++; enough() {
			break
		}
	}
	note := fmt.Sprintf("sent %d", n)
	if used > 0 {
		note += fmt.Sprintf("; %d of them were answered: these addresses are not unused", used)
	}
	return note, nil
}

// unusedLoopback are addresses of the loopback network at which nobody is: taken by
// chance, since an address is news but once.
func unusedLoopback() []netip.Addr {
	a := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254-scanTargets))})
	return follow(a, scanTargets)
}

// unusedIn are addresses of a network, one behind the other, that begin by chance.
func unusedIn(s string) ([]netip.Addr, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("--unused: got %q, want a network such as 10.0.9.0/28", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	p = p.Masked()
	free := p.Addr().BitLen() - p.Bits()
	if free > 8 {
		return nil, fmt.Errorf("--unused: %s has more than %d addresses", p, maxUnused)
	}
	if a := p.Addr(); !a.IsPrivate() && !a.IsLoopback() && !sharedNetwork.Overlaps(p) {
		return nil, fmt.Errorf("--unused: %s is no private network: only these are scanned", p)
	}
	from, n := p.Addr(), 1<<free
	if free > 1 { // neither the network's own address nor broadcast
		from, n = from.Next(), n-2
	}
	if n < scanLeast {
		return nil, fmt.Errorf("--unused: %s has %d addresses to try, at least %d are needed", p, n, scanLeast)
	}
	for range rand.IntN(max(n-scanTargets, 0) + 1) {
		from = from.Next()
	}
	return follow(from, min(n, scanTargets)), nil
}

// scanLeast is how many failures in a row the detector needs at least.
const scanLeast = 6

// sharedNetwork is that of carriers (RFC 6598), which the default zones call internal.
var sharedNetwork = netip.MustParsePrefix("100.64.0.0/10")

func follow(a netip.Addr, n int) []netip.Addr {
	all := make([]netip.Addr, 0, n)
	for range n {
		all = append(all, a)
		a = a.Next()
	}
	return all
}
