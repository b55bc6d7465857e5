// Package exporters writes records where others read them: a Format turns a
// record into one line, a Sink puts lines somewhere, an Export joins the two and
// a Queue keeps a slow place from slowing anyone else.
//
// A format is one file format_*.go and one line in formats below; a sink is one
// file sink_*.go and one line in sinks. Strings in records come from the wire:
// whatever they hold, a format makes exactly one line of them.
//
// It imports packet and records, and none of the sensor's other adapters.
package exporters

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"kagami/records"
)

// Format turns records into lines. An instance belongs to one Export and keeps
// scratch memory: its methods are not for two goroutines at once.
type Format interface {
	// Append appends the record's line to dst, without a newline. False: this
	// format has no line for the record, and dst is as it was.
	Append(dst []byte, r records.Record) ([]byte, bool)
}

// joiner is a Format of several logs, in which a record has none, one or several
// lines, and some come later: when the record that completes them does.
type joiner interface {
	Format
	// add takes a record.
	add(r records.Record)
	// rest tells that no record follows: what waits is due.
	rest()
	// next appends the next line that is due. It fills in all of the Line but Text.
	next(dst []byte) ([]byte, Line, bool)
}

// Line is one line on its way, with what a sink's own header needs.
type Line struct {
	Text     []byte // without the newline; borrowed, valid until Write returns
	At       int64  // the record's logical time, nanoseconds since the epoch
	Kind     records.Kind
	Severity Severity
	Log      string     // which of the format's logs it belongs to, "" if there is one
	Seq      uint64     // of the export, from 1, never used again; 0 = not numbered
	Class    uint8      // how much it matters: 0 flow and other sightings, 1 protocol records, 2 identity, stats, heartbeat, 3 alert
	Client   netip.Addr // of the record; zero if there is none, or if the line joins several records
}

// Severity is a syslog severity (RFC 5424 section 6.2.1).
type Severity uint8

const (
	SeverityError   Severity = 3
	SeverityWarning Severity = 4
	SeverityInfo    Severity = 6
)

// Sink puts lines somewhere. Write belongs to one goroutine; the other methods
// may be called from another one at the same time.
type Sink interface {
	// Write hands over lines in order. Written says what became of the first of
	// them; the rest, after an error, is for the caller to offer again. Every
	// call is one attempt: waiting between attempts is the caller's. It returns
	// soon after ctx ends.
	Write(ctx context.Context, lines []Line) (Written, error)
	// Flush passes on what the sink still holds.
	Flush() error
	// Reopen closes and opens files again, after log rotation.
	Reopen() error
	// Close flushes and frees the sink; no call follows.
	Close() error
}

// Written says what became of the first Sent+Refused lines of a batch.
type Written struct {
	Sent    int
	Refused int // lines that this sink can never carry: too long for its message size
}

func (w Written) done() int { return w.Sent + w.Refused }

// Env is what exports need to know of the program around them.
type Env struct {
	Location  *time.Location // of the formats that write local time; nil is UTC
	HostName  string         // of this sensor: syslog and NetScreen headers
	SensorID  string         // of this box, for good; "" = none
	BootID    string         // of this run
	SeqID     string         // names the run of numbers that Line.Seq counts in
	Device    string         // device name in NetScreen lines; "" is "kagami"
	Version   string         // of the program, in CEF and LEEF headers; "" is "0"
	DirectTLS DirectTLS
	ProxyLegs ProxyLegs
	Files     FileMode
	Stdout    io.Writer // of "stdout:"; nil is the process's own
	Account   *Account  // nil: lines bear no numbers, and no heartbeats are written
	Logger    *slog.Logger
}

// DirectTLS says what access logs make of TLS connections that no proxy carried.
type DirectTLS uint8

const (
	DirectTLSAsConnect DirectTLS = iota // a CONNECT line at the end of the connection
	DirectTLSOmitted
)

// ProxyLegs says what access logs make of what a proxy asked on behalf of a
// workstation whose own request is in the log: a reader wants one line a fetch.
type ProxyLegs uint8

const (
	ProxyLegsOmitted ProxyLegs = iota
	ProxyLegsShown
)

// FileMode says what a file sink does with a file that is there already.
type FileMode uint8

const (
	AppendFiles   FileMode = iota // go on at its end: a running sensor
	TruncateFiles                 // start anew: results of reading captures
)

type formatEntry struct {
	name  string
	kinds []records.Kind // that it has lines for
	open  func(Env) Format
	logs  logs
}

// logs says how many logs a format makes.
type logs uint8

const (
	oneLog   logs = iota
	manyLogs      // each into a file of a directory, or all into one place
	logFiles      // each into a file of a directory
	noText        // octets, which only an IPFIX collector takes
)

// formats are all formats, in the order in which messages list them.
var formats = []formatEntry{
	{"ecs", allKinds(), newECS, oneLog},
	{"squid", []records.Kind{records.KindHTTP, records.KindFlow}, newSquid, oneLog},
	{"squid-combined", []records.Kind{records.KindHTTP, records.KindFlow}, newSquidCombined, oneLog},
	{"netscreen", []records.Kind{records.KindFlow}, newNetScreen, oneLog},
	{"bind", []records.Kind{records.KindDNS}, newBIND, oneLog},
	{"postfix", []records.Kind{records.KindMail}, newPostfix, oneLog},
	{"eve", eveKinds(), newEVE, oneLog},
	{"zeek", allKinds(), newZeek, logFiles},
	{"zeek-json", allKinds(), newZeekJSON, manyLogs},
	{"cef", allKinds(), newCEF, oneLog},
	{"leef", allKinds(), newLEEF, oneLog},
	{"leef1", allKinds(), newLEEF1, oneLog},
	{"ipfix", []records.Kind{records.KindFlow}, newIPFIX, noText},
}

func allKinds() []records.Kind {
	all := make([]records.Kind, records.NumKinds)
	for k := range all {
		all[k] = records.Kind(k)
	}
	return all
}

type sinkEntry struct {
	scheme string
	check  func(*url.URL) error              // without opening anything
	open   func(*url.URL, Env) (Sink, error) // connects to nothing yet
}

// sinks are all places, in the order in which messages list them.
var sinks = []sinkEntry{
	{"file", checkFile, openFile},
	{"stdout", checkStdout, openStdout},
	{"syslog+udp", checkSyslog, openSyslog},
	{"syslog+tcp", checkSyslog, openSyslog},
	{"syslog+tls", checkSyslog, openSyslog},
	{"syslog+unix", checkSyslog, openSyslog},
	{"ipfix+udp", checkIPFIX, openIPFIX},
	{"ipfix+tcp", checkIPFIX, openIPFIX},
	{"ipfix+tls", checkIPFIX, openIPFIX},
	{"opensearch+https", checkOpenSearch, openOpenSearch},
	{"opensearch+http", checkOpenSearch, openOpenSearch},
	{"elasticsearch+https", checkOpenSearch, openOpenSearch},
	{"elasticsearch+http", checkOpenSearch, openOpenSearch},
	{"clickhouse+https", checkClickHouse, openClickHouse},
	{"clickhouse+http", checkClickHouse, openClickHouse},
	{"kafka", checkKafka, openKafka},
	{"kafka+tls", checkKafka, openKafka},
	{"nats", checkNATS, openNATS},
	{"nats+tls", checkNATS, openNATS},
	{"webhook", checkWebhook, openWebhook},
	{"webhook+https", checkWebhook, openWebhook},
	{"webhook+http", checkWebhook, openWebhook},
	{"mail", checkMail, openMail},
	{"mail+tls", checkMail, openMail},
}

// Formats are the names of all formats.
func Formats() []string {
	names := make([]string, len(formats))
	for i := range formats {
		names[i] = formats[i].name
	}
	return names
}

// Schemes are the URL schemes of all sinks.
func Schemes() []string {
	names := make([]string, len(sinks))
	for i := range sinks {
		names[i] = sinks[i].scheme
	}
	return names
}
