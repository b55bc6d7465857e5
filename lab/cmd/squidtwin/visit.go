package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// visit sends the proxy every kind of request. What the answers say does not
// matter here: Squid's log says what became of them.
func (p *places) visit(ctx context.Context) error {
	for _, step := range []func(context.Context) error{p.plain, p.tunnels, p.oddities, p.named, p.abort, p.atOnce} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// browser is a client at an address that uses the proxy.
func (p *places) browser(from, user string) *http.Client {
	u := &url.URL{Scheme: "http", Host: p.proxy()}
	if user != "" {
		u.User = url.UserPassword(user, "secret")
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyURL(u), DialContext: d.DialContext, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the twin's own origin, made a moment ago
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
}

func fetch(ctx context.Context, c *http.Client, method, target, body string, header ...string) error {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil { // a refused tunnel is one
		return ctx.Err()
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	time.Sleep(20 * time.Millisecond)
	return ctx.Err()
}

// plain is what browsers ask for in clear.
func (p *places) plain(ctx context.Context) error {
	c := p.browser(p.clientA, "")
	defer c.CloseIdleConnections()
	base := p.url("origin.example", "")
	for _, r := range [][3]string{
		{"GET", base + "/", ""}, {"GET", base + "/size/200000", ""}, {"POST", base + "/form", "a=1&b=2"}, {"HEAD", base + "/size/1000", ""},
		{"GET", base + "/status/404", ""}, {"GET", base + "/moved", ""}, {"GET", base + "/chunked", ""}, {"GET", base + "/gzip", ""},
		{"PUT", base + "/file", "content"}, {"DELETE", base + "/file", ""}, {"OPTIONS", base + "/file", ""}, {"PROPFIND", base + "/dav", "<a/>"},
		{"GET", base + "/untyped", ""}, {"GET", base + "/empty", ""}, {"GET", base + "/status/500", ""},
		{"GET", base + "/cached", ""}, {"GET", base + "/cached", ""}, {"GET", base + "/cached?again=1", ""}, {"GET", base + "/cached?again=1", ""},
		{"GET", "http://origin.example:" + p.old + "/old", ""},
		{"GET", p.url("["+p.originV6+"]", "/six"), ""}, {"GET", p.url("six.example", "/named"), ""},
		{"GET", p.url("denied.example", "/"), ""}, {"GET", "http://origin.example:8080/refused", ""}, {"GET", p.url("nowhere.example", "/"), ""},
	} {
		if err := fetch(ctx, c, r[0], r[1], r[2], "User-Agent", "twin/1.0", "Referer", "http://origin.example/from"); err != nil {
			return err
		}
	}
	return fetch(ctx, c, "GET", base+"/cached", "", "If-None-Match", `"v1"`)
}

// tunnels are CONNECTs, granted and not.
func (p *places) tunnels(ctx context.Context) error {
	for _, target := range []string{"https://secure.example:" + p.https + "/size/5000", "https://[" + p.originV6 + "]:" + p.https + "/six", "https://" + p.originV4 + ":" + p.https + "/size/100000",
		"https://secure.example:22/", "https://secure.example:8080/refused", "https://denied.example:" + p.https + "/", "https://nowhere.example:443/"} {
		c := p.browser(p.clientA, "")
		if err := fetch(ctx, c, "GET", target, ""); err != nil {
			return err
		}
		c.CloseIdleConnections()
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// oddities are requests that no library sends.
func (p *places) oddities(ctx context.Context) error {
	for _, target := range []string{
		"/\xe6\x97\xa5\xe6\x9c\xac", "/\x93\xfa\x96\x7b", "/a|b{c}^`", `/quote"s'<t>`, "/%7euser/%zz", "/x?q=a+b&r=%E3%81%82", "/" + strings.Repeat("long", 700),
	} {
		if err := p.raw(ctx, "GET "+p.url("origin.example", target)+" HTTP/1.1\r\nHost: origin.example\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
	}
	for _, r := range []struct{ host, target, version string }{
		{"origin.example", "/with a blank", "1.1"}, {"ORIGIN.example", "/case", "1.0"}, {"origin.example.", "/dot", "1.1"},
		{"denied.example", "/a|b\"c\\d^e{f}g~h`i'j", "1.1"}, {"origin.example", "/a|b\"c\\d^e{f}g~h`i'j[k]l#m", "1.1"},
		{"origin.example", "/\xe3\x81\x82|b\"c\\d^e{f}g~h`i'j[k]l#m<n>o%7ep%zq", "1.1"}, {"origin.example", "/query?\xe3\x81\x82|b", "1.1"},
		{"origin.example", "?query", "1.1"}, {"origin.example", "", "1.1"}, {"user:pw@origin.example", "/auth", "1.1"},
	} {
		text := "GET " + p.url(r.host, r.target) + " HTTP/" + r.version + "\r\nHost: other.example\r\nConnection: close\r\n\r\n"
		if err := p.raw(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// url is an absolute URL of the origin; the usual port is written too, which
// Squid takes off.
func (p *places) url(host, target string) string {
	return "http://" + host + ":" + p.http + target
}

// raw sends octets to the proxy and reads until it closes.
func (p *places) raw(ctx context.Context, text string) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.clientA)}, Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", p.proxy())
	if err != nil {
		return fmt.Errorf("connect to squid: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return fmt.Errorf("write to squid: %w", err)
	}
	io.Copy(io.Discard, c)
	time.Sleep(20 * time.Millisecond)
	return nil
}

// named is a client that must say who it is: refused first, then let in.
func (p *places) named(ctx context.Context) error {
	for _, user := range []string{"", "alice"} {
		c := p.browser(p.clientB, user)
		for _, target := range []string{p.url("origin.example", "/who"), "https://secure.example:" + p.https + "/who"} {
			if err := fetch(ctx, c, "GET", target, ""); err != nil {
				return err
			}
		}
		c.CloseIdleConnections()
	}
	return nil
}

// abort is a client that goes away in the middle.
func (p *places) abort(ctx context.Context) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.clientA)}}
	c, err := d.DialContext(ctx, "tcp", p.proxy())
	if err != nil {
		return fmt.Errorf("connect to squid: %w", err)
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: origin.example\r\n\r\n", p.url("origin.example", "/slow"))
	bufio.NewReader(c).ReadString('\n')
	time.Sleep(50 * time.Millisecond)
	c.(*net.TCPConn).SetLinger(0)
	err = c.Close()
	time.Sleep(100 * time.Millisecond)
	return err
}

// atOnce are two clients that fetch different things at the same moment.
func (p *places) atOnce(ctx context.Context) error {
	errs := make(chan error, 2)
	for i, from := range []string{p.clientA, p.clientB} {
		go func() {
			c := p.browser(from, map[int]string{1: "bob"}[i])
			defer c.CloseIdleConnections()
			var err error
			for n := range 10 {
				if err == nil {
					err = fetch(ctx, c, "GET", p.url("origin.example", fmt.Sprintf("/together/%d/%d", i, n)), "")
				}
			}
			errs <- err
		}()
	}
	if err := <-errs; err != nil {
		return err
	}
	return <-errs
}
