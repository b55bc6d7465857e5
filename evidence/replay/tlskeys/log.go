package tlskeys

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	// maxSecrets bounds the secrets that a Log holds, some 200 octets each.
	maxSecrets = 1 << 19
	// maxLogOctets bounds what is read of one key log. A connection takes 1 KiB.
	maxLogOctets = 512 << 20
	// maxBad bounds the bad lines that are kept with their numbers; all are counted.
	maxBad = 100
	// maxLearned bounds the sessions whose master secret is kept for resumptions.
	maxLearned = 4096
)

const randomLen = 32 // a client's Random (RFC 8446 section 4.1.2)

type random = [randomLen]byte

// label is what a secret of a key log is for (RFC 9850 section 2).
type label uint8

const (
	masterSecret label = iota // CLIENT_RANDOM: TLS 1.2 and before
	clientEarly
	clientHandshake
	serverHandshake
	clientTraffic
	serverTraffic
)

// secretID names a secret. Every secret belongs to a client's Random.
type secretID struct {
	label  label
	random random
}

// Log holds the secrets of key logs. The sessions that share a Log must be fed by
// one goroutine, in the order of the capture: the Log learns from them which
// session ids and tickets stand for which master secret.
type Log struct {
	// Lines counts the lines read, Secrets the secrets held, Ignored the lines with a
	// label that decrypts no TLS record (exporters, ECH, QUIC), BadLines the lines
	// that are no key log's.
	Lines, Secrets, Ignored, BadLines int
	// Bad are the first bad lines, at most 100.
	Bad []BadLine
	// Full says that there were more secrets or octets than a Log holds.
	Full bool

	secrets   map[secretID][]byte
	premaster map[[8]byte][]byte // by the first octets of the encrypted premaster secret
	resumable map[[sha256.Size]byte][]byte
	learned   [][sha256.Size]byte // the keys of resumable that sessions taught, oldest first
	// randoms are those with TLS 1.3 secrets, as they came; claimed those that a
	// ClientHello has shown. With ECH the log names the inner hello, which is never seen.
	randoms []random
	claimed map[random]struct{}
}

// BadLine is a line that cannot be read.
type BadLine struct {
	Line int // from 1
	Why  string
}

// NewLog is a Log without secrets.
func NewLog() *Log {
	return &Log{
		secrets:   map[secretID][]byte{},
		premaster: map[[8]byte][]byte{},
		resumable: map[[sha256.Size]byte][]byte{},
		claimed:   map[random]struct{}{},
	}
}

// Parse reads a key log. Bad lines are counted and passed over; the error is that
// of r alone.
func Parse(r io.Reader) (*Log, error) {
	l := NewLog()
	return l, l.Read(r)
}

// Read adds the secrets of another key log. Line numbers go on.
func (l *Log) Read(r io.Reader) error {
	lines := bufio.NewReaderSize(&io.LimitedReader{R: r, N: maxLogOctets}, 4096)
	total := 0
	for {
		line, err := lines.ReadSlice('\n')
		total += len(line)
		if len(line) > 0 {
			l.Lines++
			if errors.Is(err, bufio.ErrBufferFull) {
				l.bad("line is too long")
			} else {
				l.line(line)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = lines.ReadSlice('\n')
			total += len(line)
		}
		if err == nil {
			continue
		}
		l.Full = l.Full || total == maxLogOctets
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("read key log: %w", err)
	}
}

func (l *Log) bad(why string) {
	l.BadLines++
	if len(l.Bad) < maxBad {
		l.Bad = append(l.Bad, BadLine{Line: l.Lines, Why: why})
	}
}

// line reads one line: a label, a name and a secret, with blanks between.
func (l *Log) line(b []byte) {
	if l.Lines == 1 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	f := bytes.Fields(b)
	if len(f) == 0 || f[0][0] == '#' {
		return
	}
	if len(f) != 3 {
		l.bad("not three fields")
		return
	}
	name, secret := f[1], f[2]
	id, known := labelOf(string(f[0]))
	switch {
	case known:
		l.add(id, name, secret)
	case string(f[0]) == "RSA" && bytes.HasPrefix(name, []byte("Session-ID:")):
		l.addSession(bytes.TrimPrefix(name, []byte("Session-ID:")), secret)
	case string(f[0]) == "RSA":
		l.addPremaster(name, secret)
	case isLabel(f[0]):
		l.Ignored++
	default:
		l.bad("unknown label")
	}
}

func labelOf(s string) (label, bool) {
	switch s {
	case "CLIENT_RANDOM":
		return masterSecret, true
	case "CLIENT_EARLY_TRAFFIC_SECRET":
		return clientEarly, true
	case "CLIENT_HANDSHAKE_TRAFFIC_SECRET":
		return clientHandshake, true
	case "SERVER_HANDSHAKE_TRAFFIC_SECRET":
		return serverHandshake, true
	case "CLIENT_TRAFFIC_SECRET_0":
		return clientTraffic, true
	case "SERVER_TRAFFIC_SECRET_0":
		return serverTraffic, true
	}
	return 0, false
}

// isLabel says whether b may be a label that a later version of the format
// defines: those lines are to be ignored (RFC 9850 section 2).
func isLabel(b []byte) bool {
	for _, c := range b {
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (l *Log) add(id label, name, value []byte) {
	r, ok := unhex(name, randomLen, randomLen)
	if !ok {
		l.bad("client random is not 32 octets in hexadecimal")
		return
	}
	least := 32 // a traffic secret is as long as the cipher suite's hash
	if id == masterSecret {
		least = masterLen
	}
	secret, ok := unhex(value, least, 48)
	if !ok || len(secret) != 32 && len(secret) != 48 {
		l.bad("secret is not of the length that its label wants")
		return
	}
	if l.room() {
		key := secretID{id, random(r)}
		if id == serverHandshake && l.secrets[key] == nil {
			l.randoms = append(l.randoms, random(r))
		}
		l.secrets[key] = secret
		l.Secrets = len(l.secrets) + len(l.premaster) + len(l.resumable)
	}
}

// addPremaster is for "RSA", the first 8 octets of the encrypted premaster secret,
// and the premaster secret (NSS before 2011, and tools that follow it).
func (l *Log) addPremaster(name, value []byte) {
	id, ok := unhex(name, 8, 8)
	secret, ok2 := unhex(value, masterLen, masterLen)
	if !ok || !ok2 {
		l.bad("not the form of an RSA line: 16 and 96 hexadecimal digits")
		return
	}
	if l.room() {
		l.premaster[[8]byte(id)] = secret
		l.Secrets = len(l.secrets) + len(l.premaster) + len(l.resumable)
	}
}

// addSession is for "RSA Session-ID:… Master-Key:…", made of what openssl
// s_client prints.
func (l *Log) addSession(name, value []byte) {
	id, ok := unhex(name, 1, 32)
	value, ok2 := bytes.CutPrefix(value, []byte("Master-Key:"))
	secret, ok3 := unhex(value, masterLen, masterLen)
	if !ok || !ok2 || !ok3 {
		l.bad("not the form of a Session-ID and Master-Key line")
		return
	}
	if l.room() {
		l.resumable[sessionKey(id)] = secret
		l.Secrets = len(l.secrets) + len(l.premaster) + len(l.resumable)
	}
}

func (l *Log) room() bool {
	if l.Secrets < maxSecrets {
		return true
	}
	l.Full = true
	return false
}

func unhex(b []byte, least, most int) ([]byte, bool) {
	if len(b) < 2*least || len(b) > 2*most {
		return nil, false
	}
	out := make([]byte, hex.DecodedLen(len(b)))
	_, err := hex.Decode(out, b)
	return out, err == nil
}

// claim takes a Random off those that may be an inner hello's.
func (l *Log) claim(r random) {
	if l.secrets[secretID{serverHandshake, r}] != nil {
		l.claimed[r] = struct{}{}
	}
}

// unclaimed are the first n that may be.
func (l *Log) unclaimed(n int) (free []random) {
	for i, r := range l.randoms {
		if _, known := l.claimed[r]; known {
			continue
		}
		if len(free) == 0 {
			l.randoms = l.randoms[i:]
		}
		if free = append(free, r); len(free) == n {
			break
		}
	}
	return free
}

// secret is nil when the log has none.
func (l *Log) secret(id label, r random) []byte { return l.secrets[secretID{id, r}] }

// sessionKey and ticketKey name a session that a client may resume. A hash, since a
// ticket may be 64 KiB long.
func sessionKey(id []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte("session "), id...))
}

func ticketKey(ticket []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte("ticket "), ticket...))
}

// learn keeps a master secret for the sessions that resume this one: clients that
// write CLIENT_RANDOM lines do it for full handshakes only, or for all.
func (l *Log) learn(key [sha256.Size]byte, master []byte) {
	if _, known := l.resumable[key]; known {
		return
	}
	if len(l.learned) == maxLearned {
		delete(l.resumable, l.learned[0])
		l.learned = l.learned[1:]
	}
	l.resumable[key] = master
	l.learned = append(l.learned, key)
}
