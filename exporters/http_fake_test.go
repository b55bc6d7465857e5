package exporters

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// service is a fake of a server: it does one fault after the other and then
// answers properly.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	faults []http.HandlerFunc // those to come
	asked  int
	heads  []http.Header
}

// serve starts a service; proper is told the body, with its coding undone.
func serve(t *testing.T, config *tls.Config, proper func(w http.ResponseWriter, r *http.Request, body string)) *service {
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		s.heads = append(s.heads, r.Header.Clone())
		var fault http.HandlerFunc
		if len(s.faults) > 0 {
			fault, s.faults = s.faults[0], s.faults[1:]
		}
		s.mu.Unlock()
		if fault != nil {
			fault(w, r)
			return
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return // the client went away
		}
		proper(w, r, string(b))
	}))
	s.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if config == nil {
		s.Start()
	} else {
		s.TLS = config
		s.StartTLS()
	}
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *service) will(faults ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

func answers(status int, header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// closesAfter reads part of the body and ends the connection.
func closesAfter(n int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, n)
		hang, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			hang.Close()
		}
	}
}

// cutsAnswer promises more of an answer than it sends.
func cutsAnswer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"errors":false,"items":[`)
}
