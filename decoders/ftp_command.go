package decoders

import (
	"bytes"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ftpUse is what a command is to the decoder.
type ftpUse uint8

const (
	ftpOther    ftpUse = 0
	ftpLogged   ftpUse = 1 << iota // a record is written of it
	ftpOnPath                      // its argument is a path
	ftpTransfer                    // it moves a file
	ftpListing                     // it fetches a list over a data connection
	ftpSecret                      // its argument is not told
)

// ftpUses are the commands that are more than a line to be counted.
func ftpUses(verb string) ftpUse {
	switch verb {
	case "RETR", "STOR", "APPE", "STOU":
		return ftpLogged | ftpOnPath | ftpTransfer
	case "DELE", "RNTO", "MKD", "XMKD", "RMD", "XRMD":
		return ftpLogged | ftpOnPath
	case "PORT", "PASV", "EPRT", "EPSV", "AUTH", "SITE":
		return ftpLogged
	case "ACCT":
		return ftpLogged | ftpSecret
	case "CWD", "XCWD", "RNFR", "SIZE":
		return ftpOnPath
	case "LIST", "NLST", "MLSD":
		return ftpListing
	case "PASS", "ADAT":
		return ftpSecret
	}
	return ftpOther
}

// command takes a line of the client.
func (d *ftpDecoder) command(f *sensor.Flow, line []byte) {
	verb, arg, ok := ftpVerb(line)
	if !ok {
		if d.lost += len(line); len(line) == 0 {
			return // servers do not answer an empty line
		}
		verb, arg = "?", nil
	} else {
		d.lost = 0
	}
	uses := ftpUses(verb)
	c := ftpCommand{verb: verb, at: f.Now}
	if uses&ftpSecret == 0 {
		c.arg = ftpText(arg)
	}
	if uses&ftpOnPath != 0 {
		c.path = d.session.resolve(c.arg)
	}
	switch {
	case verb == "USER":
		s := &d.session
		s.user, s.since, s.asked, s.mech, s.cwd = c.arg, f.Now, true, "USER", ""
	case verb == "REIN":
		d.session = ftpSession{}
	case uses&(ftpTransfer|ftpListing) != 0 && d.channel != nil:
		d.begin(f, &c, uses)
	}
	if uses&ftpLogged != 0 {
		c.record = d.record(f, &c, uses)
	}
	if uses&ftpTransfer != 0 {
		d.session.restart = 0
	}
	if len(d.pending) == maxFTPPending {
		if r := d.pending[0].record; r != nil && r.Odd == "" {
			r.Odd = oddFTPPending
		}
		d.forget(f, 1)
	}
	d.pending = append(d.pending, c)
}

// ftpVerb divides a command line. Telnet's interrupt before ABOR (RFC 959 section
// 4.1.3) is left out.
func ftpVerb(line []byte) (verb string, arg []byte, ok bool) {
	const telnet, mostLetters = 0xf0, 5
	for len(line) > 0 && line[0] >= telnet {
		line = line[1:]
	}
	word, arg, _ := bytes.Cut(line, []byte{' '})
	if len(word) < 3 || len(word) > mostLetters {
		return "", nil, false
	}
	var b [mostLetters]byte
	for i, c := range word {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c < 'A' || c > 'Z' {
			return "", nil, false
		}
		b[i] = c
	}
	return string(b[:len(word)]), arg, true
}

// ftpText is an argument or reply as it is told. Its character set is not said.
func ftpText(b []byte) string {
	return clip(strings.ToValidUTF8(decodeText(b[:min(len(b), maxFTPText)], ""), "\uFFFD"))
}

// resolve is a path from the root, or what is known of it.
func (s *ftpSession) resolve(arg string) string {
	switch {
	case arg == "":
		return ""
	case arg[0] == '/':
		return clip(path.Clean(arg))
	case s.cwd != "":
		return clip(path.Join(s.cwd, arg))
	}
	return arg
}

// record begins the record of a command.
func (d *ftpDecoder) record(f *sensor.Flow, c *ftpCommand, uses ftpUse) *records.FTP {
	s := &d.session
	r := &records.FTP{Start: c.at, User: s.user, Command: c.verb, Argument: c.arg, Path: c.path, URL: ftpURL(f, d.client.Other(), c.path), Size: -1}
	switch {
	case uses&ftpTransfer != 0:
		r.Type, r.Restart = s.kind, s.restart
		if c.path == s.sized && c.verb == "RETR" {
			r.Size = s.size
		}
	case c.verb == "RNTO":
		r.From = s.from
	}
	return r
}

// ftpURL is the URL of a path on the server (RFC 1738 section 3.2). A path that
// does not begin at the root follows a dot, the directory that is not known.
func ftpURL(f *sensor.Flow, server packet.Side, p string) string {
	if p == "" {
		return ""
	}
	if p[0] != '/' {
		p = "/./" + p
	}
	at := netip.AddrPortFrom(netip.AddrFrom16(f.Key.Addr(server)).Unmap(), f.Key.Port(server))
	host := at.String()
	if at.Port() == ftpPort {
		host = strings.TrimSuffix(host, ":21")
	}
	return (&url.URL{Scheme: "ftp", Host: host, Path: p}).String()
}

// reply takes a line of the server (RFC 959 section 4.2).
func (d *ftpDecoder) reply(f *sensor.Flow, line []byte) {
	code, last, ok := ftpReply(line)
	if d.code != 0 { // inside a reply of several lines
		if !ok || code != d.code || !last {
			return
		}
	}
	if !ok {
		d.lost += len(line)
		return
	}
	d.lost = 0
	if d.code = code; !last {
		return
	}
	d.code = 0
	text := ftpText(bytes.TrimLeft(line[3:], " "))
	if code < 200 {
		d.preliminary(text)
		return
	}
	if len(d.pending) == 0 {
		return // the greeting, or the answer to a command that was not seen
	}
	c := d.pending[0]
	d.pending = append(d.pending[:0], d.pending[1:]...)
	d.answered(f, &c, code, text)
}

// ftpReply reads a reply line's code and whether it is the reply's last.
func ftpReply(b []byte) (code int, last, ok bool) {
	if len(b) < 3 || !isDigit(b[0]) || !isDigit(b[1]) || !isDigit(b[2]) || b[0] < '1' || b[0] > '6' {
		return 0, false, false
	}
	code = int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
	switch {
	case len(b) == 3 || b[3] == ' ':
		return code, true, true
	case b[3] == '-':
		return code, false, true
	}
	return code, true, b[3] > '9' || b[3] < '0' // some leave the blank out
}

// preliminary takes a reply that announces another: a transfer begins. Many
// servers tell the size in it, and the name that STOU gave (RFC 1123 section
// 4.1.2.9).
func (d *ftpDecoder) preliminary(text string) {
	if len(d.pending) == 0 {
		return
	}
	c := &d.pending[0]
	if name, ok := strings.CutPrefix(text, "FILE: "); ok && c.verb == "STOU" {
		c.path = d.session.resolve(name)
		if c.record != nil {
			c.record.Path = c.path
		}
	}
	n, ok := bytesIn(text)
	if c.record == nil || c.verb != "RETR" {
		ok = false
	}
	if ok {
		c.record.Size = n
	}
	if c.channel != nil && c.channel.transfer != nil {
		t := c.channel.transfer
		if t.path = c.path; ok && t.octets {
			t.size = n
		}
	}
}

// bytesIn finds "(123 bytes)" at the end of a text.
func bytesIn(text string) (int64, bool) {
	i := strings.LastIndexByte(text, '(')
	if i < 0 {
		return 0, false
	}
	number, rest, _ := strings.Cut(text[i+1:], " ")
	n, err := strconv.ParseInt(number, 10, 64)
	return n, err == nil && n >= 0 && strings.HasPrefix(rest, "bytes")
}

// answered takes a command's final reply.
func (d *ftpDecoder) answered(f *sensor.Flow, c *ftpCommand, code int, text string) {
	d.learn(f, c, code, text)
	if r := c.record; r != nil {
		r.End, r.Code, r.Reply = f.Now, code, text
		d.finish(f, c)
	}
	if c.channel != nil && code < 300 && c.channel == d.channel {
		d.channel = nil // a new one for the next transfer
	}
	if c.verb == "AUTH" && code == 234 {
		d.tls.start(f)
	}
}

// learn keeps what a command's success means for those after it.
func (d *ftpDecoder) learn(f *sensor.Flow, c *ftpCommand, code int, text string) {
	s := &d.session
	switch c.verb {
	case "USER", "PASS", "ACCT":
		d.learnLogin(f, c, code, text)
		return
	case "REST":
		if n, err := strconv.ParseInt(c.arg, 10, 64); err == nil && n > 0 && code == 350 {
			s.restart = n
		}
		return
	case "RNFR":
		s.from = c.path
		return
	}
	if code >= 300 {
		return
	}
	switch c.verb {
	case "CWD", "XCWD":
		if s.cwd = c.path; c.path != "" && c.path[0] != '/' {
			s.cwd = "" // from where is not known
		}
	case "CDUP", "XCUP":
		if s.cwd != "" {
			s.cwd = path.Dir(s.cwd)
		}
	case "PWD", "XPWD":
		if p, ok := quotedPath(text); ok && code == 257 {
			s.cwd = p
		}
	case "TYPE":
		s.kind = strings.ToUpper(c.arg[:min(len(c.arg), 1)])
	case "MODE":
		s.zipped = strings.EqualFold(c.arg, "Z")
	case "SIZE":
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n >= 0 {
			s.sized, s.size = c.path, n
		}
	case "PASV", "EPSV", "PORT", "EPRT":
		d.announce(f, c, code, text)
	}
}

// learnLogin tells whether the client is logged in now.
func (d *ftpDecoder) learnLogin(f *sensor.Flow, c *ftpCommand, code int, text string) {
	s := &d.session
	if c.verb == "PASS" && s.asked {
		s.mech = "USER/PASS"
	}
	switch {
	case !s.asked || code == 331 || code == 332:
	case code/100 == 2:
		d.login(records.AuthSuccess, f.Now, strconv.Itoa(code)+" "+text)
	default:
		d.login(records.AuthFailure, f.Now, strconv.Itoa(code)+" "+text)
	}
}

// quotedPath is the path of a 257 reply; quotes in it are doubled (RFC 959
// appendix II).
func quotedPath(text string) (string, bool) {
	_, rest, ok := strings.Cut(text, `"`)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '"' {
			if i+1 < len(rest) && rest[i+1] == '"' {
				i++
			} else {
				p := b.String()
				return path.Clean(p), strings.HasPrefix(p, "/")
			}
		}
		b.WriteByte(rest[i])
	}
	return "", false
}
