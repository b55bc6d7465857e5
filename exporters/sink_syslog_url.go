package exporters

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Message sizes in octets. Every receiver takes minMessage (RFC 5424 section 6.1);
// rsyslog splits what is longer than defaultMessage unless told otherwise;
// no UDP datagram carries more than maxDatagram.
const (
	minMessage     = 480
	defaultMessage = 8096
	maxDatagram    = 65507
	maxMessage     = 1 << 20
)

// defaultRate is how many datagrams a second are sent at most: a backlog sent as
// fast as possible overflows the receiver's socket, and nobody would notice.
const defaultRate = 1000

// facilities are the names of RFC 5424 table 1 as syslog daemons spell them; the
// index is the number.
var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// syslogOptions are what a syslog URL says.
type syslogOptions struct {
	endpoint
	facility  int
	max       int
	tag       string
	bsd       bool // RFC 3164
	local     bool // without host name
	utc       bool
	timeGiven bool
	pen       uint64
	lines     bool // framed by newlines instead of counts
	rate      int  // datagrams a second, 0 = no limit
}

func checkSyslog(u *url.URL) error {
	_, err := readSyslogURL(u)
	return err
}

func readSyslogURL(u *url.URL) (syslogOptions, error) {
	o := syslogOptions{endpoint: endpoint{transport: strings.TrimPrefix(u.Scheme, "syslog+")}, facility: slices.Index(facilities, "local0"),
		max: defaultMessage, tag: defaultTag, pen: documentationPEN, rate: defaultRate}
	if o.transport == "unix" { // what /dev/log is used to
		o.bsd, o.local, o.lines = true, true, true
	}
	if o.transport != "udp" { // the others make the sender wait
		o.rate = 0
	}
	problems := []error{o.setAddress(u)}
	q, err := url.ParseQuery(u.RawQuery)
	problems = append(problems, err, readOptions(q, o.names(), o.set))
	if o.timeGiven && !o.bsd {
		problems = append(problems, errors.New("time goes with rfc=3164: RFC 5424 messages are always in UTC"))
	}
	problems = append(problems, o.tls.check())
	return o, errors.Join(problems...)
}

// names are the options of the transport.
func (o *syslogOptions) names() []string {
	names := []string{"facility", "max", "rfc", "tag", "time", "pen"}
	switch o.transport {
	case "udp":
		return append(names, "rate")
	case "tls":
		names = append(names, tlsOptionNames()...)
	}
	return append(names, "framing")
}

func (o *syslogOptions) largest() int {
	if o.transport == "udp" {
		return maxDatagram
	}
	return maxMessage
}

// setAddress takes a host and port, or a socket's path.
func (o *syslogOptions) setAddress(u *url.URL) error {
	if o.transport == "unix" {
		o.address = path.Clean(u.Path)
		if u.Host != "" || u.Opaque != "" || !path.IsAbs(u.Path) || o.address == "/" {
			return errors.New("want the absolute path of a socket, as in syslog+unix:///dev/log")
		}
		return nil
	}
	return o.setHost(u, map[string]string{"udp": "514", "tls": "6514"}[o.transport]) // RFC 6587 gives plain TCP none
}

// readOptions hands the options of a URL to set, in the order of their names.
func readOptions(q url.Values, known []string, set func(name, value string) error) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			problems = append(problems, fmt.Errorf("option %q is unknown here, want one of %s%s", name, strings.Join(known, ", "), didYouMean(name, known)))
		case len(q[name]) > 1:
			problems = append(problems, fmt.Errorf("option %q is given %d times", name, len(q[name])))
		default:
			problems = append(problems, set(name, q.Get(name)))
		}
	}
	return errors.Join(problems...)
}

// set reads one option, whose name is known.
func (o *syslogOptions) set(name, value string) (err error) {
	switch name {
	case "facility":
		if o.facility = slices.Index(facilities, value); o.facility < 0 {
			return fmt.Errorf("facility: got %q, want one of %s", value, strings.Join(facilities, ", "))
		}
	case "max":
		o.max, err = number("max", "octets", value, minMessage, o.largest())
	case "rfc":
		o.bsd, err = choice("rfc", value, "5424", "3164")
		o.local = o.local && o.bsd
	case "tag":
		if o.tag = value; value == "" || len(value) > maxTag || !hostChars.all(value) {
			return fmt.Errorf("tag: got %q, want 1 to %d letters, digits and -._", value, maxTag)
		}
	case "time":
		o.timeGiven = true
		o.utc, err = choice("time", value, "local", "utc")
	case "pen":
		n := 0
		n, err = number("pen", "an enterprise", value, 1, 1<<31-1)
		o.pen = uint64(n)
	case "framing":
		o.lines, err = choice("framing", value, "octets", "lf")
	case "rate":
		o.rate, err = number("rate", "messages a second", value, 0, 1e6)
	default:
		o.tls.set(name, value)
	}
	return err
}

// choice tells whether the second of two values was chosen.
func choice(name, value, first, second string) (bool, error) {
	if value != first && value != second {
		return false, fmt.Errorf("%s: got %q, want %s or %s", name, value, first, second)
	}
	return value == second, nil
}

func number(name, unit, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s: got %q, want a number of %s from %d to %d", name, value, unit, least, most)
	}
	return n, nil
}
