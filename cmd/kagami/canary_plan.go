package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/detectors/canary"
)

// canaryStep is one thing to send, and the alert that it must raise.
type canaryStep struct {
	name  string
	what  string // that it sends, for people
	check string // what may be wrong if its alert does not arrive
	want  wanted
	pause time.Duration // between two things that it sends

	// send sends; after each thing it calls again, which tells whether that is enough.
	send func(ctx context.Context, enough func() bool) (note string, err error)

	sent    time.Time // began; zero: not yet
	failed  error     // nothing was sent
	arrived time.Duration
}

// canaryPlan is all that is sent.
type canaryPlan struct {
	run    string // its number, in every label
	from   string // this machine's address, as those who are sent to see it
	steps  []canaryStep
	server net.Listener // of the loopback; nil: another machine answers
}

// canaryPlaces are where to send, as the command line names them.
type canaryPlaces struct {
	web, tls netip.AddrPort // invalid: none
	dns      netip.AddrPort
	proxy    netip.AddrPort
	unused   []netip.Addr
	loopback bool
}

// canarySteps are all steps, in the order in which they are sent.
var canarySteps = []string{canary.StepDNS, canary.StepHTTP, canary.StepConnect, canary.StepTLS, "scan", canary.StepTimer}

// plan checks the command line and says what to send. It resolves names, and
// sends nothing.
func (c *canaryCmd) plan(ctx context.Context, run string) (*canaryPlan, error) {
	for _, s := range c.Steps {
		if !slices.Contains(canarySteps, s) {
			return nil, fmt.Errorf("--steps: got %q, want %s", s, strings.Join(canarySteps, ", "))
		}
	}
	to, err := c.places(ctx)
	if err != nil {
		return nil, err
	}
	p := &canaryPlan{run: run, from: to.source()}
	if to.loopback {
		if p.server, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("serve on loopback: %w", err)
		}
		to.web = p.server.Addr().(*net.TCPAddr).AddrPort()
		to.tls = to.web
		go serveCanaries(p.server)
	}
	for _, name := range canarySteps {
		wanted := slices.Contains(c.Steps, name) || len(c.Steps) == 0 && name != canary.StepTimer || name == canary.StepTimer && c.Beacon
		if !wanted {
			continue
		}
		s, ok := p.step(name, &to)
		if ok {
			p.steps = append(p.steps, s)
		} else if len(c.Steps) > 0 || name == canary.StepTimer {
			p.close()
			return nil, fmt.Errorf("step %s has no place to go to: %s", name, stepNeeds[name])
		}
	}
	return p, nil
}

var stepNeeds = map[string]string{
	canary.StepDNS: "name a --resolver or --target", canary.StepHTTP: "name a --target or --proxy", canary.StepConnect: "name a --target or --proxy",
	canary.StepTLS: "name a --target", "scan": "name --unused addresses",
	canary.StepTimer: "name a --proxy, or a --target outside of the internal zones",
}

// places resolves the names of the command line. Loopback is where everything goes
// when it names none.
func (c *canaryCmd) places(ctx context.Context) (p canaryPlaces, err error) {
	if c.Target == "" && c.Resolver == "" && c.Proxy == "" && c.Unused == "" {
		p.loopback, p.dns, p.unused = true, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53), unusedLoopback()
		return p, nil
	}
	if c.Target != "" {
		if p.web, err = endpointOf(ctx, "--target", c.Target, 80); err != nil {
			return p, err
		}
		p.tls, p.dns = p.web, netip.AddrPortFrom(p.web.Addr(), 53)
		if _, _, err := net.SplitHostPort(c.Target); err != nil { // no port of its own
			p.tls = netip.AddrPortFrom(p.web.Addr(), 443)
		}
	}
	if c.Resolver != "" {
		if p.dns, err = endpointOf(ctx, "--resolver", c.Resolver, 53); err != nil {
			return p, err
		}
	}
	if c.Proxy != "" {
		if _, _, err := net.SplitHostPort(c.Proxy); err != nil {
			return p, fmt.Errorf("--proxy: got %q, want HOST:PORT", c.Proxy)
		}
		if p.proxy, err = endpointOf(ctx, "--proxy", c.Proxy, 0); err != nil {
			return p, err
		}
	}
	if c.Unused != "" {
		p.unused, err = unusedIn(c.Unused)
	}
	return p, err
}

// endpointOf is the address of one machine, by address or name.
func endpointOf(ctx context.Context, flag, s string, port uint16) (netip.AddrPort, error) {
	host := s
	if h, given, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(given, 10, 16)
		if err != nil || n == 0 {
			return netip.AddrPort{}, fmt.Errorf("%s: got port %q, want 1 to 65535", flag, given)
		}
		host, port = h, uint16(n)
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%s: %w", flag, err)
		}
		addr = found[0]
	}
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.AddrPort{}, fmt.Errorf("%s: %s is no address of one machine", flag, addr)
	}
	return netip.AddrPortFrom(addr, port), nil
}

// source is this machine's address towards the first place. Nothing is sent.
func (p *canaryPlaces) source() string {
	for _, to := range []netip.AddrPort{p.dns, p.web, p.proxy} {
		if !to.IsValid() {
			continue
		}
		if conn, err := net.Dial("udp", to.String()); err == nil {
			defer conn.Close()
			return conn.LocalAddr().(*net.UDPAddr).IP.String()
		}
	}
	if len(p.unused) > 0 {
		if conn, err := net.Dial("udp", netip.AddrPortFrom(p.unused[0], scanPort).String()); err == nil {
			defer conn.Close()
			return conn.LocalAddr().(*net.UDPAddr).IP.String()
		}
	}
	return "this machine"
}

func (p *canaryPlan) close() {
	if p.server != nil {
		p.server.Close()
	}
}

// print says what is sent, before it is.
func (p *canaryPlan) print(w io.Writer, looks []string) {
	fmt.Fprintf(w, "Run %s of kagami canary, from %s. It sends, all of it harmless:\n", p.run, p.from)
	for i := range p.steps {
		fmt.Fprintf(w, "  %-7s  %s\n", p.steps[i].name, p.steps[i].what)
	}
	for _, l := range looks {
		fmt.Fprintf(w, "It looks for the alerts in %s.\n", l)
	}
}

// afterwards says what stays behind.
func (p *canaryPlan) afterwards(w io.Writer) {
	fmt.Fprintln(w, "What now stands in the SIEM: alerts of rule canary, which need nothing")
	for i := range p.steps {
		s := &p.steps[i]
		switch s.name {
		case "scan":
			fmt.Fprintf(w, "  and one of lateral-scan by %s, since %s: it is this test's, close it\n", p.from, s.sent.Format("15:04:05"))
		case canary.StepTimer:
			fmt.Fprintf(w, "  and one of beacon to %s: it is this test's, close it\n", canary.Label{Run: p.run, Step: canary.StepTimer}.Name())
		}
	}
}
