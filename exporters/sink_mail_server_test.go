package exporters

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// mailServer is a small SMTP server (RFC 5321) that does as it is told.
type mailServer struct {
	net.Listener
	tls      *tls.Config // nil: offers no STARTTLS
	implicit bool
	auth     string                         // mechanisms; "" = none
	says     func(verb, line string) string // "" = the usual reply; "hang", "close"

	mu     sync.Mutex
	mails  []string // message, of those taken
	rcpts  [][]string
	logins []string
	clear  []string // commands that came without TLS
}

func serveMail(t *testing.T, s *mailServer) *mailServer {
	s.Listener = listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			if s.implicit {
				c = tls.Server(c, s.tls)
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer func() { c.Close() }()
	r, secure := bufio.NewReader(c), s.implicit
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 mx.example ESMTP")
	var rcpts []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb := strings.ToUpper(strings.SplitN(strings.SplitN(line, ":", 2)[0], " ", 2)[0])
		s.mu.Lock()
		if !secure {
			s.clear = append(s.clear, verb)
		}
		reply := ""
		if s.says != nil {
			reply = s.says(verb, line)
		}
		s.mu.Unlock()
		switch {
		case reply == "hang":
			io.Copy(io.Discard, c)
			return
		case reply == "close":
			return
		case reply != "":
			say("%s", reply)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-mx.example")
			if s.tls != nil && !secure {
				say("250-STARTTLS")
			}
			if s.auth != "" && secure {
				say("250-AUTH %s", s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			c, secure = tls.Server(c, s.tls), true
			r = bufio.NewReader(c)
		case "AUTH":
			s.login(line, r, say)
		case "RCPT":
			rcpts = append(rcpts, line[strings.IndexByte(line, '<')+1:strings.IndexByte(line, '>')])
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			if !s.data(r, rcpts, say) {
				return
			}
		default:
			say("250 ok")
		}
	}
}

func (s *mailServer) login(line string, r *bufio.Reader, say func(string, ...any)) {
	fields := strings.Fields(line)
	var got []string
	if fields[1] == "PLAIN" {
		got = append(got, fields[2])
	} else {
		for _, prompt := range []string{"Username:", "Password:"} {
			say("334 %s", base64.StdEncoding.EncodeToString([]byte(prompt)))
			answer, _ := r.ReadString('\n')
			got = append(got, strings.TrimSpace(answer))
		}
	}
	text := fields[1]
	for _, g := range got {
		b, _ := base64.StdEncoding.DecodeString(g)
		text += " " + strings.ReplaceAll(string(b), "\x00", " ")
	}
	s.mu.Lock()
	s.logins = append(s.logins, text)
	s.mu.Unlock()
	if strings.HasSuffix(text, "s3cret") {
		say("235 welcome")
		return
	}
	say("535 authentication failed")
}

func (s *mailServer) data(r *bufio.Reader, rcpts []string, say func(string, ...any)) bool {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := ""
	if s.says != nil {
		reply = s.says(".", b.String())
	}
	switch reply {
	case "":
		s.mails, s.rcpts = append(s.mails, b.String()), append(s.rcpts, rcpts)
		say("250 queued")
	case "close":
		return false
	default:
		say("%s", reply)
	}
	return true
}
