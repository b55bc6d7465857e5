package exporters

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"kagami/exporters/secret"
)

// tlsOptions are what a place's URL says of TLS:
//
//	ca=/path/ca.pem                      whom to trust; the system's authorities if not given
//	cert=/path/c.pem&key=/path/c.key     the client's certificate and its key
//	server_name=siem.example.jp          to find in the server's certificate; the URL's host if not given
//
// A server is always verified, and TLS 1.2 is the oldest version spoken.
type tlsOptions struct {
	ca, cert, key string // PEM files
	serverName    string
}

// tlsOptionNames are the names that set knows.
func tlsOptionNames() []string { return []string{"ca", "cert", "key", "server_name"} }

// set reads one option of a URL; false: it is none of TLS.
func (o *tlsOptions) set(name, value string) bool {
	switch name {
	case "ca":
		o.ca = value
	case "cert":
		o.cert = value
	case "key":
		o.key = value
	case "server_name":
		o.serverName = value
	default:
		return false
	}
	return true
}

// check tells what is wrong without opening a file.
func (o *tlsOptions) check() error {
	if (o.cert == "") != (o.key == "") {
		return errors.New("cert and key go together: the client's certificate and its key")
	}
	return nil
}

// config reads the files. A sink asks for it when it opens, so that a mistake
// shows at the start, and again for every connection, so that a renewed
// certificate counts without a restart. The key must be private.
func (o *tlsOptions) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.serverName, DynamicRecordSizingDisabled: true}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("read ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ca: %q holds no PEM certificate", o.ca)
		}
	}
	if o.cert == "" {
		return c, nil
	}
	if err := secret.CheckFile(o.key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("read cert and key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
