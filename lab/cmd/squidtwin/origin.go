package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// origin is the web server behind the proxy: HTTP and TLS on both addresses,
// and a server of the old kind, whose answers end with the connection.
type origin struct {
	servers []*httptest.Server
	old     net.Listener
}

func (p *places) serve() (*origin, error) {
	o := new(origin)
	for _, at := range []struct {
		addr   string
		secure bool
	}{{net.JoinHostPort(p.originV4, p.http), false}, {net.JoinHostPort(p.originV6, p.http), false}, {net.JoinHostPort(p.originV4, p.https), true}, {net.JoinHostPort(p.originV6, p.https), true}} {
		l, err := net.Listen("tcp", at.addr)
		if err != nil {
			return nil, fmt.Errorf("listen as origin: %w", err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(answer))
		s.Listener.Close()
		s.Listener = l
		if at.secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		o.servers = append(o.servers, s)
	}
	var err error
	if o.old, err = net.Listen("tcp", net.JoinHostPort(p.originV4, p.old)); err != nil {
		return nil, fmt.Errorf("listen as origin: %w", err)
	}
	go o.answerOld()
	return o, nil
}

func (o *origin) close() {
	for _, s := range o.servers {
		s.CloseClientConnections()
		s.Close()
	}
	o.old.Close()
}

// answer gives what the path asks for.
func answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h.Set("Content-Type", "text/html; charset=utf-8")
	switch kind {
	case "size":
		n, _ := strconv.Atoi(rest)
		h.Set("Content-Type", "application/octet-stream")
		w.Write([]byte(strings.Repeat("k", n)))
	case "cached":
		h.Set("Cache-Control", "max-age=600")
		h.Set("ETag", `"v1"`)
		h.Set("Content-Type", "text/css")
		fmt.Fprint(w, "body { color: black }")
	case "chunked":
		for i := range 5 {
			fmt.Fprintf(w, "chunk %d\n", i)
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	case "gzip":
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("<p>compressed</p>", 200))
		z.Close()
	case "moved":
		http.Redirect(w, r, "/size/10", http.StatusFound)
	case "untyped":
		h["Content-Type"] = nil
		fmt.Fprint(w, "no type")
	case "empty":
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNoContent)
	case "slow":
		for range 200 {
			if _, err := w.Write([]byte(strings.Repeat("s", 4096))); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	case "status":
		n, _ := strconv.Atoi(rest)
		w.WriteHeader(max(n, 200))
		fmt.Fprintf(w, "status %d", n)
	default:
		fmt.Fprintf(w, "<html>%s %q</html>", r.Method, r.URL.Path)
	}
}

// answerOld answers every connection as a server of HTTP/1.0 does.
func (o *origin) answerOld() {
	for {
		c, err := o.old.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 4096)
			c.Read(b)
			fmt.Fprint(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the connection closes")
		}()
	}
}
