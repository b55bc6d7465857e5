package exporters

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"kagami/exporters/secret"
)

// httpOptions are what the URL of a place reached by HTTP says:
//
//	NAME+https://host:port/path?user=kagami&password=file:/etc/kagami/password
//
// Options: user with password, or token (sent as "Authorization: Bearer"), or
// api_key (sent as "Authorization: ApiKey"), each env:NAME or file:/path;
// timeout=30s for an attempt; compress=gzip or none; those of TLS.
type httpOptions struct {
	url                     *url.URL // http or https, without options
	tls                     tlsOptions
	user                    string
	password, token, apiKey string // references to secrets
	timeout                 time.Duration
	gzip                    bool
}

// setter reads one option that is a place's own; false: it is none.
type setter func(name, value string) (bool, error)

// readHTTPURL reads u. own are the names of the options that set knows.
func readHTTPURL(u *url.URL, defaultPort string, own []string, set setter) (httpOptions, error) {
	o := httpOptions{timeout: httpTimeout, gzip: true}
	scheme := u.Scheme[strings.LastIndexByte(u.Scheme, '+')+1:]
	o.url = &url.URL{Scheme: scheme, Host: u.Host, Path: u.Path}
	if u.Port() == "" && defaultPort != "" {
		o.url.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	var problems []error
	if u.Hostname() == "" {
		problems = append(problems, fmt.Errorf("want a host, as in %s://siem.example.jp", u.Scheme))
	}
	problems = append(problems, checkUserinfo(u))
	known := append([]string{"user", "password", "token", "api_key", "timeout", "compress"}, own...)
	if scheme == "https" {
		known = append(known, tlsOptionNames()...)
	}
	q, err := url.ParseQuery(u.RawQuery)
	problems = append(problems, err, readOptions(q, known, func(name, value string) error {
		if mine, err := set(name, value); mine {
			return err
		}
		return o.set(name, value)
	}))
	return o, errors.Join(append(problems, o.check(u))...)
}

// checkUserinfo: a user is an option, beside the place of its password.
func checkUserinfo(u *url.URL) error {
	if err := secret.CheckURL(u); err != nil || u.User == nil {
		return err
	}
	return errors.New("want the user as an option: ?user=NAME&password=file:/path")
}

func (o *httpOptions) set(name, value string) (err error) {
	switch name {
	case "user":
		o.user = value
	case "password":
		o.password, err = value, checkSecret(name, value)
	case "token":
		o.token, err = value, checkSecret(name, value)
	case "api_key":
		o.apiKey, err = value, checkSecret(name, value)
	case "timeout":
		o.timeout, err = readDuration(name, value, time.Second, 10*time.Minute)
	case "compress":
		if o.gzip = value == "gzip"; !o.gzip && value != "none" {
			err = fmt.Errorf("compress: got %q, want gzip or none", value)
		}
	default:
		o.tls.set(name, value)
	}
	return err
}

func (o *httpOptions) check(u *url.URL) error {
	problems := []error{o.tls.check()}
	if (o.user == "") != (o.password == "") {
		problems = append(problems, errors.New("user and password go together"))
	}
	ways := 0
	for _, s := range []string{o.password, o.token, o.apiKey} {
		if s != "" {
			ways++
		}
	}
	if ways > 1 {
		problems = append(problems, errors.New("want one of password, token, api_key"))
	}
	if ways > 0 && o.url.Scheme == "http" && !isLoopback(u.Hostname()) {
		problems = append(problems, fmt.Errorf("a password would go through the network in clear: want %ss", u.Scheme))
	}
	return errors.Join(problems...)
}

// readSecrets makes the header fields that prove who we are. The same ones stay
// when a secret cannot be read.
func (o *httpPlace) readSecrets() error {
	name, ref := "password", o.password
	switch {
	case o.token != "":
		name, ref = "token", o.token
	case o.apiKey != "":
		name, ref = "api_key", o.apiKey
	case ref == "":
		return nil
	}
	s, err := secret.Read(ref)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	value := map[string]string{
		"password": "Basic " + base64.StdEncoding.EncodeToString([]byte(o.user+":"+s)),
		"token":    "Bearer " + s, "api_key": "ApiKey " + s,
	}[name]
	o.auth = http.Header{"Authorization": {value}}
	_, coded, _ := strings.Cut(value, " ")
	o.secrets = []string{s, coded}
	return nil
}

// checkSecret tells whether an option names a secret, without reading it. The
// error does not quote it: whoever wrote the secret itself shall not find it in a log.
func checkSecret(name, ref string) error {
	if err := secret.Check(ref); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func readDuration(name, value string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		return least, fmt.Errorf("%s: got %q, want a time from %s to %s", name, value, least, most)
	}
	return d, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
