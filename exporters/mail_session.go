package exporters

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
)

// refusedMail: the server will never take this message, whatever its recipients.
type refusedMail struct{ error }

// send hands one message to the server (RFC 5321).
func (s *mailSink) send(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	c, err := s.session(ctx)
	if err != nil {
		return fmt.Errorf("mail to %s: %w", s.address, err)
	}
	defer c.Close()
	if err := s.transfer(c, message); err != nil {
		return fmt.Errorf("mail to %s: %w", s.address, err)
	}
	c.Quit() // the message is taken: a failure now is none
	return nil
}

// session is a connection that is encrypted and logged in as the options say. Its
// reads and writes end with ctx.
func (s *mailSink) session(ctx context.Context) (*smtp.Client, error) {
	config, err := s.tls.config()
	if err != nil {
		return nil, err
	}
	if config.ServerName == "" {
		config.ServerName = s.server
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, transientError{err}
	}
	raw := conn
	context.AfterFunc(ctx, func() { raw.SetDeadline(past) })
	if s.implicit {
		conn = tls.Client(conn, config)
	}
	c, err := smtp.NewClient(conn, s.server)
	if err != nil {
		conn.Close()
		return nil, mayPassSMTP(err)
	}
	if err := s.greet(c, config); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (s *mailSink) greet(c *smtp.Client, config *tls.Config) error {
	if err := c.Hello(string(hostChars.appendReplaced(nil, s.host, "", maxHostName))); err != nil {
		return mayPassSMTP(err)
	}
	if s.startTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("the server offers no STARTTLS: nothing is sent in clear unless starttls=no says so")
		}
		if err := c.StartTLS(config); err != nil {
			return mayPassSMTP(err)
		}
	}
	if s.user == "" {
		return nil
	}
	if err := c.Auth(s.auth(c)); err != nil {
		s.readSecret() // it may have been renewed; the old one stays if it cannot be read
		return mayPassSMTP(fmt.Errorf("log in: %w", err))
	}
	return nil
}

// auth is PLAIN (RFC 4616), or LOGIN where the server has nothing else.
func (s *mailSink) auth(c *smtp.Client) smtp.Auth {
	_, offered := c.Extension("AUTH")
	methods := strings.Fields(strings.ToUpper(offered))
	for _, m := range methods {
		if m == "PLAIN" {
			return smtp.PlainAuth("", s.user, s.password, s.server)
		}
	}
	return &loginAuth{s.user, s.password}
}

// loginAuth is the LOGIN mechanism (draft-murchison-sasl-login).
type loginAuth struct{ user, password string }

// Start implements smtp.Auth.
func (a *loginAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("no password without TLS")
	}
	return "LOGIN", nil, nil
}

// Next implements smtp.Auth.
func (a *loginAuth) Next(challenge []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case bytes.HasPrefix(bytes.ToLower(challenge), []byte("user")):
		return []byte(a.user), nil
	}
	return []byte(a.password), nil
}

// transfer sends the message to every recipient that the server knows. One that
// it cannot take now holds back the mail for all: else some would get it twice.
func (s *mailSink) transfer(c *smtp.Client, message []byte) error {
	if err := c.Mail(s.from.Address); err != nil {
		return mayPassSMTP(fmt.Errorf("sender: %w", err))
	}
	known, unknown := 0, error(nil)
	for _, to := range s.to {
		err := c.Rcpt(to.Address)
		var code *textproto.Error
		switch {
		case err == nil:
			known++
		case errors.As(err, &code) && code.Code/100 == 5:
			unknown = fmt.Errorf("recipient %s: %w", to.Address, err)
			s.logger.Warn("mail server refuses a recipient", "server", s.address, "recipient", to.Address, "reason", err.Error())
		default:
			return mayPassSMTP(fmt.Errorf("recipient %s: %w", to.Address, err))
		}
	}
	if known == 0 {
		return unknown
	}
	return s.data(c, message)
}

func (s *mailSink) data(c *smtp.Client, message []byte) error {
	w, err := c.Data()
	if err == nil {
		if _, err = w.Write(message); err == nil {
			err = w.Close()
		}
	}
	var code *textproto.Error
	if errors.As(err, &code) && code.Code/100 == 5 {
		return refusedMail{err}
	}
	return mayPassSMTP(err)
}

// mayPassSMTP: everything but a permanent reply (RFC 5321 section 4.2.1) may pass.
func mayPassSMTP(err error) error {
	var code *textproto.Error
	if err == nil || errors.As(err, &code) && code.Code/100 == 5 {
		return err
	}
	return transientError{err}
}
