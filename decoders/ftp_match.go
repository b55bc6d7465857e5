package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/sensor"
)

const ftpPort = 21

// matchFTP recognises a control connection by the commands that no other protocol
// has, and by greetings that name it. Any command or reply will do on its port;
// "220 welcome" and "USER name" may be another's.
func matchFTP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if isDigit(first[0]) {
		return matchFTPReply(first, f.Key.Port(side) == ftpPort)
	}
	return matchFTPCommand(f, side, first)
}

// ftpOpenings are commands that FTP alone has. With a blank, an argument must
// follow.
var ftpOpenings = [...]string{
	"feat\r\n", "syst\r\n", "pasv\r\n", "epsv", "pwd\r\n", "xpwd\r\n", "cdup\r\n", "type a", "type i", "type l", "port ", "eprt ",
	"cwd ", "stor ", "appe ", "stou", "nlst", "mlsd", "mdtm ", "size ", "opts utf8", "auth tls", "auth ssl", "auth gssapi", "pbsz ", "prot ", "dele /",
}

func matchFTPCommand(f *sensor.Flow, side packet.Side, b []byte) sensor.Match {
	best := opens(b, ftpOpenings[:])
	if best == sensor.FromClient {
		return best
	}
	server := f.Key.Port(side.Other())
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	switch {
	case server == ftpPort:
		if _, _, ok := ftpVerb(trimEOL(line)); whole && ok && isMailText(line) {
			return sensor.FromClient
		} else if !whole && len(b) < sensor.MatchLimit && isMailText(b) {
			return sensor.Maybe
		}
	case equalFold(b[:min(len(b), 5)], "user "[:min(len(b), 5)]):
		// POP3 has USER as well; its server greets in another way, and would be known.
		const pop3, pop3s = 110, 995
		if server == pop3 || server == pop3s || !isMailText(b) || bytes.Contains(line, []byte(" :")) { // IRC: USER name mode * :real name
			return best
		}
		if whole && f.Payload(side.Other()) > 0 {
			return sensor.FromClient
		}
		return afterUser(b)
	}
	return best
}

// startsFTPLine tells a whole line from the end of one whose beginning was lost.
func startsFTPLine(line []byte) bool {
	if _, _, ok := ftpReply(line); ok {
		return true
	}
	verb, _, ok := ftpVerb(line)
	if !ok {
		return false
	}
	switch verb {
	case "USER", "PASS", "ACCT", "CWD", "CDUP", "QUIT", "REIN", "PORT", "PASV", "TYPE", "STRU", "MODE", "RETR", "STOR", "STOU", "APPE", "ALLO",
		"REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD", "MKD", "PWD", "LIST", "NLST", "SITE", "SYST", "STAT", "HELP", "NOOP", "FEAT", "OPTS",
		"AUTH", "ADAT", "PBSZ", "PROT", "CCC", "EPRT", "EPSV", "MDTM", "SIZE", "MLST", "MLSD", "XCWD", "XMKD", "XPWD", "XRMD", "XCUP", "HOST", "CLNT":
		return true
	}
	return false
}

// afterUser tells by what follows USER and PASS whether the client speaks FTP.
func afterUser(b []byte) sensor.Match {
	for line := range bytes.Lines(b) {
		if verb, _, ok := ftpVerb(trimEOL(line)); !ok && bytes.HasSuffix(line, []byte{'\n'}) {
			return sensor.No
		} else if verb != "USER" && verb != "PASS" && ok {
			for _, s := range ftpOpenings {
				if n := len(s); len(line) >= n && equalFold(line[:n], s) {
					return sensor.FromClient
				}
			}
			if bytes.HasSuffix(line, []byte{'\n'}) {
				return sensor.No
			}
		}
	}
	return sensor.Maybe
}

// matchFTPReply wants a greeting that names FTP; on its port, any reply.
func matchFTPReply(b []byte, port bool) sensor.Match {
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	line = trimEOL(line)
	if len(line) < 4 && !whole {
		for i, c := range line {
			if !isDigit(c) || i == 0 && (c < '1' || c > '5') {
				return sensor.No
			}
		}
		return sensor.Maybe
	}
	code, _, ok := ftpReply(line)
	if !ok || !isMailText(b) {
		return sensor.No
	}
	upper := bytes.ToUpper(b)
	switch {
	case bytes.Contains(upper, []byte("SMTP")) || bytes.Contains(upper, []byte("LMTP")):
		return sensor.No
	case port && (whole || len(b) >= 8):
		return sensor.FromServer
	case code == 220 && bytes.Contains(upper, []byte("FTP")):
		return sensor.FromServer
	case code == 220 || !whole:
		return sensor.Maybe // the client's first words tell
	}
	return sensor.No
}
