package decoders

import (
	"net/netip"
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ftpChannel joins a control connection and the data connection that it
// announced. Both are of one worker, for they have the same addresses.
type ftpChannel struct {
	passive  bool
	to       netip.AddrPort // what is connected to
	control  string         // id of the control connection
	transfer *ftpMove       // nil: the command was not seen
	body     *fileBody      // while the data connection lasts
	file     records.FileRef
}

// ftpMove is what a data connection carries.
type ftpMove struct {
	listing bool
	path    string
	url     string
	user    string
	size    int64 // octets, -1 = not known
	octets  bool  // as they are: no line ends are changed
	part    bool  // it does not begin at the file's first octet
	codings []string
}

// ref is what is known now of the file that was transferred.
func (c *ftpChannel) ref() records.FileRef {
	if c.body == nil {
		return c.file
	}
	if c.transfer != nil && c.transfer.listing {
		return records.FileRef{}
	}
	c.describe()
	if c.body.coding != nil { // to ask would end it
		return records.FileRef{ID: c.body.id}
	}
	return c.body.ref()
}

// describe tells the file what the control connection says of it.
func (c *ftpChannel) describe() {
	of := &c.body.of
	if of.Control = c.control; c.transfer == nil {
		return
	}
	t := c.transfer
	of.Path, of.URL, of.User, of.Part, of.Size = t.path, t.url, t.user, t.part, t.size
	if of.Name = t.path; t.path != "" {
		of.NameFrom = "path"
	}
}

// begin joins a transfer command with the announced data connection.
func (d *ftpDecoder) begin(f *sensor.Flow, c *ftpCommand, uses ftpUse) {
	s := &d.session
	t := &ftpMove{listing: uses&ftpListing != 0, path: c.path, url: ftpURL(f, d.client.Other(), c.path), user: s.user, size: -1,
		octets: s.kind == "I" && s.restart == 0 && !s.zipped, part: s.restart > 0 || c.verb == "APPE"}
	if s.zipped { // MODE Z: draft-preston-ftpext-deflate
		t.codings = []string{"deflate"}
	}
	if c.verb == "RETR" && t.octets && s.sized == c.path && c.path != "" {
		t.size = s.size
	}
	c.channel = d.channel
	c.channel.transfer = t
}

// announce reads where the next transfer's data go and has the engine expect them.
func (d *ftpDecoder) announce(f *sensor.Flow, c *ftpCommand, code int, text string) {
	var to netip.AddrPort
	ok := false
	side := d.client.Other()
	switch {
	case code == 227:
		to, ok = hostPort(text)
	case code == 229:
		to, ok = extendedPassive(text, netip.AddrFrom16(f.Key.Addr(side)).Unmap())
	case c.verb == "PORT":
		side = d.client
		to, ok = hostPort(c.arg)
	case c.verb == "EPRT":
		side = d.client
		to, ok = extendedPort(c.arg)
	default:
		return
	}
	r := c.record
	if !ok || to.Port() == 0 {
		r.Odd = oddFTPAddress
		return
	}
	d.channel = &ftpChannel{passive: side != d.client, to: to, control: f.ID()}
	r.Data, r.Passive = to, d.channel.passive
	if to.Addr() != netip.AddrFrom16(f.Key.Addr(side)).Unmap() {
		r.Odd = oddFTPElsewhere
		if side == d.client {
			return // a bounce; clients go to the server they know, whatever it says
		}
	}
	channel, files := d.channel, d.files
	f.Expect(side, to.Port(), func() sensor.Decoder { return &ftpData{files: files, channel: channel} })
}

// hostPort finds "h1,h2,h3,h4,p1,p2" in a text.
func hostPort(text string) (netip.AddrPort, bool) {
	i := strings.IndexAny(text, "0123456789")
	if i < 0 {
		return netip.AddrPort{}, false
	}
	text = text[i:]
	var n [6]byte
	for i := range n {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		v, err := strconv.ParseUint(text[:digits], 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		n[i] = byte(v)
		if text = text[digits:]; i < len(n)-1 {
			if text == "" || text[0] != ',' {
				return netip.AddrPort{}, false
			}
			text = text[1:]
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), uint16(n[4])<<8|uint16(n[5])), true
}

// extendedPassive reads the "(|||port|)" of a 229 reply (RFC 2428 section 3).
func extendedPassive(text string, server netip.Addr) (netip.AddrPort, bool) {
	_, text, ok := strings.Cut(text, "(")
	if !ok || len(text) < 4 {
		return netip.AddrPort{}, false
	}
	if text[0] != text[1] || text[1] != text[2] {
		return netip.AddrPort{}, false
	}
	number, _, _ := strings.Cut(text[3:], text[:1])
	port, err := strconv.ParseUint(number, 10, 16)
	return netip.AddrPortFrom(server, uint16(port)), err == nil
}

// extendedPort reads "|protocol|address|port|" (RFC 2428 section 2).
func extendedPort(arg string) (netip.AddrPort, bool) {
	if arg == "" {
		return netip.AddrPort{}, false
	}
	part := strings.Split(arg, arg[:1])
	if len(part) < 4 {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(part[2])
	port, err2 := strconv.ParseUint(part[3], 10, 16)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port)), err == nil && err2 == nil
}

// ftpData reads one data connection: a file, or the list of a directory, which is
// none.
type ftpData struct {
	files   *files
	channel *ftpChannel
	begun   bool
	from    packet.Side
}

// Data implements sensor.Decoder.
func (d *ftpData) Data(f *sensor.Flow, side packet.Side, data []byte, _ sensor.Emit) sensor.Verdict {
	if !d.start(f, side) {
		return sensor.Done
	}
	if side == d.from {
		d.channel.body.write(f.Now, data)
	}
	return sensor.More
}

// start begins with the first octets or gap, and tells whether they are of a file.
// The command may come to be known later.
func (d *ftpData) start(f *sensor.Flow, side packet.Side) bool {
	if d.begun {
		return true
	}
	d.begun, d.from = true, side
	f.Label("ftp-data", "")
	c := d.channel
	if c.transfer != nil && c.transfer.listing {
		return false
	}
	of := fileOf{Source: "ftp", Size: -1}
	if c.transfer != nil {
		of.Codings = c.transfer.codings
	}
	c.body = d.files.open(f, side, of)
	return true
}

// Gap implements sensor.Decoder.
func (d *ftpData) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	if !d.start(f, side) {
		return sensor.Done
	}
	if side == d.from {
		d.channel.body.gap(int64(n))
	}
	return sensor.More
}

// Close implements sensor.Decoder.
func (d *ftpData) Close(f *sensor.Flow, emit sensor.Emit) {
	c := d.channel
	if c.body == nil {
		return
	}
	b := c.body
	if c.transfer != nil && c.transfer.listing {
		b.drop(f)
	} else {
		c.describe()
		if r := b.close(f, f.Finished(d.from)); r != nil {
			c.file = r.Ref()
			emit(r)
		}
	}
	c.body = nil
}
