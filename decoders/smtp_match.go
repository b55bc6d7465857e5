package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/sensor"
)

// matchSMTP recognises SMTP and LMTP by a direction's first octets: a greeting or
// reply that names the protocol, or the commands that no other protocol has. On
// its own ports any command or reply will do.
func matchSMTP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if isDigit(first[0]) {
		return matchSMTPReply(first, isSMTPPort(f.Key.Port(side)))
	}
	return matchSMTPCommand(first, isSMTPPort(f.Key.Port(side.Other())))
}

func isSMTPPort(port uint16) bool {
	switch port {
	case 25, 587, 24, 26, 465, 1025, 2525, 10024, 10025, 10026:
		return true
	}
	return false
}

// smtpOpenings are beginnings that are SMTP's alone.
var smtpOpenings = [...]string{"ehlo ", "helo ", "lhlo ", "mail from:", "rcpt to:", "mail from: ", "rcpt to: "}

func matchSMTPCommand(b []byte, port bool) sensor.Match {
	best := opens(b, smtpOpenings[:])
	if best == sensor.FromClient {
		return best
	}
	if !port {
		return best
	}
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	if !whole && len(b) < sensor.MatchLimit {
		if isMailText(b) {
			return sensor.Maybe
		}
		return best
	}
	if _, _, _, ok := smtpVerbOf(trimEOL(line)); ok && isMailText(line) {
		return sensor.FromClient
	}
	return best
}

// isMailText tells that b holds no control octets but blanks and line ends.
func isMailText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// matchSMTPReply wants a reply's form and, off SMTP's ports, a word of its own in
// the first line: SMTP, LMTP, an extension, or an enhanced status code (RFC 3463).
func matchSMTPReply(b []byte, port bool) sensor.Match {
	if len(b) < 4 {
		for i, c := range b {
			if !isDigit(c) || i == 0 && (c < '2' || c > '5') {
				return sensor.No
			}
		}
		return sensor.Maybe
	}
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	code, _, ok := replyCode(trimEOL(line))
	if !ok || !isMailText(line) {
		return sensor.No
	}
	if port && (whole || len(b) >= 8) {
		return sensor.FromServer
	}
	upper := bytes.ToUpper(line)
	for _, word := range [...]string{"SMTP", "LMTP"} {
		if bytes.Contains(upper, []byte(word)) {
			return sensor.FromServer
		}
	}
	if enhancedStatus(line[4:], code) {
		return sensor.FromServer
	}
	if code == 220 || !whole {
		return sensor.Maybe // FTP greets alike: the client's first words tell
	}
	return sensor.No
}

// enhancedStatus tells whether b begins with a status like "2.1.0 " of code's class.
func enhancedStatus(b []byte, code int) bool {
	word, _, _ := bytes.Cut(b, []byte{' '})
	part := bytes.Split(word, []byte{'.'})
	if len(part) != 3 || len(part[0]) != 1 || int(part[0][0]-'0') != code/100 {
		return false
	}
	for _, p := range part[1:] {
		if len(p) == 0 || len(p) > 3 || len(bytes.Trim(p, "0123456789")) > 0 {
			return false
		}
	}
	return true
}
