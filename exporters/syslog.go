package exporters

import (
	"bytes"
	"strconv"
	"time"

	"kagami/records"
)

// message writes the headers of syslog messages: RFC 5424's, or those that RFC
// 3164 found in use.
type message struct {
	facility int
	host     string // "-" when unknown
	tag      string // APP-NAME, or RFC 3164's TAG
	bsd      bool   // RFC 3164
	local    bool   // RFC 3164 as programs write to /dev/log: without the host
	zone     *time.Location
	element  string // structured data up to the sequence number; "" = none
}

const (
	defaultTag  = "kagami"
	maxHostName = 255 // RFC 5424 section 6
	maxTag      = 32  // RFC 3164 section 4.1.3; RFC 5424 has 48

	// documentationPEN is the enterprise number that RFC 5612 sets aside for
	// examples. Kagami has none of its own, and no vendor will ever have this one.
	documentationPEN = 32473
)

// newMessage makes the header of what o asks for.
func newMessage(o *syslogOptions, env Env) message {
	m := message{facility: o.facility, host: "-", tag: o.tag, bsd: o.bsd, local: o.local, zone: time.UTC}
	if env.HostName != "" {
		m.host = string(nameChars.appendReplaced(nil, env.HostName, "", maxHostName))
	}
	if env.Location != nil && !o.utc {
		m.zone = env.Location
	}
	b := strconv.AppendInt(append([]byte(nil), "[kagami@"...), int64(o.pen), 10)
	b = appendParam(b, "sensor", env.SensorID)
	b = appendParam(b, "boot", env.BootID)
	m.element = string(append(b, ` seq="`...))
	return m
}

// appendParam appends a parameter of structured data (RFC 5424 section 6.3.3)
// unless its value is empty.
func appendParam(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, ' '), name...), `="`...)
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' || c == ']' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

// append appends everything before the text, which is the line's without an
// element that it begins with.
func (m *message) append(dst []byte, l *Line) ([]byte, []byte) {
	element, text := cutElement(l.Text)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(m.facility*8)+int64(l.Severity), 10)
	dst = append(dst, '>')
	if m.bsd {
		return m.appendBSD(dst, l.At, text), text
	}
	return m.append5424(dst, l, element), text
}

// cutElement takes the structured data from the beginning of a line of a plain
// format, which has no place of its own for the sensor's stamp. RFC 3164 messages
// go without it.
func cutElement(text []byte) (element, rest []byte) {
	if !bytes.HasPrefix(text, []byte("[kagami@")) {
		return nil, text
	}
	if n := bytes.Index(text, []byte(`"] `)); n >= 0 {
		return text[:n+2], text[n+3:]
	}
	return nil, text
}

// append5424 appends
//
//	1 TIMESTAMP HOSTNAME TAG - MSGID [kagami@PEN sensor="" boot="" seq=""]
//
// and a blank. PROCID is nil so that the same record always makes the same
// message; MSGID is the record's kind. The time has microseconds, as many as the
// RFC allows. No byte order mark goes before the text: readers differ about it.
func (m *message) append5424(dst []byte, l *Line, element []byte) []byte {
	dst = append(dst, "1 "...)
	dst = time.Unix(0, l.At).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	dst = append(append(dst, ' '), m.host...)
	dst = append(append(dst, ' '), m.tag...)
	dst = append(append(append(dst, " - "...), kindName(l.Kind)...), ' ')
	switch {
	case element != nil:
		return append(append(dst, element...), ' ')
	case l.Seq == 0:
		return append(dst, "- "...)
	}
	return append(strconv.AppendUint(append(dst, m.element...), l.Seq, 10), `"] `...)
}

// appendBSD appends "Mmm dd hh:mm:ss HOST TAG: ". A line that begins with such a
// stamp itself, as Postfix's and NetScreen's do, is a message already.
func (m *message) appendBSD(dst []byte, at int64, text []byte) []byte {
	if stamped(text) {
		return dst
	}
	dst = append(time.Unix(0, at).In(m.zone).AppendFormat(dst, time.Stamp), ' ')
	if !m.local {
		dst = append(append(dst, m.host...), ' ')
	}
	return append(append(dst, m.tag...), ": "...)
}

// stamped tells whether a line of ours begins with the stamp of RFC 3164.
func stamped(text []byte) bool {
	return len(text) > len(time.Stamp) && text[0] >= 'A' && text[0] <= 'S' && text[3] == ' ' && text[6] == ' ' && text[9] == ':' && text[12] == ':' && text[15] == ' '
}

func kindName(k records.Kind) string {
	if k >= records.NumKinds {
		return "-"
	}
	return k.String()
}
