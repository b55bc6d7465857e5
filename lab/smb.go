package lab

import (
	"encoding/binary"
	"time"
	"unicode/utf16"
)

// Files is a file server inside and the workstations that use it.
type Files struct {
	Server   string   `toml:"server"`
	Hosts    []string `toml:"hosts"`
	Sessions int      `toml:"sessions"` // per host and day
}

// planFiles opens SMB 3.0.2 sessions: negotiation and NTLM log-on in the
// clear, then encrypted messages.
func planFiles(d *day, r *Rand) {
	f := d.s.Files
	if f.Server == "" {
		return
	}
	name := f.Server + "." + d.s.Network.Domain
	for _, h := range d.s.hosts(f.Hosts) {
		from, to := d.s.present(h)
		own := NewRand(d.s.Seed, "files "+h.Name)
		for range f.Sessions {
			d.at(r.Span(from+2*time.Minute, to-20*time.Minute), func(t time.Duration) {
				t = d.lookup(t, d.end(h.Name), name)
				c := d.wire.Dial(t, d.end(h.Name), 0, d.end(f.Server), 445)
				d.smbSession(c, own, h, f.Server)
			})
		}
	}
}

func (d *day) smbSession(c *Conn, r *Rand, h *Host, server string) {
	id := binary.LittleEndian.Uint64(r.Bytes(8))
	say := func(s Side, think time.Duration, b []byte) {
		c.Send(s, c.Ready(s)+think, prefixed(4, b))
	}
	const quick, more = 400 * time.Microsecond, 0xc0000016 // STATUS_MORE_PROCESSING_REQUIRED
	say(Client, 0, append(smbHeader(0, 0, 0, 0, false), smbNegotiate(r)...))
	say(Server, quick, append(smbHeader(0, 0, 0, 0, true), d.smbNegotiated(r, c.Ready(Server))...))
	say(Client, quick, append(smbHeader(1, 1, 0, 0, false), smbSetup(ntlmNegotiate())...))
	say(Server, quick, append(smbHeader(1, 1, id, more, true), smbSetupDone(d.ntlmChallenge(r, server))...))
	say(Client, quick, append(smbHeader(1, 2, id, 0, false), smbSetup(d.ntlmAuthenticate(r, h))...))
	say(Server, 2*time.Millisecond, append(smbHeader(1, 2, id, 0, true), smbSetupDone(nil)...))
	for range r.Int(3, 9) {
		say(Client, r.LogNormal(400*time.Millisecond, 150), smbSealed(r, id, r.Int(90, 260)))
		say(Server, quick, smbSealed(r, id, r.Int(90, 700)))
	}
	c.Close(Client, c.Ready(Client)+r.Span(time.Second, 20*time.Second))
}

// smbHeader is the SMB2 sync header (MS-SMB2 section 2.2.1.2).
func smbHeader(command uint16, message, session uint64, status uint32, reply bool) []byte {
	b := make([]byte, 64)
	copy(b, "\xfeSMB")
	le := binary.LittleEndian
	le.PutUint16(b[4:], 64)
	le.PutUint16(b[6:], 1)
	le.PutUint32(b[8:], status)
	le.PutUint16(b[12:], command)
	le.PutUint16(b[14:], 31)
	if reply {
		b[16] = 1
	}
	le.PutUint64(b[24:], message)
	le.PutUint64(b[40:], session)
	return b
}

// smbNegotiate is section 2.2.3.
func smbNegotiate(r *Rand) []byte {
	le := binary.LittleEndian
	b := make([]byte, 36)
	le.PutUint16(b, 36)
	le.PutUint16(b[2:], 3)
	le.PutUint16(b[4:], 1)
	le.PutUint32(b[8:], 0x7f)
	copy(b[12:28], r.Bytes(16))
	return append(b, 0x10, 0x02, 0x00, 0x03, 0x02, 0x03) // 2.1, 3.0, 3.0.2
}

// smbNegotiated is section 2.2.4.
func (d *day) smbNegotiated(r *Rand, t time.Duration) []byte {
	le := binary.LittleEndian
	b := make([]byte, 64)
	le.PutUint16(b, 65)
	le.PutUint16(b[2:], 1)
	le.PutUint16(b[4:], 0x0302)
	copy(b[8:24], NewRand(d.s.Seed, "smb server").Bytes(16))
	le.PutUint32(b[24:], 0x7f)
	for _, at := range []int{28, 32, 36} {
		le.PutUint32(b[at:], 1<<20)
	}
	le.PutUint64(b[40:], d.fileTime(t))
	le.PutUint16(b[56:], 128)
	return b
}

// smbSetup is section 2.2.5, smbSetupDone section 2.2.6.
func smbSetup(token []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 24)
	le.PutUint16(b, 25)
	b[3] = 1
	le.PutUint32(b[4:], 1)
	le.PutUint16(b[12:], 64+24)
	le.PutUint16(b[14:], uint16(len(token)))
	return append(b, token...)
}

func smbSetupDone(token []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 8)
	le.PutUint16(b, 9)
	le.PutUint16(b[4:], 64+8)
	le.PutUint16(b[6:], uint16(len(token)))
	return append(b, token...)
}

// smbSealed is an encrypted message (section 2.2.41).
func smbSealed(r *Rand, session uint64, n int) []byte {
	le := binary.LittleEndian
	b := make([]byte, 52)
	copy(b, "\xfdSMB")
	copy(b[4:20], r.Bytes(16))
	copy(b[20:31], r.Bytes(11))
	le.PutUint32(b[36:], uint32(n))
	le.PutUint16(b[42:], 1)
	le.PutUint64(b[44:], session)
	return append(b, r.Bytes(n)...)
}

// NTLM messages, MS-NLMP section 2.2.1.
const ntlmFlags = 0xe2088297

func ntlmNegotiate() []byte {
	b := append([]byte("NTLMSSP\x00"), make([]byte, 32)...)
	b[8] = 1
	binary.LittleEndian.PutUint32(b[12:], ntlmFlags)
	copy(b[32:], ntlmVersion())
	return b
}

func ntlmVersion() []byte { return []byte{10, 0, 0x61, 0x58, 0, 0, 0, 15} }

func (d *day) ntlmChallenge(r *Rand, server string) []byte {
	le := binary.LittleEndian
	b := append([]byte("NTLMSSP\x00"), make([]byte, 48)...)
	b[8] = 2
	le.PutUint32(b[20:], ntlmFlags)
	copy(b[24:32], r.Bytes(8))
	copy(b[48:], ntlmVersion())
	b = ntlmField(b, 12, utf16le("OFFICE"))
	return ntlmField(b, 40, ntlmTarget(server))
}

// ntlmTarget lists domain and server (section 2.2.2.1).
func ntlmTarget(server string) []byte {
	var b []byte
	for i, text := range []string{"OFFICE", server} {
		v := utf16le(text)
		b = append(b, byte(2-i), 0, byte(len(v)), 0)
		b = append(b, v...)
	}
	return append(b, 0, 0, 0, 0)
}

func (d *day) ntlmAuthenticate(r *Rand, h *Host) []byte {
	le := binary.LittleEndian
	b := append([]byte("NTLMSSP\x00"), make([]byte, 80)...)
	b[8] = 3
	le.PutUint32(b[60:], ntlmFlags)
	copy(b[64:], ntlmVersion())
	copy(b[72:88], r.Bytes(16))
	user := h.ProxyUser
	if user == "" {
		user = "user-" + h.Name
	}
	blob := append(r.Bytes(16), 1, 1, 0, 0, 0, 0, 0, 0)
	blob = le.AppendUint64(blob, d.fileTime(0))
	blob = append(append(blob, r.Bytes(8)...), 0, 0, 0, 0)
	blob = append(append(blob, ntlmTarget(d.s.Files.Server)...), 0, 0, 0, 0)
	b = ntlmField(b, 28, utf16le("OFFICE"))
	b = ntlmField(b, 36, utf16le(user))
	b = ntlmField(b, 44, utf16le(h.Name))
	b = ntlmField(b, 12, make([]byte, 24))
	b = ntlmField(b, 20, blob)
	return ntlmField(b, 52, r.Bytes(16))
}

// ntlmField appends a value and notes its length and place at offset at.
func ntlmField(b []byte, at int, value []byte) []byte {
	le := binary.LittleEndian
	le.PutUint16(b[at:], uint16(len(value)))
	le.PutUint16(b[at+2:], uint16(len(value)))
	le.PutUint32(b[at+4:], uint32(len(b)))
	return append(b, value...)
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// fileTime counts 100 ns since 1601.
func (d *day) fileTime(t time.Duration) uint64 {
	at := d.s.Start.Add(t)
	return uint64(at.Unix()+11644473600)*10_000_000 + uint64(at.Nanosecond()/100)
}
