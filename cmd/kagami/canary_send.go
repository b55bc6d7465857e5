package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"kagami/detectors/canary"
)

const (
	// exchangeLimit is how long a place may take to answer; whether it does matters
	// little.
	exchangeLimit = 5 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10

	connectPort = 8443

	timerEvery  = 20 * time.Second
	timerLasts  = 15 * time.Minute
	scanEvery   = time.Second
	scanPort    = 9 // discard (RFC 863): served nowhere, and no product's alarm
	scanTargets = 16
)

// step is a step of that name, false if there is no place for it.
func (p *canaryPlan) step(name string, to *canaryPlaces) (canaryStep, bool) {
	l := canary.Label{Run: p.run, Step: name}
	en, ja := l.Marks()
	s := canaryStep{name: name, want: wanted{any: []string{plainText(en), plainText(ja)}}}
	switch name {
	case canary.StepDNS:
		s.what = fmt.Sprintf("a query for %s to %s", l.Name(), to.dns)
		s.check = "does the mirror port show queries to " + to.dns.Addr().String() + "?"
		s.send = func(ctx context.Context, _ func() bool) (string, error) { return sendQuery(ctx, to.dns, l) }
		return s, to.dns.IsValid()
	case canary.StepHTTP, canary.StepTimer:
		return s, p.request(&s, to, l)
	case canary.StepConnect:
		via := first(to.proxy, to.web)
		authority := fmt.Sprintf("%s:%d", l.Name(), connectPort)
		s.what = fmt.Sprintf("CONNECT %s to %s", authority, via)
		s.check = "does the mirror port show both directions between this machine and " + via.Addr().String() + "?"
		s.send = func(ctx context.Context, _ func() bool) (string, error) {
			return exchange(ctx, via, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n"+agentOf(l)+"\r\n")
		}
		return s, via.IsValid()
	case canary.StepTLS:
		s.what = fmt.Sprintf("a TLS ClientHello for %s to %s", l.Name(), to.tls)
		s.check = "does the mirror port show both directions between this machine and " + to.tls.Addr().String() + "?"
		s.send = func(ctx context.Context, _ func() bool) (string, error) { return sendHello(ctx, to.tls, l) }
		return s, to.tls.IsValid()
	}
	return p.scan(s, to)
}

// request is an HTTP request, once or by a timer. What a timer sends must be told as
// a beacon.
func (p *canaryPlan) request(s *canaryStep, to *canaryPlaces, l canary.Label) bool {
	via, url := first(to.proxy, to.web), "/"
	if to.proxy.IsValid() {
		url = "http://" + l.Name() + "/"
	}
	text := "GET " + url + " HTTP/1.1\r\nHost: " + l.Name() + "\r\n" + agentOf(l) + "Connection: close\r\n\r\n"
	s.what = fmt.Sprintf("GET http://%s/ to %s", l.Name(), via)
	s.check = "does the mirror port show both directions between this machine and " + via.Addr().String() + "?"
	s.send = func(ctx context.Context, _ func() bool) (string, error) { return exchange(ctx, via, text) }
	if l.Step != canary.StepTimer {
		return via.IsValid()
	}
	s.what += fmt.Sprintf(" every %v, until the beacon is told, for %v at most", timerEvery, timerLasts)
	s.check = "a beacon must last detect.beacon.min_lasting, go outside or through a proxy, and come from a machine that has had six destinations: kagami explain " + p.from + " " + l.Name()
	s.want = wanted{all: []string{"contacts " + l.Name()}}
	s.pause = timerEvery
	s.send = func(ctx context.Context, enough func() bool) (note string, err error) {
		n := 0
		for range int(timerLasts/timerEvery) + 1 {
			if note, err = exchange(ctx, via, text); err != nil {
				return note, err
			}
			if n++; enough() || ctx.Err() != nil {
				break
			}
		}
		return fmt.Sprintf("sent %d times, last %s", n, note), nil
	}
	return via.IsValid() && !to.loopback
}

// first is the first place that there is.
func first(all ...netip.AddrPort) netip.AddrPort {
	for _, a := range all {
		if a.IsValid() {
			return a
		}
	}
	return netip.AddrPort{}
}

func agentOf(l canary.Label) string { return "User-Agent: kagami-canary (" + l.Name() + ")\r\n" }

// exchange sends a request and reads the answer to its end. An answer is not
// needed: the request was seen.
func exchange(ctx context.Context, to netip.AddrPort, request string) (string, error) {
	conn, err := dial(ctx, to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return "", fmt.Errorf("send request: %w", err)
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	status, err := r.ReadString('\n')
	if err != nil {
		return "sent; no answer", nil
	}
	if !strings.HasPrefix(request, "CONNECT ") { // a tunnel has no end of its own
		io.Copy(io.Discard, r) // the answer's end ends the transaction
	}
	status = strings.TrimSpace(status)
	return "sent; answer: " + printable(status[:min(len(status), 60)]), nil
}

func dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: exchangeLimit}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(exchangeLimit))
	return conn, nil
}

// sendHello begins a TLS handshake. What the server makes of the name does not
// matter, nor who it is: nothing is sent to it.
func sendHello(ctx context.Context, to netip.AddrPort, l canary.Label) (string, error) {
	conn, err := dial(ctx, to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	t := tls.Client(conn, &tls.Config{ServerName: l.Name(), InsecureSkipVerify: true,
		CurvePreferences: []tls.CurveID{tls.X25519}}) // fits into one packet
	if err := t.HandshakeContext(ctx); err != nil {
		return "sent; the server wants none of it, which does not matter", nil
	}
	return "sent; a server answers", nil
}

// sendQuery asks for the label's address in a datagram of its own making, so that
// no cache or local service answers in the resolver's place.
func sendQuery(ctx context.Context, to netip.AddrPort, l canary.Label) (string, error) {
	d := net.Dialer{Timeout: exchangeLimit}
	conn, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	query := queryFor(l.Name())
	if _, err := conn.Write(query); err != nil {
		return "", fmt.Errorf("send query: %w", err)
	}
	var answer [512]byte
	n, err := conn.Read(answer[:])
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return "sent; no answer", nil
	case err != nil:
		return "sent; nobody answers queries there, which does not matter", nil
	case n < 12 || answer[0] != query[0] || answer[1] != query[1]:
		return "sent; an answer to something else", nil
	}
	return fmt.Sprintf("sent; answer: RCODE %d", answer[3]&15), nil // 3: there is no such name
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// queryFor is a query for the address of a name (RFC 1035 section 4.1).
func queryFor(name string) []byte {
	var id [2]byte
	rand.Read(id[:]) // never fails
	b := append(id[:], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(name, ".") {
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, 1)    // A
	return binary.BigEndian.AppendUint16(b, 1) // IN
}
