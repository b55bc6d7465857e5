package records

import "net/netip"

// FTP is one command of a file transfer session that reads, writes or changes
// something, or says where data go, with the server's answer (RFC 959).
type FTP struct {
	meta Meta

	Start, End int64 // capture times of the command and of its final reply (0 = not seen), nanoseconds since the epoch

	User     string // who is logged in, "" if it is not known
	Command  string // upper case: "RETR", "PASV"
	Argument string // as sent, in UTF-8; "" for those that are secret
	Path     string // the argument as a path from the root, as far as the working directory is known; "" if it is none
	From     string // RNTO: the path before
	URL      string // of Path, "" if there is none

	Code  int    // of the final reply, 0 if it was not seen
	Reply string // text of its last line

	Passive bool           // the client connects for data
	Data    netip.AddrPort // where data are connected to, invalid if that is not known
	Type    string         // representation type: "A" text, "I" octets, "" not known
	Restart int64          // octet at which the transfer begins
	Size    int64          // octets, as the server said; -1 = it did not
	File    FileRef        // what was transferred

	Odd string // first violation of the protocol met, "" if none
}

// Stamp gives the record its header.
func (r *FTP) Stamp(m Meta) { m.Kind = KindFTP; r.meta = m }

// Meta implements Record.
func (r *FTP) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *FTP) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolInfo, Action: "ftp-", Verb: r.Command, Start: r.Start, End: r.End}
	switch r.Code / 100 {
	case 2, 3:
		e.Outcome = "success"
	case 4, 5:
		e.Outcome = "failure"
	}
	m.event(&f, e)
	f.Str("file.mime_type", r.File.MIME)
	f.Str("file.name", r.File.Name)
	f.Str("file.path", r.Path)
	if r.Size >= 0 {
		f.Int("file.size", r.Size)
	}
	m.network(&f, "ftp", 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	m.related(&f)
	f.list("related.user", r.User)
	f.URL("url.full", r.URL)
	f.Str("user.name", r.User)
	r.own(&f)
	m.tail(&f)
	return f
}

// own appends what ECS has no name for.
func (r *FTP) own(f *Fields) {
	f.Str("kagami.ftp.argument", r.Argument)
	f.Str("kagami.ftp.command", r.Command)
	if r.Data.IsValid() {
		f.IP("kagami.ftp.data.ip", r.Data.Addr())
		f.Bool("kagami.ftp.data.passive", r.Passive)
		f.Int("kagami.ftp.data.port", int64(r.Data.Port()))
	}
	f.Str("kagami.ftp.file_id", r.File.ID)
	f.Str("kagami.ftp.from", r.From)
	f.Str("kagami.ftp.odd", r.Odd)
	f.Str("kagami.ftp.reply", r.Reply)
	f.Count("kagami.ftp.reply_code", uint64(r.Code))
	f.Count("kagami.ftp.restart", uint64(r.Restart))
	f.Str("kagami.ftp.type", r.Type)
}
