package records

import (
	"strconv"
	"strings"
)

// File is one file that crossed in the clear: the content of an HTTP message, a
// part of a mail, what an FTP data connection carried. Content codings are
// undone: sizes and hashes are those of the file as its user gets it.
type File struct {
	meta Meta

	ID         string // the flow's id and the file's number in it: "2568dcbdb152320c-f1"
	Source     string // protocol that carried it: "http", "smtp", "pop3", "imap", "ftp"
	FromClient bool   // the flow's originator sent it
	Depth      int    // number of the transaction on its connection, 0 = none
	URL        string // absolute, "" if there is none
	Host       string // server's name as the client gave it, "" if it did not
	Path       string // path on the server (FTP), "" if there is none
	User       string // who was logged in (FTP), "" if it is not known
	Control    string // FTP: id of the flow whose commands announced this one

	Name         string // as declared, in UTF-8 and without directories; "" if there is none
	NameFrom     string // what declared it: "disposition", "url", "mime", "path"
	DeclaredType string // media type as declared, lower case, without parameters
	MIME         string // media type by content; a text's as declared when that is a kind of text; "" unknown
	Magic        string // what the first octets say: "pe", "ole2", "html" ..., "" unknown
	Class        string // "program", "script", "archive", "document", "image", "audio", "video", "font", "text", "data"; "" unknown
	Traits       []string
	Listed       string // first program or script that an archive names
	Mismatch     []string

	Start, End int64 // capture times of the first and the last octet, nanoseconds since the epoch
	Size       int64 // octets of the file, -1 = not known
	Seen       int64 // octets of the file that were seen
	Missing    int64 // octets as transferred that were lost to the sensor
	Wire       int64 // octets as transferred that were seen, content codings in place
	Codings    []string
	Decoded    bool // Codings were undone; otherwise sizes and hashes are those of the coded file
	Part       bool // a part of the file only: a range was asked for, or a transfer resumed
	Complete   bool // every octet from the first to the last was seen

	MD5, SHA1, SHA256 string // lower-case hexadecimal; "" = not wanted, or not every octet was hashed

	Odd string // first thing met that ought not to be, "" if none: "bad gzip data", "too much decoded" ...
}

// FileRef is what the record of a transaction says of a file that it carried.
type FileRef struct {
	ID   string
	Name string
	MIME string
}

// FileID is the id of the nth file of the flow uid.
func FileID(uid uint64, n uint32) string {
	b := append(appendHex(make([]byte, 0, 24), uid, flowDigits), '-', 'f')
	return string(strconv.AppendUint(b, uint64(n), 16))
}

// Stamp gives the record its header.
func (r *File) Stamp(m Meta) { m.Kind = KindFile; r.meta = m }

// Meta implements Record.
func (r *File) Meta() *Meta { return &r.meta }

// Ref is what other records say of the file.
func (r *File) Ref() FileRef { return FileRef{ID: r.ID, Name: r.Name, MIME: r.MIME} }

// Extension is the last extension of the name in lower case, without the dot.
func (r *File) Extension() string {
	return strings.ToLower(strings.TrimRight(extension(r.Name), " "))
}

// extension is what follows the last dot of a name, "" if there is none.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return name[i+1:]
}

// AppendFields implements Record.
func (r *File) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	m.event(&f, Event{Kind: "event", Category: categoryFile, Type: typeFile, Action: r.action(), Start: r.Start, End: r.End})
	r.file(&f)
	m.network(&f, r.Source, 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	f.list("related.hash", r.MD5, r.SHA1, r.SHA256)
	m.related(&f, r.Host)
	f.list("related.user", r.User)
	f.URL("url.full", r.URL)
	f.Str("user.name", r.User)
	r.own(&f)
	m.tail(&f)
	return f
}

var (
	categoryFile = []string{"file", "network"}
	typeFile     = []string{"info"}
)

func (r *File) action() string {
	if r.FromClient {
		return "file-sent"
	}
	return "file-received"
}

// file appends file.*.
func (r *File) file(f *Fields) {
	f.Lower("file.extension", strings.TrimRight(extension(r.Name), " "))
	f.Str("file.hash.md5", r.MD5)
	f.Str("file.hash.sha1", r.SHA1)
	f.Str("file.hash.sha256", r.SHA256)
	f.Str("file.mime_type", r.MIME)
	f.Str("file.name", r.Name)
	f.Str("file.path", r.Path)
	if r.Size >= 0 {
		f.Int("file.size", r.Size)
	}
}

// own appends what ECS has no name for.
func (r *File) own(f *Fields) {
	f.Str("kagami.file.class", r.Class)
	f.Strs("kagami.file.codings", r.Codings)
	f.Bool("kagami.file.complete", r.Complete)
	f.Str("kagami.file.control_flow", r.Control)
	f.Str("kagami.file.declared_type", r.DeclaredType)
	if len(r.Codings) > 0 {
		f.Bool("kagami.file.decoded", r.Decoded)
		f.Int("kagami.file.wire_bytes", r.Wire)
	}
	f.Count("kagami.file.depth", uint64(r.Depth))
	f.Str("kagami.file.host", r.Host)
	f.Str("kagami.file.id", r.ID)
	f.Str("kagami.file.listed", r.Listed)
	f.Str("kagami.file.magic", r.Magic)
	f.Strs("kagami.file.mismatch", r.Mismatch)
	f.Count("kagami.file.missing_bytes", uint64(r.Missing))
	f.Str("kagami.file.name_from", r.NameFrom)
	f.Str("kagami.file.odd", r.Odd)
	f.Flag("kagami.file.part", r.Part)
	f.Int("kagami.file.seen_bytes", r.Seen)
	if r.FromClient {
		f.Str("kagami.file.sender", "client")
	} else {
		f.Str("kagami.file.sender", "server")
	}
	f.Str("kagami.file.source", r.Source)
	f.Strs("kagami.file.traits", r.Traits)
}
