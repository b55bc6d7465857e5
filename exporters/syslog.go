package exporters

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/records"
)

// message writes the header of RFC 5424 messages.
type message struct {
	facility int
	host     string // "-" when unknown
}

const (
	appName     = "kagami"
	maxHostName = 255 // RFC 5424 section 6
)

func newMessage(facility int, host string) message {
	if host == "" {
		return message{facility, "-"}
	}
	return message{facility, string(nameChars.appendReplaced(nil, host, "", maxHostName))}
}

// append appends everything before the text:
//
//	<PRI>1 TIMESTAMP HOSTNAME kagami - MSGID -
//
// and a blank. PROCID is nil so that the same record always makes the same
// message; MSGID is the record's kind. The time has microseconds, as many as the
// RFC allows. No byte order mark goes before the text: readers differ about it.
func (m *message) append(dst []byte, l *Line) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(m.facility*8)+int64(l.Severity), 10)
	dst = append(dst, ">1 "...)
	dst = time.Unix(0, l.At).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	dst = append(dst, ' ')
	dst = append(dst, m.host...)
	dst = append(dst, " "+appName+" - "...)
	dst = append(dst, kindName(l.Kind)...)
	return append(dst, " - "...)
}

func kindName(k records.Kind) string {
	if k >= records.NumKinds {
		return "-"
	}
	return k.String()
}

// facilities are the names of RFC 5424 table 1 as syslog daemons spell them; the
// index is the number.
var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// Message sizes in octets. Every receiver takes minMessage (RFC 5424 section 6.1);
// rsyslog splits what is longer than defaultMessage unless told otherwise;
// no UDP datagram carries more than maxMessage.
const (
	minMessage     = 480
	defaultMessage = 8096
	maxMessage     = 65507
)

// syslogOptions are what a syslog URL says.
type syslogOptions struct {
	address       string // host:port
	facility      int
	max           int
	serverName    string // to find in the server's certificate
	ca, cert, key string // PEM files
}

func checkSyslog(u *url.URL) error {
	_, err := readSyslogURL(u)
	return err
}

func readSyslogURL(u *url.URL) (syslogOptions, error) {
	o := syslogOptions{facility: slices.Index(facilities, "local0"), max: defaultMessage, serverName: u.Hostname()}
	var problems []error
	port := u.Port()
	switch {
	case u.Hostname() == "":
		problems = append(problems, fmt.Errorf("want a host, as in %s://collector.example:6514", u.Scheme))
	case u.Path != "" && u.Path != "/" || u.User != nil:
		problems = append(problems, errors.New("want host and port only, no path and no user"))
	case port == "" && u.Scheme == "syslog+udp":
		port = "514"
	case port == "" && u.Scheme == "syslog+tls":
		port = "6514"
	case port == "": // RFC 6587 gives plain TCP none
		problems = append(problems, errors.New("want a port: plain TCP has no usual one"))
	}
	o.address = net.JoinHostPort(u.Hostname(), port)
	q, err := url.ParseQuery(u.RawQuery)
	problems = append(problems, err)
	known := []string{"facility", "max"}
	if u.Scheme == "syslog+tls" {
		known = append(known, "ca", "cert", "key", "server_name")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("option %q is unknown here, want one of %s%s", name, strings.Join(known, ", "), didYouMean(name, known)))
			continue
		}
		problems = append(problems, o.set(name, q.Get(name)))
	}
	if (o.cert == "") != (o.key == "") {
		problems = append(problems, errors.New("cert and key go together: the client's certificate and its key"))
	}
	return o, errors.Join(problems...)
}

// set reads one option, whose name is known.
func (o *syslogOptions) set(name, value string) error {
	switch name {
	case "facility":
		if o.facility = slices.Index(facilities, value); o.facility < 0 {
			return fmt.Errorf("facility: got %q, want one of %s", value, strings.Join(facilities, ", "))
		}
	case "max":
		n, err := strconv.Atoi(value)
		if err != nil || n < minMessage || n > maxMessage {
			return fmt.Errorf("max: got %q, want a number of octets from %d to %d", value, minMessage, maxMessage)
		}
		o.max = n
	case "ca":
		o.ca = value
	case "cert":
		o.cert = value
	case "key":
		o.key = value
	case "server_name":
		o.serverName = value
	}
	return nil
}

// tlsConfig reads the files; the server's certificate is always verified.
func (o *syslogOptions) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.serverName}
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
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("read cert and key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
