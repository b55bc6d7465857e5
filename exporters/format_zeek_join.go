package exporters

import (
	"time"

	"kagami/records"
)

// add implements joiner: it makes the lines due that the record completes.
func (f *zeek) add(rec records.Record) {
	m := rec.Meta()
	f.dns.expire(f, m.At)
	f.leases.expire(f, m.At)
	switch r := rec.(type) {
	case *records.Flow:
		f.line(zeekConn, r)
	case *records.DNS:
		f.message(r)
	case *records.HTTP:
		f.line(zeekHTTP, r)
		f.odd(r, r.Odd)
	case *records.TLS:
		f.line(zeekSSL, r)
		f.certificates(r)
		f.odd(r, r.Odd)
	case *records.Mail:
		f.mail(r)
		f.odd(r, r.Odd)
	case *records.Auth:
		f.line(zeekAuth, r)
	case *records.FTP:
		f.line(zeekFTP, r)
		f.odd(r, r.Odd)
	case *records.File:
		f.line(zeekFiles, r)
		f.odd(r, r.Odd)
	case *records.DHCP:
		f.dhcp(r)
		f.odd(r, r.Odd)
	case *records.NTP:
		f.line(zeekNTP, r)
	case *records.SOCKS:
		f.line(zeekSOCKS, r)
		f.odd(r, r.Odd)
	case *records.QUIC:
		f.line(zeekQUIC, r)
		f.odd(r, r.Odd)
	case *records.WebSocket:
		f.line(zeekWebSocket, r)
		f.odd(r, r.Odd)
	case *records.SSDP:
		f.line(zeekSSDP, r)
		f.odd(r, r.Odd)
	case *records.Identity:
		f.line(zeekIdentity, r)
	case *records.Alert:
		f.line(zeekNotice, r)
	case *records.Stats:
		f.line(zeekStats, r)
	case *records.Heartbeat:
		f.line(zeekHeartbeat, r)
	}
}

// rest implements joiner.
func (f *zeek) rest() {
	f.dns.flush(f)
	f.leases.flush(f)
}

func (f *zeek) line(log int, r records.Record) { f.lineN(log, r, 0) }

func (f *zeek) lineN(log int, r records.Record, n int) {
	f.due = append(f.due, zeekLine{log: log, rec: r, n: n})
}

// odd is a line in weird.log for what a decoder met that ought not to be.
func (f *zeek) odd(r records.Record, what string) {
	if what != "" {
		f.line(zeekWeird, r)
	}
}

// certificates makes a line for each certificate: the server's chain, then the
// client's.
func (f *zeek) certificates(r *records.TLS) {
	n := 0
	if r.Certificate != nil {
		n = 1 + len(r.Intermediates)
	}
	if r.ClientCertificate != nil {
		n += 1 + len(r.ClientIntermediates)
	}
	for i := range n {
		f.lineN(zeekX509, r, i)
	}
}

// mail makes no line of what Zeek has no log for: what POP3 and IMAP delivered.
func (f *zeek) mail(r *records.Mail) {
	if r.Protocol == "smtp" || r.Protocol == "lmtp" {
		f.line(zeekSMTP, r)
	}
}

// A query waits so long for its response, as in Zeek (dns_session_timeout).
const zeekDNSWait = int64(10 * time.Second)

// zeekMaxQueries is how many wait at most; then the oldest is written without a
// response.
const zeekMaxQueries = 2048

// zeekQueries are the DNS queries that wait for their responses, oldest first.
type zeekQueries struct {
	ring  [zeekMaxQueries]*records.DNS // nil = answered
	first int                          // index of the oldest
	used  int
	at    map[zeekQuery]int // index of the newest that waits
}

type zeekQuery struct {
	flow uint64
	id   uint16
}

// message writes a response with what its query told, and holds a query back. A
// response bears its query's details already: the query is only taken from the ring.
func (f *zeek) message(r *records.DNS) {
	q := &f.dns
	key := zeekQuery{r.Meta().UID, r.ID}
	if r.Response {
		l := zeekLine{log: zeekDNS, rec: r}
		if i, ok := q.at[key]; ok && r.RTT >= 0 {
			l.query, q.ring[i] = q.ring[i], nil
			delete(q.at, key)
		}
		f.due = append(f.due, l)
		return
	}
	if q.used == len(q.ring) {
		q.oldest(f)
	}
	if q.at == nil {
		q.at = make(map[zeekQuery]int)
	}
	i := (q.first + q.used) % len(q.ring)
	q.ring[i] = r
	q.used++
	q.at[key] = i
}

// expire writes queries that have waited too long, or since before the capture's
// clock was set back.
func (q *zeekQueries) expire(f *zeek, now int64) {
	for q.used > 0 {
		r := q.ring[q.first]
		if r != nil && now >= r.Meta().At && now-r.Meta().At < zeekDNSWait {
			return
		}
		q.oldest(f)
	}
}

func (q *zeekQueries) flush(f *zeek) {
	for q.used > 0 {
		q.oldest(f)
	}
}

// oldest takes the oldest query out; if it was not answered, its line is due.
func (q *zeekQueries) oldest(f *zeek) {
	if r := q.ring[q.first]; r != nil {
		f.line(zeekDNS, r)
		if key := (zeekQuery{r.Meta().UID, r.ID}); q.at[key] == q.first {
			delete(q.at, key)
		}
		q.ring[q.first] = nil
	}
	q.first = (q.first + 1) % len(q.ring)
	q.used--
}
