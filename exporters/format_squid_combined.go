package exporters

import (
	"strconv"
	"time"

	"kagami/records"
)

// squidCombined writes Squid's access log, format "combined":
//
//	%>a %[ui %[un [%tl] "%rm %ru HTTP/%rv" %>Hs %<st "%{Referer}>h" "%{User-Agent}>h" %Ss:%Sh
//
// Squid itself does not escape the two headers; here what would end them early
// for a reader is written %XX. The status is 0 when no response was seen.
type squidCombined struct {
	access
	zone *time.Location
}

// Like maxURL: a line stays within 8192 octets.
const (
	maxCombinedURL = 4600
	maxReferrer    = 2048
	maxAgent       = 1024
)

func newSquidCombined(e Env) Format {
	return &squidCombined{access: access{direct: e.DirectTLS, legs: e.ProxyLegs}, zone: e.Location}
}

// Append implements Format.
func (f *squidCombined) Append(dst []byte, r records.Record) ([]byte, bool) {
	if !f.read(r) {
		return dst, false
	}
	a := &f.access
	dst = a.client.AppendTo(dst)
	dst = append(dst, " - "...)
	dst = a.appendUser(dst)
	dst = append(dst, " ["...)
	dst = time.Unix(0, a.end).In(f.zone).AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	dst = a.appendMethod(dst)
	dst = append(dst, ' ')
	dst = a.url.append(dst, maxCombinedURL, &quotedChars)
	dst = append(dst, " HTTP/"...)
	dst = appendVersion(dst, a.version)
	dst = append(dst, `" `...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, a.bytes, 10)
	dst = append(dst, ` "`...)
	dst = appendHeaderOrNone(dst, a.referrer, maxReferrer)
	dst = append(dst, `" "`...)
	dst = appendHeaderOrNone(dst, a.agent, maxAgent)
	dst = append(dst, `" `...)
	dst = append(dst, a.result...)
	dst = append(dst, ':')
	return append(dst, a.hierarchy...), true
}

// appendVersion appends digits and dots, or Squid's "0.0" for an unknown version.
func appendVersion(dst []byte, v string) []byte {
	if v == "" || len(v) > 4 || !versionChars.all(v) {
		return append(dst, "0.0"...)
	}
	return append(dst, v...)
}

var versionChars = charsOf("0123456789.")

func appendHeaderOrNone(dst []byte, s string, limit int) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return appendHeader(dst, s, limit)
}
