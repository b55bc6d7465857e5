package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestListen(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.9.9.9:0", "localhost:0", "[::ffff:127.0.0.1]:0", "[::1]:0"} {
		l, err := Listen(addr)
		if err != nil && strings.Contains(addr, "[::1]") && !errors.Is(err, ErrAddress) {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if a := l.Addr().(*net.TCPAddr); !a.IP.IsLoopback() {
			t.Errorf("%s: listens on %s", addr, a)
		}
		l.Close()
	}
	for _, addr := range []string{"", ":8899", "8899", "host.test:80", "127.0.0.1", "127.0.0.1:x", "localhost"} {
		if l, err := Listen(addr); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v, %v", addr, l, err)
		}
	}
	reachable := []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:0.0.0.0]:0", "[fe80::1%lo]:0"}
	if Isolated() == nil {
		t.Log("nothing leads out of here: other addresses are not refused")
		reachable = nil
	}
	for _, addr := range reachable {
		if l, err := Listen(addr); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v, %v", addr, l, err)
		}
	}
}

// TestServeRefuses: a listener that was made elsewhere is no way around.
func TestServeRefuses(t *testing.T) {
	if Isolated() == nil {
		t.Skip("nothing leads out of here")
	}
	s, err := New(reading(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, ErrAddress) {
		t.Errorf("%v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

// allowed are the names that this package may use of packages that can open
// connections or start programs. Whatever else they have is no business of a server
// that must not ask anybody.
var allowed = map[string][]string{
	"net":               {"Conn", "Listener", "Listen", "Addr", "TCPAddr", "UnixAddr", "IP", "ErrClosed"},
	"net/http":          {"Server", "HTTP2Config", "Handler", "HandlerFunc", "Header", "Request", "ResponseWriter", "NewResponseController", "StatusText"},
	"net/http/httputil": {"NewChunkedReader"},
	"net/url":           {"Parse"},
	"crypto/tls":        {"Config", "Conn", "Certificate", "ClientHelloInfo", "Server", "VersionTLS10"},
	"crypto/x509":       {"Certificate", "CreateCertificate", "ParseCertificate", "KeyUsageCertSign", "KeyUsageDigitalSignature", "ExtKeyUsage", "ExtKeyUsageServerAuth"},
	"syscall": {"NetlinkRIB", "RTM_GETROUTE", "AF_UNSPEC", "AF_INET6", "ParseNetlinkMessage", "ParseNetlinkRouteAttr", "NetlinkMessage",
		"RTM_NEWROUTE", "SizeofRtMsg", "RT_TABLE_LOCAL", "RTN_UNICAST", "RTA_DST", "RTA_TABLE"},
}

// harmless are other packages that it may import.
var harmless = []string{"bufio", "bytes", "context", "crypto/ecdsa", "crypto/elliptic", "crypto/rand", "crypto/sha256", "crypto/x509/pkix", "encoding/binary", "encoding/hex",
	"encoding/json", "errors", "fmt", "io", "log", "maps", "math/big", "net/netip", "net/textproto", "slices", "strconv", "strings", "sync", "time", "unicode/utf8", "kagami/evidence/replay"}

// TestNoDialer: there is nothing in this package that could open a connection.
func TestNoDialer(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range dialers(f) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if seen < 10 {
		t.Errorf("%d files only", seen)
	}
	bad := "package x\nimport (\"net\"; h \"net/http\"; \"os/exec\")\nvar _ net.Dialer\nvar _ = h.Get\nfunc f() { net.Dial(\"\", \"\"); exec.Command(\"\") }"
	f, err := parser.ParseFile(token.NewFileSet(), "", bad, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := dialers(f); len(got) != 4 {
		t.Errorf("of four found %q", got)
	}
}

// dialers are the names that a file must not use.
func dialers(f *ast.File) (problems []string) {
	local := map[string]string{}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		local[name] = path
		if allowed[path] == nil && !slices.Contains(harmless, path) {
			problems = append(problems, "imports "+path)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok || x.Obj != nil {
			return true
		}
		path := local[x.Name]
		status := path == "net/http" && strings.HasPrefix(s.Sel.Name, "Status")
		if names := allowed[path]; names != nil && !slices.Contains(names, s.Sel.Name) && !status {
			problems = append(problems, "uses "+path+"."+s.Sel.Name)
		}
		return true
	})
	return problems
}

// TestStrace: what the server does while it is asked for all sorts of things, it does
// without a connect() or a datagram.
func TestStrace(t *testing.T) {
	const child = "KAGAMI_SERVER_TRACED"
	if os.Getenv(child) != "" {
		traced(t)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	if out, err := exec.Command(strace, "-o", trace, "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v: %s", err, out)
	}
	cmd := exec.Command(strace, "-f", "-qq", "-o", trace, "-e", "trace=%network", os.Args[0], "-test.run=^TestStrace$")
	cmd.Env = append(os.Environ(), child+"=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(out)
	addr, err := br.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	askAll(t, strings.TrimSpace(addr))
	in.Close()
	io.Copy(io.Discard, br)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(calls), " listen(") || !strings.Contains(string(calls), " accept4(") {
		t.Fatalf("this is no trace of a server:\n%s", calls)
	}
	for _, call := range []string{" connect(", " sendto(", " sendmsg(", " sendmmsg("} {
		if strings.Contains(string(calls), call) {
			t.Errorf("it calls%s):\n%s", call, calls)
		}
	}
}

// traced serves until its standard input ends.
func traced(t *testing.T) {
	two := get("https://two.test/", "2")
	two.Request.Version = "HTTP/2"
	s, err := New(reading(get("http://a.test/", "1"), two), Options{Fuzzy: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
	l.Close()
}

// askAll asks for what was recorded, what was not, and for hosts that exist.
func askAll(t *testing.T, addr string) {
	insecure := http.DefaultTransport.(*http.Transport).Clone()
	insecure.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: addr})
	insecure.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	c := &http.Client{Transport: insecure, Timeout: 20 * time.Second}
	defer c.CloseIdleConnections()
	for target, status := range map[string]int{"http://a.test/": 200, "https://a.test/": 200, "https://two.test/": 200, "http://example.com/": 504, "https://example.com/": 504,
		"http://localhost:1/": 504, "http://192.0.2.1/": 504, "https://update.googleapis.com/": 504, "http://a.test/favicon.ico": 404} {
		a, err := c.Get(target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if a.Body.Close(); a.StatusCode != status {
			t.Errorf("%s: %s", target, a.Status)
		}
	}
}
