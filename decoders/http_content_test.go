package decoders

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kagami/records"
)

// fileLine is a file's record as the tables below write it:
//
//	client photo.png<disposition image/png 3 whole
//
// the sender, the name and what declared it, the declared type, the octets seen,
// and whether that is all.
func fileLine(r *records.File) string {
	var b strings.Builder
	b.WriteString("server")
	if r.FromClient {
		b.Reset()
		b.WriteString("client")
	}
	fmt.Fprintf(&b, " %s<%s %s %d", r.Name, r.NameFrom, r.DeclaredType, r.Seen)
	if r.Complete {
		b.WriteString(" whole")
	}
	if r.Part {
		b.WriteString(" part")
	}
	return b.String()
}

func fileLines(rs []*records.File) []string {
	var out []string
	for _, r := range rs {
		out = append(out, fileLine(r))
	}
	return out
}

func withLength(start string, body string) string {
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", start, len(body), body)
}

// form is a request with three parts: a field, a file, and an empty one.
var form = withLength("POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=\"-x\"\r\n",
	"---x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nsecret\r\n"+
		"---x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a;b.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--\r\n---\r\n---x\r\n"+
		"Content-Disposition: form-data; name=none; filename=\"\"\r\n\r\n\r\n---x--\r\n")

// contentCase is a conversation and the files that cross in it.
type contentCase struct {
	name  string
	steps []octets
	want  []string
	magic string // of the first transaction's response
}

var contentCases = []contentCase{
	{name: "response", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n", "%PDF-1.4"))},
		want: []string{"server a<url application/pdf 8 whole"}, magic: "pdf"},
	{name: "both", steps: []octets{clientSays(withLength("PUT /x.bin HTTP/1.1\r\nHost: h\r\nContent-Type: text/css\r\n", "abc")), serverSays(ok5)},
		want: []string{"client x.bin<url text/css 3 whole", "server x.bin<url  5 whole"}},
	{name: "no content, no file", steps: []octets{clientSays(get, head), serverSays(ok0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")}},
	{name: "304", steps: []octets{clientSays(get), serverSays("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")}},
	{name: "tunnels are no files", steps: []octets{clientSays(connect), serverSays(opened), clientSays("\x16hello")}},
	{name: "a refused CONNECT is one", steps: []octets{clientSays(connect), serverSays(refused)},
		want: []string{"server <  3 whole"}},
	{name: "chunked", steps: []octets{clientSays(get), serverSays("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")},
		want: []string{"server a<url  5 whole"}},
	{name: "until close", steps: []octets{clientSays(get), serverSays("HTTP/1.0 200 OK\r\n\r\nabc")},
		want: []string{"server a<url  3 whole"}},
	{name: "HTTP/0.9", steps: []octets{clientSays("GET /a\r\n"), serverSays("<html>")},
		want: []string{"server a<url  6 whole"}, magic: "html"},
	{name: "cut", steps: []octets{clientSays(get), serverSays(ok5[:len(ok5)-2])},
		want: []string{"server a<url  3"}},
	{name: "gap", steps: []octets{clientSays(get), serverSays(ok5[:len(ok5)-4]), serverLoses(2), serverSays("lo")},
		want: []string{"server a<url  3"}},
	{name: "named by the server", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"r.exe\"; filename*=UTF-8''%E6%97%A5.exe\r\n", "MZ"))},
		want: []string{"server 日.exe<disposition  2 whole"}, magic: "pe"},
	{name: "gzip", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", string(gzipped("<html>hello"))))},
		want: []string{"server a<url  11 whole"}, magic: "html"},
	{name: "range", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-7/20\r\n", "abc"))},
		want: []string{"server a<url  3 whole part"}},
	{name: "a range that is all", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-2/3\r\n", "abc"))},
		want: []string{"server a<url  3 whole"}},
	{name: "a range of coded content", steps: []octets{clientSays(get), serverSays(withLength("HTTP/1.1 206 Partial\r\nContent-Encoding: gzip\r\nContent-Range: bytes 5-7/20\r\n", "abc"))},
		want: []string{"server a<url  3 whole part"}},
	{name: "form", steps: []octets{clientSays(form), serverSays(ok0)},
		want: []string{"client a;b.png<disposition image/png 17 whole"}},
	{name: "form in chunks", steps: []octets{clientSays("POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"3B\r\n--x\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\n\r\n8\r\nab\r\n--x-\r\n3\r\n-\r\n\r\n0\r\n\r\n"), serverSays(ok0)},
		want: []string{"client g<disposition  2 whole"}},
	{name: "multipart without a boundary is one file", steps: []octets{clientSays(withLength("POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data\r\n", "abc"))},
		want: []string{"client < multipart/form-data 3 whole"}},
}

func TestHTTPFiles(t *testing.T) {
	for _, c := range contentCases {
		t.Run(c.name, func(t *testing.T) {
			for name, cut := range map[string]func(int) int{"uncut": uncut, "one octet": func(int) int { return 1 }} {
				d := newTester(recorderProtocol())
				d.play(c.steps, cut)
				if got := fileLines(d.files); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: got\n  %s\nwant\n  %s", name, strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
				}
				if d.records[0].Magic != c.magic {
					t.Errorf("%s: magic %q, want %q", name, d.records[0].Magic, c.magic)
				}
			}
		})
	}
}

// A transaction's files come before it, and it names them.
func TestHTTPNamesItsFiles(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays(form), serverSays(ok5), clientSays(get), serverSays(ok3)}, uncut)
	if got, want := strings.Join(d.order, " "), "file file http file http"; got != want {
		t.Fatalf("records %s, want %s", got, want)
	}
	r := d.records[0]
	if want := []string{"password", "photo", "none"}; !reflect.DeepEqual(r.FormFields, want) {
		t.Errorf("form fields %q, want %q", r.FormFields, want)
	}
	if want := []records.FileRef{d.files[0].Ref()}; !reflect.DeepEqual(r.RequestFiles, want) {
		t.Errorf("request's files %v, want %v", r.RequestFiles, want)
	}
	if want := []records.FileRef{d.files[1].Ref()}; !reflect.DeepEqual(r.ResponseFiles, want) {
		t.Errorf("response's files %v, want %v", r.ResponseFiles, want)
	}
	if f := d.files[0]; f.URL != "http://h/up" || f.Host != "h" || f.Depth != 1 || f.Source != "http" {
		t.Errorf("%+v", f)
	}
	for _, r := range d.files {
		for _, f := range r.AppendFields(nil) {
			if strings.Contains(f.Str, "secret") {
				t.Errorf("%s tells what was typed", f.Name)
			}
		}
	}
}

// With files off there are no records of them, and the type is known all the same.
func TestHTTPWithoutFiles(t *testing.T) {
	c := Default().Files
	c.Enable = false
	d := newTester()
	d.decoder = httpProtocol(newFiles(c)).New()
	d.play([]octets{clientSays(form), serverSays(withLength("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n", string(gzipped("<html>hello"))))}, uncut)
	if len(d.files) != 0 || len(d.records) != 1 || d.records[0].Magic != "html" || d.records[0].ResponseFiles != nil {
		t.Errorf("%d files, %s", len(d.files), lines(d.records))
	}
}

// Every file that was begun is ended, whatever becomes of its transaction.
func TestHTTPFilesAreClosed(t *testing.T) {
	files := newFiles(Default().Files)
	for _, c := range allHTTPCases() {
		d := newTester(httpProtocol(files), recorderProtocol())
		d.decoder = httpProtocol(files).New()
		d.play(c.steps, uncut)
		if n := files.room.taken.Load(); n != 0 {
			t.Fatalf("%s: %d octets are still taken", c.name, n)
		}
	}
}

func TestWholeRange(t *testing.T) {
	for field, want := range map[string][2]bool{
		"bytes 0-9/10":  {true, true},
		"bytes 0-8/10":  {false, true},
		"bytes 1-9/10":  {false, false},
		"bytes 0-9/*":   {false, true},
		"bytes */10":    {false, false},
		"items 0-9/10":  {false, false},
		"Bytes 0-9 /10": {true, true},
		"":              {false, false},
	} {
		if whole, start := wholeRange([]byte(field)); whole != want[0] || start != want[1] {
			t.Errorf("%q: %v %v, want %v", field, whole, start, want)
		}
	}
}
