package exporters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kagami/exporters/secret"
)

// mailSink sends alerts by mail:
//
//	mail://smtp.example.jp:587?from=kagami@example.jp&to=soc@example.jp&user=kagami&password=file:/etc/kagami/smtp
//	mail+tls://smtp.example.jp:465?...     TLS from the first octet
//
// "mail" demands STARTTLS; starttls=no is for a relay on this machine or network
// and allows no password. Other options: lang=en or ja; within=60s (the least time
// between two mails: the first alert goes at once, those that follow so soon go
// together); per_hour=12 (mails at most; alerts wait meanwhile); timeout=30s for a
// mail; those of TLS. A mail shows mailFull alerts in full and names the rest.
type mailSink struct {
	mailOptions
	host     string // of this sensor
	password string
	zone     *time.Location
	logger   *slog.Logger
	refusals refusals
	pace     spacing
	mails    []time.Time // of the last hour
	said     time.Time   // until when the log says that alerts wait
	limit    int         // alerts of a mail: fewer while the server refuses its content
	alerts   []alertText // scratch
}

type mailOptions struct {
	tls       tlsOptions
	address   string // host:port
	server    string // host
	implicit  bool   // TLS from the first octet
	startTLS  bool
	from      *mail.Address
	to        []*mail.Address
	user      string
	secretRef string
	lang      language
	within    time.Duration
	perHour   int
	timeout   time.Duration
}

func checkMail(u *url.URL) error {
	_, err := readMailURL(u)
	return err
}

func readMailURL(u *url.URL) (mailOptions, error) {
	o := mailOptions{implicit: u.Scheme == "mail+tls", startTLS: u.Scheme == "mail", server: u.Hostname(),
		within: time.Minute, perHour: 12, timeout: httpTimeout}
	port := u.Port()
	switch {
	case port == "" && o.implicit:
		port = "465" // RFC 8314
	case port == "":
		port = "587"
	}
	o.address = net.JoinHostPort(o.server, port)
	problems := []error{checkUserinfo(u)}
	if o.server == "" || u.Path != "" && u.Path != "/" {
		problems = append(problems, fmt.Errorf("want a host and no path, as in %s://smtp.example.jp with from= and to=", u.Scheme))
	}
	known := append([]string{"from", "to", "user", "password", "lang", "within", "per_hour", "timeout", "starttls"}, tlsOptionNames()...)
	q, err := url.ParseQuery(u.RawQuery)
	problems = append(problems, err, readOptions(q, known, o.set), o.tls.check(), o.check())
	return o, errors.Join(problems...)
}

func (o *mailOptions) set(name, value string) (err error) {
	switch name {
	case "from":
		if o.from, err = mail.ParseAddress(value); err != nil {
			return fmt.Errorf("from: %w", err)
		}
	case "to":
		if o.to, err = mail.ParseAddressList(value); err != nil {
			return fmt.Errorf("to: want addresses with commas between: %w", err)
		}
	case "user":
		o.user = value
	case "password":
		o.secretRef = value
		return checkSecret(name, value)
	case "lang":
		o.lang, err = readLanguage(value)
	case "within":
		o.within, err = readDuration(name, value, 0, 24*time.Hour)
	case "timeout":
		o.timeout, err = readDuration(name, value, time.Second, 10*time.Minute)
	case "per_hour":
		if o.perHour, err = strconv.Atoi(value); err != nil || o.perHour < 1 || o.perHour > 3600 {
			return fmt.Errorf("per_hour: got %q, want mails an hour from 1 to 3600", value)
		}
	case "starttls":
		if value != "no" && value != "yes" || o.implicit {
			return errors.New("starttls: want yes or no, and with mail:// only")
		}
		o.startTLS = value == "yes"
	default:
		o.tls.set(name, value)
	}
	return err
}

func (o *mailOptions) check() error {
	var problems []error
	if o.from == nil || len(o.to) == 0 {
		problems = append(problems, errors.New("want from=ADDRESS and to=ADDRESS"))
	}
	if (o.user == "") != (o.secretRef == "") {
		problems = append(problems, errors.New("user and password go together"))
	}
	if o.user != "" && !o.startTLS && !o.implicit {
		problems = append(problems, errors.New("starttls=no: a password would go through the network in clear"))
	}
	return errors.Join(problems...)
}

func openMail(u *url.URL, env Env) (Sink, error) {
	o, err := readMailURL(u)
	if err != nil {
		return nil, err
	}
	if _, err := o.tls.config(); err != nil {
		return nil, err
	}
	s := &mailSink{mailOptions: o, host: env.HostName, zone: env.Location, refusals: newRefusals(env.Logger, o.address),
		pace: spacing{gap: o.within}, limit: batchLines}
	s.logger = s.refusals.logger
	if s.zone == nil {
		s.zone = time.UTC
	}
	if s.host == "" {
		s.host = programName
	}
	return s, s.readSecret()
}

func (s *mailSink) readSecret() error {
	if s.secretRef == "" {
		return nil
	}
	p, err := secret.Read(s.secretRef)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	s.password = p
	return nil
}

// Write implements Sink: one mail of all lines.
func (s *mailSink) Write(ctx context.Context, lines []Line) (Written, error) {
	lines = lines[:min(len(lines), s.limit)]
	if bad := s.readFirst(lines); bad > 0 {
		return Written{Refused: bad}, nil
	}
	if err := s.await(ctx); err != nil {
		return Written{}, transientError{err}
	}
	err := s.send(ctx, composeMail(s, s.alerts))
	var no refusedMail
	switch {
	case err == nil:
		s.mails = append(s.mails, time.Now())
		s.limit = batchLines
		return Written{Sent: len(s.alerts)}, nil
	case !errors.As(err, &no):
		s.pace.last = time.Time{}
		return Written{}, err
	case len(s.alerts) > 1: // the fault of one, or of their number
		s.limit = len(s.alerts) / 2
		s.pace.last = time.Time{}
		return Written{}, transientError{err}
	}
	s.refusals.add(&lines[0], err.Error())
	return Written{Refused: 1}, nil
}

// readFirst fills alerts with the first lines that are alerts; if the very first
// is none, it returns how many at the beginning are not.
func (s *mailSink) readFirst(lines []Line) (bad int) {
	s.alerts = s.alerts[:0]
	for i := range lines {
		a, err := readAlert(lines[i].Text, s.lang, s.zone)
		switch {
		case err == nil && bad == 0:
			s.alerts = append(s.alerts, a)
		case err != nil && len(s.alerts) == 0:
			s.refusals.add(&lines[i], err.Error())
			bad++
		default:
			return bad
		}
	}
	return bad
}

// await waits until a mail may be sent.
func (s *mailSink) await(ctx context.Context) error {
	for len(s.mails) > 0 && time.Since(s.mails[0]) > time.Hour {
		s.mails = s.mails[1:]
	}
	if len(s.mails) >= s.perHour {
		next := s.mails[0].Add(time.Hour)
		if !next.Equal(s.said) {
			s.said = next
			s.logger.Info("mails of this hour are used up: alerts wait", "to", s.address, "until", next.Format(time.TimeOnly))
		}
		sleep(ctx, time.Until(next))
		if err := ctx.Err(); err != nil { // an attempt that ended early: the wait goes on
			return fmt.Errorf("mails of this hour are used up until %s: %w", next.Format(time.TimeOnly), err)
		}
		s.mails = s.mails[1:]
	}
	if err := s.pace.wait(ctx); err != nil {
		return fmt.Errorf("mails are %s apart at least: %w", s.within, err)
	}
	return nil
}

// Flush implements Sink: nothing is held.
func (s *mailSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *mailSink) Reopen() error { return nil }

// Close implements Sink: there is no connection between mails.
func (s *mailSink) Close() error { return nil }

// addresses is a header's list of addresses.
func addresses(list []*mail.Address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ",\r\n ")
}
