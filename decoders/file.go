package decoders

import (
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Why a file is not what it should be: records.File.Odd. What undoes content
// codings has its own (file_coding.go).
const (
	oddManyFiles = "too many files under way" // FilesConfig.MaxMemory
	oddLongFile  = "longer than is hashed"    // FilesConfig.MaxHashed
	oddFileSize  = "longer than declared"
)

// fileOf is what a protocol says of a file before its first octet.
type fileOf struct {
	Source   string   // "http", "smtp", "pop3", "imap", "ftp"
	Name     string   // as declared, in UTF-8, directories and all; "" = none: then URL's last segment
	NameFrom string   // what declared Name: "disposition", "mime", "path"
	Type     string   // declared media type; parameters are cut here
	Codings  []string // content codings in the order they must be undone: contentCodings makes it
	Size     int64    // declared octets as transferred, transfer coding removed; -1 = unknown
	Depth    int      // number of the transaction on its connection, 0 = none
	URL      string   // absolute, "" = none
	Unnamed  bool     // the URL's last segment is not the file's name: it was posted there, or answers that there is none
	Host     string
	Path     string // on the server (FTP)
	User     string // who is logged in (FTP)
	Control  string // id of the flow that announced this one (FTP)
	Part     bool   // a range of the file only
}

// files is what the files of all flows share: settings and pools. All workers
// use it at once.
type files struct {
	config FilesConfig
	every  hashSet // of every file
	risky  hashSet // of files that can do something, Hashes included
	room   room
	bodies bodyPool
	stages stagePools
}

func newFiles(c FilesConfig) *files {
	s := &files{config: c, every: hashesNamed(c.Hashes)}
	s.risky = s.every | hashesNamed(c.RiskyHashes)
	s.room.limit = int64(c.MaxMemory)
	return s
}

// open begins a file that from sends. The body must be closed. A file without
// octets costs nothing and has no record.
func (s *files) open(f *sensor.Flow, from packet.Side, of fileOf) *fileBody {
	if s == nil {
		return nil
	}
	b := s.bodies.get()
	b.files, b.of, b.flow, b.fromClient = s, of, f, from == f.Orig
	return b
}

// fileBody is a file under way: write and gap in the order of the octets, ref and
// magic when it is whole, then close. Its methods do nothing on nil.
type fileBody struct {
	files      *files
	flow       *sensor.Flow // for the id, while the file is open
	of         fileOf
	fromClient bool
	id         string
	start, end int64
	begun      bool
	held       int64 // octets of files.room taken

	wire    int64 // octets as transferred
	seen    int64 // octets of the file
	missing int64
	coding  *uncoder // nil: nothing to undo
	odd     string

	head    *fileHead // first octets until the type is settled, nil: none yet or settled
	settled bool
	kind    fileType
	inside  inspector // reads on where the type alone does not tell, nil: nothing to learn
	listed  string    // program that an archive names
	sums    sums
	void    bool // not every octet was hashed, or will be
}

// write takes octets of the file as transferred, transfer coding removed.
func (b *fileBody) write(now int64, p []byte) {
	if b == nil || len(p) == 0 {
		return
	}
	b.begin(now)
	b.end = now
	b.wire += int64(len(p))
	if b.of.Size >= 0 && b.wire > b.of.Size {
		b.note(oddFileSize)
	}
	if b.coding != nil {
		b.coding.push(p)
		return
	}
	b.content(p)
}

// gap says that n octets are lost.
func (b *fileBody) gap(n int64) {
	if b == nil || n <= 0 {
		return
	}
	b.begin(b.flow.Now)
	b.missing += n
	b.stopDecoding() // nothing behind a gap can be decoded
	b.settle()
	b.look()
	b.void, b.inside = true, nil
}

// look takes over what the inspector has found.
func (b *fileBody) look() {
	if b.inside != nil {
		b.kind, b.listed = b.inside.found(b.kind)
	}
}

// size is the file's length if it is known before its end, else -1.
func (b *fileBody) size() int64 {
	if b.coding != nil {
		return -1
	}
	return b.of.Size
}

// begin makes ready for the first octet.
func (b *fileBody) begin(now int64) {
	if b.begun {
		return
	}
	b.begun, b.start, b.end = true, now, now
	s := b.files
	if s.config.Enable {
		b.id = b.flow.NewFileID()
	}
	if !b.take(bodyCost) {
		b.void, b.settled = true, true
		return
	}
	if len(b.of.Codings) > 0 {
		b.coding = b.decode()
	}
}

// take takes n octets of the room that all files share.
func (b *fileBody) take(n int64) bool {
	if !b.files.room.take(n) {
		b.note(oddManyFiles)
		return false
	}
	b.held += n
	return true
}

// content takes octets of the file itself.
func (b *fileBody) content(p []byte) {
	b.seen += int64(len(p))
	if !b.settled {
		if p = b.sniff(p); len(p) == 0 {
			return
		}
	}
	b.digest(p)
}

// sniff collects the file's first octets and settles the type when there are
// enough. It returns what of p is not hashed yet.
func (b *fileBody) sniff(p []byte) []byte {
	whole := b.coding == nil && int64(len(p)) == b.of.Size
	if b.head == nil && (whole || len(p) >= sniffLen) {
		b.settleAs(p[:min(len(p), sniffLen)])
		return p
	}
	if b.head == nil {
		if b.head = b.files.bodies.head(); !b.take(headCost) {
			b.settleAs(nil)
			b.void = true
			return nil
		}
	}
	n := copy(b.head.octets[b.head.n:], p)
	if b.head.n += n; b.head.n == sniffLen {
		b.settle()
	}
	return p[n:]
}

// settle names the type by what octets there are.
func (b *fileBody) settle() {
	if b.settled {
		return
	}
	h := b.head
	if h == nil {
		if b.settleAs(nil); b.coding != nil && b.wire > 0 && !b.coding.empty() {
			b.kind = b.coding.outer() // nothing came out of it
		}
		return
	}
	b.settleAs(h.octets[:h.n])
	b.digest(h.octets[:h.n])
	b.freeHead()
}

func (b *fileBody) freeHead() {
	if b.head != nil {
		b.files.bodies.freeHead(b.head)
		b.head = nil
	}
}

// formType is the media type of a posted form. It is not hashed: a short password
// could be guessed from the hash.
const formType = "application/x-www-form-urlencoded"

// settleAs names the type of a file that begins with first, and decides what is
// done with its octets.
func (b *fileBody) settleAs(first []byte) {
	b.settled = true
	b.kind = magic(first)
	if !b.files.config.Enable || mediaTypeOf(b.of.Type) == formType {
		b.void = true
		return
	}
	b.inside = inspect(b.kind, b.size())
	which := b.files.every
	if b.kind.risky() {
		which = b.files.risky
	}
	b.sums.begin(which)
}

// digest hashes octets and shows them to the inspector.
func (b *fileBody) digest(p []byte) {
	if b.inside != nil {
		b.inside.read(p)
	}
	if b.void {
		return
	}
	if b.sums.n+int64(len(p)) > b.files.config.MaxHashed {
		b.void = true
		b.note(oddLongFile)
		return
	}
	b.sums.write(p)
}

func (b *fileBody) note(odd string) {
	if b.odd == "" {
		b.odd = odd
	}
}

// magic is the short name of the type by content, "" if it is unknown or the file
// has no octets. Ask when the file is whole.
func (b *fileBody) magic() string {
	if b == nil || !b.begun {
		return ""
	}
	b.stopDecoding()
	b.settle()
	b.look()
	return b.kind.word
}

// ref is what the transaction's record says of the file, empty if the file has no
// octets or files are not recorded. Ask when the file is whole.
func (b *fileBody) ref() records.FileRef {
	if b == nil || b.id == "" {
		return records.FileRef{}
	}
	b.stopDecoding()
	if b.empty() {
		return records.FileRef{}
	}
	b.settle()
	b.look()
	name, _ := b.name()
	return records.FileRef{ID: b.id, Name: name, MIME: b.mime()}
}

// close ends the file and returns its record, nil if it has no octets or files are
// not recorded; complete says that the protocol's end of the file was seen. The
// body must not be used after.
func (b *fileBody) close(f *sensor.Flow, complete bool) *records.File {
	if b == nil {
		return nil
	}
	b.flow = f
	b.stopDecoding()
	var r *records.File
	if b.id != "" && !b.empty() {
		b.settle()
		b.look()
		r = b.record(complete)
		r.Stamp(f.Meta())
	}
	b.freeHead()
	b.files.room.give(b.held)
	b.files.bodies.put(b)
	return r
}

// empty tells that the file has no octets although some were transferred.
func (b *fileBody) empty() bool { return b.missing == 0 && b.coding != nil && b.coding.empty() }

// drop ends what turned out to be no file.
func (b *fileBody) drop(f *sensor.Flow) {
	if b != nil {
		b.id = ""
		b.close(f, false)
	}
}

// stopDecoding ends the content codings: what they hold back comes out.
func (b *fileBody) stopDecoding() {
	if b.coding != nil {
		b.coding.close()
	}
}

func (b *fileBody) record(complete bool) *records.File {
	of := &b.of
	r := &records.File{
		ID: b.id, Source: of.Source, FromClient: b.fromClient, Depth: of.Depth, Part: of.Part,
		URL: clip(of.URL), Host: clip(of.Host), Path: clip(of.Path), User: of.User, Control: of.Control, DeclaredType: mediaTypeOf(of.Type),
		MIME: b.mime(), Magic: b.kind.word, Class: b.kind.class, Traits: b.kind.traits, Listed: b.listed,
		Start: b.start, End: b.end, Size: -1, Seen: b.seen, Missing: b.missing, Wire: b.wire, Codings: of.Codings,
	}
	r.Name, r.NameFrom = b.name()
	whole := complete && b.missing == 0 && (of.Size < 0 || b.wire == of.Size)
	if b.coding != nil {
		r.Decoded = b.coding.undone()
		whole = whole && b.coding.whole()
	}
	r.Complete = whole
	switch {
	case whole:
		r.Size = b.seen
	case b.coding == nil && of.Size >= 0:
		r.Size = of.Size
	}
	r.Mismatch = mismatches(r)
	if !b.void && (b.coding == nil || !b.coding.broken()) {
		b.sums.into(r)
	}
	r.Odd = b.odd
	return r
}

// mime is the media type by content. Of text only the declared type can tell what
// kind of text it is, and so it can of data that nobody knows.
func (b *fileBody) mime() string {
	switch declared := mediaTypeOf(b.of.Type); {
	case b.kind.mime == "text/plain" && textual(declared),
		b.kind.mime == "" && specific(declared):
		return declared
	}
	return b.kind.mime
}

// name is the file's name and what declared it.
func (b *fileBody) name() (name, from string) {
	if b.of.Name != "" {
		return clip(baseName(b.of.Name)), b.of.NameFrom
	}
	if name = clip(urlName(b.of.URL)); name != "" && !b.of.Unnamed {
		return name, "url"
	}
	return "", ""
}
