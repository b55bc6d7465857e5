package exporters

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// tlsServer is a server's TLS with one certificate.
func tlsServer(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

// clientTLS trusts a CA.
func clientTLS(ca authority) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cuttingProxy passes on connections; the first is cut after so many octets from
// the client.
func cuttingProxy(t *testing.T, to string, after int64) string {
	l := listen(t, "127.0.0.1:0")
	go func() {
		for first := true; ; first = false {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				return
			}
			go io.Copy(client, server)
			go func(limited bool) {
				if limited {
					io.CopyN(server, client, after)
				} else {
					io.Copy(server, client)
				}
				client.Close()
				server.Close()
			}(first)
		}
	}()
	return l.Addr().String()
}

// verifyConnect tells whether a NATS CONNECT proves that its sender has the key.
func verifyConnect(line, public string) error {
	var c struct{ JWT, Sig string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(line), "CONNECT ")), &c); err != nil {
		return fmt.Errorf("read %q: %w", line, err)
	}
	sig, err := base64.RawURLEncoding.DecodeString(c.Sig)
	if err != nil {
		return err
	}
	key, err := nkeys.FromPublicKey(public)
	if err != nil {
		return err
	}
	if c.JWT != "e30.e30.e30" {
		return fmt.Errorf("the name is %q", c.JWT)
	}
	return key.Verify([]byte("NONCE"), sig)
}
