package decoders

import (
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Limits of one FTP control connection. What they bound is attacker-controlled.
const (
	maxFTPPending = 64       // commands without an answer; more, and the oldest is written without
	maxFTPText    = 1 << 10  // octets of an argument or reply that are told
	maxFTPLost    = 64 << 10 // octets without a command or reply before the connection is given up
)

// Violations of RFC 959: records.FTP.Odd.
const (
	oddFTPPending   = "too many commands without an answer"
	oddFTPElsewhere = "data go to another address" // FTP bounce (RFC 2577), or a server behind address translation
	oddFTPAddress   = "bad data address"
	oddFTPLost      = "neither commands nor replies" // maxFTPLost
)

// ftpProtocol is FTP's control connection (RFC 959; RFC 2428 for IPv6, RFC 2228
// and 4217 for security, RFC 3659 for sizes) over TCP on any port. The data
// connections are announced to the engine.
func ftpProtocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "ftp",
		Transport: packet.ProtoTCP,
		Match:     matchFTP,
		New:       func() sensor.Decoder { return &ftpDecoder{files: files} },
	}
}

// ftpDecoder reads one control connection: commands, and answers in their order.
type ftpDecoder struct {
	files    *files
	began    bool
	client   packet.Side
	up, down mailLines
	lost     int // octets of lines that are no command and no reply
	pending  []ftpCommand
	code     int // of a reply of several lines under way
	due      []records.Record

	session ftpSession
	channel *ftpChannel // announced for the next transfer, nil if there is none
	tls     ftpTLS
}

// ftpSession is what commands change for those after them.
type ftpSession struct {
	user    string
	since   int64  // when the login began
	asked   bool   // a login is under way
	mech    string // what the client has sent for it
	cwd     string // from the root, "" = not known
	kind    string // representation type
	zipped  bool   // MODE Z
	restart int64
	from    string // RNFR
	sized   string // path that SIZE was asked for
	size    int64
}

// ftpCommand is a command that waits for its final reply.
type ftpCommand struct {
	verb    string
	path    string // of commands whose argument is one
	arg     string
	at      int64
	record  *records.FTP // nil: nothing is written of it
	channel *ftpChannel  // transfers: what carries the data
}

// Data implements sensor.Decoder.
func (d *ftpDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	lines := d.lines(f, side)
	for len(data) > 0 {
		if d.tls.on[side] {
			d.write(f, emit)
			data = data[d.tls.read(f, side, data, emit):]
			continue
		}
		line, n, ok := lines.next(data)
		data = data[n:]
		switch {
		case !ok:
			d.lost += n
		case lines.torn && !startsFTPLine(line):
		case side == d.client:
			d.command(f, line)
		default:
			d.reply(f, line)
		}
	}
	over := d.lost > maxFTPLost
	if over {
		d.due = append(d.due, &records.FTP{Start: f.Now, User: d.session.user, Command: "?", Size: -1, Odd: oddFTPLost})
	}
	d.write(f, emit)
	if over {
		return sensor.Done
	}
	return sensor.More
}

// lines is the direction that side sends.
func (d *ftpDecoder) lines(f *sensor.Flow, side packet.Side) *mailLines {
	if !d.began {
		d.began, d.client = true, f.Orig
		f.Label("ftp", "")
	}
	if side == d.client {
		return &d.up
	}
	return &d.down
}

// Gap implements sensor.Decoder. Which answer belongs to which command is not
// known any more.
func (d *ftpDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	if d.tls.on[side] {
		d.tls.gap(f, side, n)
		return sensor.More
	}
	d.lines(f, side).lose()
	d.forget(f, len(d.pending))
	d.code = 0
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *ftpDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	d.forget(f, len(d.pending))
	if s := &d.session; s.asked {
		d.login(records.AuthUnknown, 0, "")
	}
	d.write(f, emit)
	d.tls.close(f, emit)
}

// forget gives up waiting for the answers of the oldest n commands.
func (d *ftpDecoder) forget(f *sensor.Flow, n int) {
	for i := range n {
		if d.pending[i].record != nil {
			d.finish(f, &d.pending[i])
		}
	}
	d.pending = append(d.pending[:0], d.pending[n:]...)
}

// finish completes a command's record.
func (d *ftpDecoder) finish(f *sensor.Flow, c *ftpCommand) {
	r := c.record
	if c.channel != nil {
		r.File = c.channel.ref()
		r.Data, r.Passive = c.channel.to, c.channel.passive
		if t := c.channel.transfer; r.Size < 0 && t != nil {
			r.Size = t.size
		}
	}
	d.due = append(d.due, r)
	c.record = nil
}

// write emits what is complete.
func (d *ftpDecoder) write(f *sensor.Flow, emit sensor.Emit) {
	for _, r := range d.due {
		switch r := r.(type) {
		case *records.FTP:
			r.Stamp(f.Meta())
		case *records.Auth:
			r.Stamp(f.Meta())
		}
		emit(r)
	}
	d.due = d.due[:0]
}

// login writes an attempt to log in.
func (d *ftpDecoder) login(result records.AuthResult, now int64, reply string) {
	s := &d.session
	method := records.AuthPassword
	if s.user == "anonymous" || s.user == "ftp" { // RFC 1635
		method = records.AuthAnonymous
	}
	d.due = append(d.due, &records.Auth{Protocol: "ftp", Mechanism: s.mech, Method: method, User: s.user,
		Result: result, Reply: reply, Start: s.since, End: now})
	s.asked = false
	if result == records.AuthFailure {
		s.user = ""
	}
}
