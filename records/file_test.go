package records

import (
	"net/netip"
	"slices"
	"testing"

	"kagami/packet"
)

func fullFile() *File {
	r := &File{ID: FileID(0xab, 31), Source: "http", FromClient: true, Depth: 2, URL: "http://h/a.exe", Host: "h", Path: "/a.exe", User: "u", Control: "c",
		Name: "Invoice.PDF .exe ", NameFrom: "disposition", DeclaredType: "image/gif", MIME: "application/x", Magic: "pe", Class: "program",
		Traits: []string{"dll"}, Listed: "b.exe", Mismatch: []string{"declared type"}, Start: 1, End: 3, Size: 9, Seen: 8, Missing: 1, Wire: 5,
		Codings: []string{"gzip"}, Decoded: true, Part: true, Complete: true, MD5: "m", SHA1: "s", SHA256: "t", Odd: "o"}
	r.Stamp(wholeMeta(packet.ProtoTCP))
	return r
}

func TestFileFields(t *testing.T) {
	fields := fullFile().AppendFields(nil)
	wantNested(t, fields)
	want := []string{
		"file.extension=exe", "file.hash.md5=m", "file.hash.sha1=s", "file.hash.sha256=t", "file.mime_type=application/x",
		"file.name=Invoice.PDF .exe ", "file.path=/a.exe", "file.size=9",
		"related.hash=[m s t]", "related.hosts=[h]", "related.ip=[10.0.0.0 192.0.0.0]", "related.user=[u]", "url.full=http://h/a.exe", "user.name=u",
		"kagami.file.class=program", "kagami.file.codings=[gzip]", "kagami.file.complete=1", "kagami.file.control_flow=c",
		"kagami.file.declared_type=image/gif", "kagami.file.decoded=1", "kagami.file.wire_bytes=5", "kagami.file.depth=2", "kagami.file.host=h",
		"kagami.file.id=00000000000000ab-f1f", "kagami.file.listed=b.exe", "kagami.file.magic=pe", "kagami.file.mismatch=[declared type]",
		"kagami.file.missing_bytes=1", "kagami.file.name_from=disposition", "kagami.file.odd=o", "kagami.file.part=1", "kagami.file.seen_bytes=8",
		"kagami.file.sender=client", "kagami.file.source=http", "kagami.file.traits=[dll]",
	}
	if got := lines(fields, "file.", "related.", "url.", "user.", "kagami.file."); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// What is not known is not written, the size of an incomplete file among it.
func TestFileWithoutDetails(t *testing.T) {
	r := &File{ID: "x-f1", Source: "smtp", Size: -1}
	r.Stamp(wholeMeta(packet.ProtoTCP))
	want := []string{"related.ip=[10.0.0.0 192.0.0.0]", "kagami.file.complete=0", "kagami.file.id=x-f1", "kagami.file.seen_bytes=0", "kagami.file.sender=server", "kagami.file.source=smtp"}
	if got := lines(r.AppendFields(nil), "file.", "related.", "url.", "user.", "kagami.file."); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestFTPFields(t *testing.T) {
	r := &FTP{Start: 1, End: 2, User: "u", Command: "RETR", Argument: "a", Path: "/a", From: "/b", URL: "ftp://h/a", Code: 226, Reply: "ok",
		Passive: true, Data: netip.MustParseAddrPort("192.0.2.1:2049"), Type: "I", Restart: 7, Size: 0, File: FileRef{"x-f1", "a", "image/gif"}, Odd: "o"}
	r.Stamp(wholeMeta(packet.ProtoTCP))
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{
		"event.action=ftp-retr", "event.outcome=success", "file.mime_type=image/gif", "file.name=a", "file.path=/a", "file.size=0",
		"related.ip=[10.0.0.0 192.0.0.0]", "related.user=[u]", "url.full=ftp://h/a", "user.name=u",
		"kagami.ftp.argument=a", "kagami.ftp.command=RETR", "kagami.ftp.data.ip=192.0.2.1", "kagami.ftp.data.passive=1", "kagami.ftp.data.port=2049",
		"kagami.ftp.file_id=x-f1", "kagami.ftp.from=/b", "kagami.ftp.odd=o", "kagami.ftp.reply=ok", "kagami.ftp.reply_code=226", "kagami.ftp.restart=7", "kagami.ftp.type=I",
	}
	if got := lines(fields, "event.action", "event.outcome", "file.", "related.", "url.", "user.", "kagami.ftp."); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
