package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/andybalholm/brotli"
)

// page is a page as a site serves it.
func page() string {
	return "<!DOCTYPE html><html><head><title>社内ポータル</title></head><body>" + strings.Repeat("<p>lorem ipsum dolor sit amet</p>\n", 40) + "</body></html>\n"
}

// nginxConf has a site with files, a realm, and an application behind a socket
// in the file system, whose own leg is not on the network.
const nginxConf = `daemon off;
user root;
worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/nginx.log;
events { worker_connections 64; }
http {
  types { text/html html; text/css css; application/pdf pdf; text/plain txt; }
  default_type application/octet-stream;
  access_log DIR/access-nginx.log;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  if_modified_since before;
  gzip on; gzip_min_length 100; gzip_types text/css;
  server {
    LISTEN
    root DIR/www;
    charset utf-8;
    location /private/ { auth_basic "社内"; auth_basic_user_file DIR/htpasswd; }
    location /old/ { return 302 /index.html; }
    location /app/ {
      proxy_pass http://unix:DIR/app.sock; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
    }
  }
}
`

// nginx starts a web server on a host; listen has its listen directives.
func (s *stage) nginx(ctx context.Context, on, listen string, ports ...string) error {
	for name, text := range map[string]string{
		"www/index.html": page(), "www/style.css": strings.Repeat("body { color: black }\n", 40), "www/report.pdf": reportPDF(),
		"www/private/plan.txt": "plan\n", "htpasswd": "hanako:{PLAIN}lab-pass-2\n",
	} {
		if _, err := s.write(name, text); err != nil {
			return err
		}
	}
	conf, err := s.write("nginx.conf", strings.NewReplacer("DIR", s.dir, "LISTEN", listen).Replace(nginxConf))
	if err != nil {
		return err
	}
	return s.start(ctx, on, ports, "nginx", "-c", conf)
}

// application answers behind nginx.
func (s *stage) application() error {
	l, err := net.Listen("unix", filepath.Join(s.dir, "app.sock"))
	if err != nil {
		return fmt.Errorf("listen as application: %w", err)
	}
	go http.Serve(l, http.HandlerFunc(answer)) // ends with the process
	return nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/app/br":
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Encoding", "br")
		z := brotli.NewWriter(w)
		io.WriteString(z, page())
		z.Close()
	case "/app/gzip":
		h.Set("Content-Type", "text/plain")
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, strings.Repeat("compressed line\n", 100))
		z.Close()
	case "/app/chunked":
		h.Set("Content-Type", "text/plain")
		h.Set("Trailer", "X-Sum")
		for i := range 5 {
			fmt.Fprintf(w, "chunk %d\n", i)
			w.(http.Flusher).Flush()
		}
		h.Set("X-Sum", "5")
	case "/app/logo.gif": // what it says is not what it is
		h.Set("Content-Type", "image/gif")
		io.WriteString(w, executable())
	case "/app/download":
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", "attachment; filename=\"report.pdf\"; filename*=UTF-8''%E5%A0%B1%E5%91%8A%E6%9B%B8.pdf")
		io.WriteString(w, reportPDF())
	case "/app/digest":
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Digest ") {
			h.Set("WWW-Authenticate", `Digest realm="lab", nonce="5f3a", qop="auth"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	case "/app/socket":
		webSocket(w, r)
	default:
		h.Set("Set-Cookie", "session=lab; Path=/")
		h.Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"method\":%q}\n", r.Method)
	}
}

// webSocket accepts an upgrade (RFC 6455 section 4.2), says something, echoes
// nothing, and closes after the client has.
func webSocket(w http.ResponseWriter, r *http.Request) {
	c, b, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	// The key that the client sends is always the one of RFC 6455 section 1.3.
	fmt.Fprint(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
	b.WriteString("\x81\x05hello\x89\x04ping")
	b.Flush()
	io.Copy(io.Discard, io.LimitReader(b, int64(len(socketTalk()))))
	b.WriteString("\x88\x02\x03\xe8") // close, 1000
	b.Flush()
	bufio.NewReader(c).ReadByte()
}

// socketTalk is what the client says: a text in two fragments, octets, a pong,
// and the close, all masked with zeros but the first.
func socketTalk() string {
	return "\x01\x83\x01\x02\x03\x04\x60\x60\x60" + "\x80\x83\x00\x00\x00\x00def" + "\x82\xfe\x00\xc8\x00\x00\x00\x00" + strings.Repeat("b", 200) +
		"\x8a\x84\x00\x00\x00\x00ping" + "\x88\x82\x00\x00\x00\x00\x03\xe8"
}
