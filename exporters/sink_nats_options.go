package exporters

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"kagami/exporters/secret"
)

// natsOptions are what a NATS URL says.
type natsOptions struct {
	brokerOptions
	token       string // where these are: see exporters/secret
	credentials string
	stream      string // "" = whichever takes the subject
}

const natsPort = "4222"

func checkNATS(u *url.URL) error {
	_, err := readNATSURL(u)
	return err
}

func readNATSURL(u *url.URL) (natsOptions, error) {
	var o natsOptions
	var err error
	o.brokerOptions, err = readBrokerURL(u, natsPort, []string{"token", "credentials", "stream"}, o.set)
	problems := []error{err, o.checkSubject()}
	ways := 0
	for _, given := range []string{o.user, o.token, o.credentials} {
		if given != "" {
			ways++
		}
	}
	if ways > 1 {
		problems = append(problems, errors.New("want one of user and password, token, credentials"))
	}
	return o, errors.Join(problems...)
}

func (o *natsOptions) set(name, value string) error {
	switch name {
	case "token":
		o.token = value
		return checkReference(name, value)
	case "credentials":
		o.credentials = value
		return checkReference(name, value)
	case "stream":
		if o.stream = value; value == "" || strings.ContainsAny(value, " \t\r\n.*>/\\") {
			return fmt.Errorf("stream: got %q, want a stream's name", value)
		}
	}
	return nil
}

func (o *natsOptions) checkSubject() error {
	subject := o.name.fill("x", "x")
	if subject == "" {
		return errors.New("want a subject behind the host, as in nats://server.example:4222/kagami.{log}")
	}
	for _, token := range strings.Split(subject, ".") {
		if token == "" || token[0] == '$' || strings.ContainsFunc(token, notInSubject) {
			return fmt.Errorf("subject: got %q, want words with dots between them, without blanks, wildcards and $, with {kind} or {log} where it depends on the line", o.name.text)
		}
	}
	return nil
}

func notInSubject(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("*>{}/", r)
}

// client are the options of nats.go; they read the files.
func (o *natsOptions) client() (nats.Options, error) {
	c := nats.GetDefaultOptions()
	for _, server := range o.servers {
		c.Servers = append(c.Servers, "nats://"+server)
	}
	c.Name = programName
	c.AllowReconnect = false
	c.SkipHostLookup = true // the dialer does it, within its time
	c.Timeout = dialTimeout
	c.FlusherTimeout = writeTimeout
	c.PingInterval = time.Minute
	if o.tls != nil {
		var err error
		if c.TLSConfig, err = o.tls.config(); err != nil {
			return c, err
		}
		c.Secure = true
	}
	var err error
	c.User = o.user
	if c.Password, err = o.readPassword(); err != nil {
		return c, err
	}
	if o.token != "" {
		if c.Token, err = secret.Read(o.token); err != nil {
			return c, fmt.Errorf("read token: %w", err)
		}
	}
	if o.credentials != "" {
		creds, err := secret.Read(o.credentials)
		if err != nil {
			return c, fmt.Errorf("read credentials: %w", err)
		}
		if err := nats.UserCredentialBytes([]byte(creds))(&c); err != nil {
			return c, fmt.Errorf("read credentials: %w", err)
		}
	}
	return c, nil
}

// explain says in one line what is to be done about errors that are known; those
// that pass by themselves are marked.
func (o *natsOptions) explain(err error) error {
	var e *natsError
	switch {
	case errors.Is(err, errNoStream): // also while JetStream starts
		return transientError{fmt.Errorf("no stream takes subject %q: create one, or correct the subject in the URL", o.name.text)}
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return fmt.Errorf("the server refuses %s: %w", o.who(), err)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("subject %q: %s may not publish there, or not subscribe to _INBOX.>: %w", o.name.text, o.who(), err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return errors.New("the server offers no TLS: correct the server, or the URL")
	case errors.Is(err, nats.ErrHeadersNotSupported):
		return errors.New("the server is too old: want NATS 2.2 or later")
	case errors.As(err, &e) && e.ErrCode == natsWrongStream:
		return fmt.Errorf("subject %q goes to another stream than stream=%s", o.name.text, o.stream)
	case errors.As(err, &e) && e.ErrCode == natsNotEnabledForAccount:
		return fmt.Errorf("%s has no JetStream: enable it for the account", o.who())
	}
	return transientError{err}
}

// who is what the server is told of the sensor.
func (o *natsOptions) who() string {
	switch {
	case o.user != "":
		return fmt.Sprintf("user %q", o.user)
	case o.token != "":
		return "the token"
	case o.credentials != "":
		return "the credentials"
	case o.tls != nil && o.tls.cert != "":
		return "the client certificate"
	}
	return "a client without a user"
}
