package exporters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// httpPlace is a server that takes records by HTTP. It belongs to one goroutine,
// Close excepted.
type httpPlace struct {
	httpOptions
	client    *http.Client
	auth      http.Header // what proves who we are
	secrets   []string    // what no error may hold, should the server send it back
	hidden    []string    // the same, of the URL
	notBefore time.Time   // the server asked to be left alone until then

	zipped bytes.Buffer // scratch
	zip    *gzip.Writer
}

// reply is what a server answered, its body cut at maxReply.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) ok() bool { return r.status/100 == 2 }

const (
	httpTimeout   = 30 * time.Second // for a whole attempt, unless the URL says otherwise
	maxReply      = 8 << 20          // octets of an answer: a bulk of batchLines errors has less than one
	maxRetryAfter = 10 * time.Minute // longest pause that a server is granted
	quoteLength   = 300              // octets of an answer in an error
)

func openHTTP(o httpOptions) (*httpPlace, error) {
	p := &httpPlace{httpOptions: o}
	config, err := o.tls.config()
	if err != nil {
		return nil, err
	}
	if err := p.readSecrets(); err != nil {
		return nil, err
	}
	p.zip, _ = gzip.NewWriterLevel(&p.zipped, gzip.BestSpeed) // the level exists
	p.client = &http.Client{
		// A server that was moved is a matter for whoever set the URL: a redirect could carry records and keys anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: dialTimeout,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
		},
	}
	return p, nil
}

// post sends a body once. An error is one of the way there or back; what the
// server thinks of the body is in the reply.
func (p *httpPlace) post(ctx context.Context, to *url.URL, contentType string, body []byte) (reply, error) {
	if wait := time.Until(p.notBefore); wait > 0 {
		return reply{}, transientError{fmt.Errorf("%s asked to wait: %s more", to.Host, wait.Round(time.Second))}
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if p.gzip {
		body = p.compress(body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return reply{}, fmt.Errorf("make request to %s: %w", to.Host, bare(err))
	}
	for name, v := range p.auth {
		req.Header[name] = v
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", programName)
	if p.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := p.client.Do(req)
	if err != nil {
		return reply{}, transientError{fmt.Errorf("post to %s: %w", to.Host, bare(err))}
	}
	defer res.Body.Close()
	r := reply{status: res.StatusCode, header: res.Header}
	if r.body, err = io.ReadAll(io.LimitReader(res.Body, maxReply)); err != nil {
		return reply{}, transientError{fmt.Errorf("read answer of %s: %w", to.Host, bare(err))}
	}
	if !r.ok() {
		r.body = p.scrub(r.body) // of the secrets that it was sent
	}
	p.heed(r)
	return r, nil
}

// scrub takes our secrets out of what a server says.
func (p *httpPlace) scrub(body []byte) []byte {
	for _, s := range slices.Concat(p.hidden, p.secrets) {
		body = bytes.ReplaceAll(body, []byte(s), []byte(redacted))
	}
	return body
}

func (p *httpPlace) compress(body []byte) []byte {
	p.zipped.Reset()
	p.zip.Reset(&p.zipped)
	p.zip.Write(body) // into memory
	p.zip.Close()
	return p.zipped.Bytes()
}

// heed keeps a busy server's wish to be left alone, and reads the secrets again
// for the next attempt when they were not accepted: they may have been renewed.
func (p *httpPlace) heed(r reply) {
	switch r.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		p.notBefore = time.Now().Add(retryAfter(r.header.Get("Retry-After")))
	case http.StatusUnauthorized, http.StatusForbidden:
		p.readSecrets() // an error now would hide the server's own; the old ones stay
	}
}

// retryAfter is how long RFC 9110's header field asks to wait, 0 if it does not.
func retryAfter(v string) time.Duration {
	d := time.Duration(0)
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		d = time.Duration(min(s, int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), maxRetryAfter)
}

// failure is the error that a reply means which is not ok.
func (r reply) failure(host string) error {
	err := fmt.Errorf("%s answers %d: %s", host, r.status, r.quote())
	switch {
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return fmt.Errorf("credentials not accepted: %w", err)
	case r.status/100 == 3:
		return fmt.Errorf("redirects are not followed: %w", err)
	case r.status/100 == 5 || r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout:
		return transientError{err}
	}
	return err
}

// quote is the beginning of the body for a log: quoted, since it may echo names
// from the wire.
func (r reply) quote() string {
	return strconv.Quote(strings.ToValidUTF8(string(r.body[:min(len(r.body), quoteLength)]), "\ufffd"))
}

// bare takes the URL out of an error of net/http: a webhook's is a secret.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// close ends the connections.
func (p *httpPlace) close() { p.client.CloseIdleConnections() }
