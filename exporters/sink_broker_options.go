package exporters

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kagami/exporters/secret"
)

// brokerOptions are what the URLs of message brokers have in common:
//
//	SCHEME://host:port,host:port/NAME?user=sensor&password=file:/etc/kagami/password
//
// The hosts are members of one cluster, of which any will do to begin with.
type brokerOptions struct {
	servers  []string // host:port
	name     nameTemplate
	tls      *tlsOptions // nil without TLS
	user     string
	password string // where it is: see exporters/secret
}

// readBrokerURL reads a URL of a broker whose usual port is port. set takes the
// options in own, which this broker alone has.
func readBrokerURL(u *url.URL, port string, own []string, set func(name, value string) error) (brokerOptions, error) {
	o := brokerOptions{name: newNameTemplate(strings.TrimPrefix(u.Path, "/"))}
	var problems []error
	if u.User != nil {
		problems = append(problems, errors.New("want no user and no password here, where others read them: write user=NAME and password=file:/path or password=env:NAME behind the question mark"))
	}
	for _, host := range strings.Split(u.Host, ",") {
		server, err := serverAddress(host, port)
		if err != nil {
			problems = append(problems, fmt.Errorf("%w, as in %s://broker.example:%s/kagami", err, u.Scheme, port))
		}
		o.servers = append(o.servers, server)
	}
	known := append([]string{"user", "password"}, own...)
	if strings.HasSuffix(u.Scheme, "+tls") {
		o.tls = new(tlsOptions)
		known = append(known, tlsOptionNames()...)
	}
	q, err := url.ParseQuery(u.RawQuery)
	problems = append(problems, err)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		value := q.Get(name)
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, fmt.Errorf("option %q is unknown here, want one of %s%s", name, strings.Join(known, ", "), didYouMean(name, known)))
		case name == "user":
			o.user = value
		case name == "password":
			o.password = value
			problems = append(problems, checkReference(name, value))
		case o.tls == nil || !o.tls.set(name, value):
			problems = append(problems, set(name, value))
		}
	}
	if o.tls != nil {
		problems = append(problems, o.tls.check())
	}
	if (o.user == "") != (o.password == "") {
		problems = append(problems, errors.New("user and password go together"))
	}
	return o, errors.Join(problems...)
}

// serverAddress adds the usual port to a host that has none.
func serverAddress(host, port string) (string, error) {
	if host == "" {
		return "", errors.New("want a host, or several with commas between them")
	}
	if name, p, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || name == "" {
			return "", fmt.Errorf("got %q, want a host and a port", host)
		}
		return host, nil
	}
	if name := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); name == "" || strings.ContainsAny(name, "[]") || name == host && strings.Contains(host, ":") {
		return "", fmt.Errorf("got %q, want a host", host)
	} else {
		return net.JoinHostPort(name, port), nil
	}
}

// checkReference tells whether an option says where a secret is, without reading it.
func checkReference(name, ref string) error {
	if err := secret.Check(ref); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// readPassword returns the password, "" without a user.
func (o *brokerOptions) readPassword() (string, error) {
	if o.password == "" {
		return "", nil
	}
	p, err := secret.Read(o.password)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return p, nil
}
