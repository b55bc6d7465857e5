package exporters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/exporters/secret"
	"kagami/records"
)

// webhookSink posts alerts, one a request, in order:
//
//	webhook+https://soar.example:8443/kagami?token=file:/etc/kagami/soar
//	webhook:?style=slack&url=file:/etc/kagami/slack-webhook
//	webhook:?style=teams&url=env:KAGAMI_TEAMS_WEBHOOK&lang=ja
//
// style is json (the ECS line as it is), slack, or teams (an adaptive card). The
// URL of a Slack or Teams webhook is its password: it stands in a file or in the
// environment. Other options: lang=en or ja, rate=60 (requests a minute at most),
// all=yes (json only: records of every kind), and those of httpOptions.
type webhookSink struct {
	webhookOptions
	place    *httpPlace
	to       *url.URL
	zone     *time.Location
	refusals refusals
	pace     spacing
	body     []byte // scratch
}

type webhookOptions struct {
	http  httpOptions
	style webhookStyle
	url   string // reference to a secret, "" = the export's own URL
	lang  language
	rate  int // requests a minute
	all   bool
}

type webhookStyle uint8

const (
	styleJSON webhookStyle = iota
	styleSlack
	styleTeams
)

var webhookStyles = []string{"json", "slack", "teams"}

func checkWebhook(u *url.URL) error {
	_, err := readWebhookURL(u)
	return err
}

func readWebhookURL(u *url.URL) (webhookOptions, error) {
	o := webhookOptions{rate: 60}
	read := *u
	apart := u.Scheme == "webhook" // the URL proper stands elsewhere
	if apart {
		read.Scheme, read.Host = "webhook+https", "url"
	}
	var err error
	o.http, err = readHTTPURL(&read, "", []string{"style", "url", "lang", "rate", "all"}, o.set)
	problems := []error{err}
	switch {
	case apart && (u.Opaque != "" || u.Host != "" || u.Path != "" || o.url == ""):
		problems = append(problems, errors.New("want webhook:?url=file:/path with the whole https URL in that file"))
	case !apart && o.url != "":
		problems = append(problems, errors.New("want the URL here or in url=, not both"))
	case !apart && o.style != styleJSON:
		problems = append(problems, fmt.Errorf("the URL of a %s webhook is its password: put it into a file only Kagami can read, and write webhook:?style=%[1]s&url=file:/path", webhookStyles[o.style]))
	}
	if o.all && o.style != styleJSON {
		problems = append(problems, errors.New("all: only style=json carries more than alerts"))
	}
	return o, errors.Join(problems...)
}

func (o *webhookOptions) set(name, value string) (mine bool, err error) {
	switch name {
	case "style":
		for i, s := range webhookStyles {
			if s == value {
				o.style = webhookStyle(i)
				return true, nil
			}
		}
		return true, fmt.Errorf("style: got %q, want one of %s", value, strings.Join(webhookStyles, ", "))
	case "url":
		o.url = value
		return true, checkSecret(name, value)
	case "lang":
		o.lang, err = readLanguage(value)
		return true, err
	case "rate":
		if o.rate, err = strconv.Atoi(value); err != nil || o.rate < 1 || o.rate > 6000 {
			return true, fmt.Errorf("rate: got %q, want requests a minute from 1 to 6000", value)
		}
		return true, nil
	case "all":
		if o.all = value == "yes"; !o.all && value != "no" {
			return true, fmt.Errorf("all: got %q, want yes or no", value)
		}
		return true, nil
	}
	return false, nil
}

func openWebhook(u *url.URL, env Env) (Sink, error) {
	o, err := readWebhookURL(u)
	if err != nil {
		return nil, err
	}
	to := o.http.url
	if o.url != "" {
		if to, err = readSecretURL(o.url); err != nil {
			return nil, err
		}
	}
	o.http.gzip = false // few receivers of webhooks undo it
	p, err := openHTTP(o.http)
	if err != nil {
		return nil, err
	}
	if o.url != "" {
		p.hidden = secretParts(to)
	}
	s := &webhookSink{webhookOptions: o, place: p, to: to, zone: env.Location, refusals: newRefusals(env.Logger, to.Host),
		pace: spacing{gap: time.Minute / time.Duration(o.rate)}}
	if s.zone == nil {
		s.zone = time.UTC
	}
	return s, nil
}

// readSecretURL reads a webhook's URL. Errors do not quote it.
func readSecretURL(ref string) (*url.URL, error) {
	text, err := secret.Read(ref)
	if err != nil {
		return nil, fmt.Errorf("read url: %w", err)
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, errors.New("read url: want an https URL there")
	}
	return u, nil
}

// secretParts are the parts of a webhook's URL by which a server could tell it, the
// longest first.
func secretParts(u *url.URL) (parts []string) {
	const least = 8 // octets of an option's value
	for _, s := range []string{u.RequestURI(), u.Path, u.RawQuery} {
		if len(s) > 1 {
			parts = append(parts, s)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= least {
				parts = append(parts, v)
			}
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return parts
}

// Write implements Sink.
func (s *webhookSink) Write(ctx context.Context, lines []Line) (w Written, err error) {
	for i := range lines {
		l := &lines[i]
		reason, err := s.send(ctx, l)
		switch {
		case err != nil:
			return w, err
		case reason != "":
			s.refusals.add(l, reason)
			w.Refused++
		default:
			w.Sent++
		}
	}
	return w, nil
}

// send posts one line; a reason is why it can never be taken.
func (s *webhookSink) send(ctx context.Context, l *Line) (reason string, err error) {
	if err := s.render(l); err != nil {
		return err.Error(), nil
	}
	if err := s.pace.wait(ctx); err != nil {
		return "", transientError{err}
	}
	r, err := s.place.post(ctx, s.to, "application/json", s.body)
	if err != nil {
		return "", err
	}
	return s.judge(r)
}

// render makes the body.
func (s *webhookSink) render(l *Line) error {
	if s.style == styleJSON && (s.all || l.Kind == records.KindAlert) {
		if len(l.Text) == 0 || l.Text[0] != '{' {
			return errNoAlert
		}
		s.body = append(s.body[:0], l.Text...)
		return nil
	}
	a, err := readAlert(l.Text, s.lang, s.zone)
	if err != nil {
		return err
	}
	if s.style == styleSlack {
		s.body, err = slackMessage(&a, s.lang.labels())
	} else {
		s.body, err = teamsMessage(&a, s.lang.labels())
	}
	return err
}

// relayed is how Teams' older webhooks tell of trouble in the body of a 200.
var relayed = regexp.MustCompile(`returned HTTP error (\d{3})`)

func (s *webhookSink) judge(r reply) (reason string, err error) {
	if m := relayed.FindSubmatch(r.body); m != nil && r.ok() && s.style == styleTeams {
		r.status, _ = strconv.Atoi(string(m[1]))
	}
	switch {
	case r.ok():
		return "", nil
	case r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge || r.status == http.StatusUnprocessableEntity:
		return r.failure(s.to.Host).Error(), nil
	}
	return "", r.failure(s.to.Host)
}

// spacing keeps a gap between the ends of waits.
type spacing struct {
	gap  time.Duration
	last time.Time
}

func (p *spacing) wait(ctx context.Context) error {
	if d := time.Until(p.last.Add(p.gap)); !p.last.IsZero() && d > 0 {
		sleep(ctx, d)
	}
	if err := ctx.Err(); err != nil { // an attempt that ended early: the wait goes on
		return err
	}
	p.last = time.Now()
	return nil
}

// Flush implements Sink: nothing is held.
func (s *webhookSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *webhookSink) Reopen() error { return nil }

// Close implements Sink.
func (s *webhookSink) Close() error { s.place.close(); return nil }
