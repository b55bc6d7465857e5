package decoders

import (
	"fmt"
	"strings"
	"testing"
)

// What a URL's user information or a form's fields say may be a password: it is
// in no record, nor is a hash of it.
func TestHTTPSecretsAreNotRecorded(t *testing.T) {
	const secret = "hunter2"
	for _, request := range []string{
		"GET http://bob:" + secret + "@h.example/p HTTP/1.1\r\nHost: h.example\r\n\r\n",
		"CONNECT bob:" + secret + "@h.example:443 HTTP/1.1\r\nHost: h.example\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h.example\r\nReferer: http://bob:" + secret + "@h.example/from\r\n\r\n",
		withLength("POST /login HTTP/1.1\r\nHost: h.example\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n", "user=bob&password="+secret),
	} {
		d := newTester(recorderProtocol())
		d.play([]octets{clientSays(request), serverSays("HTTP/1.1 403 No\r\nContent-Length: 0\r\nLocation: http://bob:" + secret + "@h.example/\r\n\r\n")}, uncut)
		if len(d.records) != 1 || !strings.Contains(d.records[0].URL, "h.example") {
			t.Fatalf("%.30q: %d records", request, len(d.records))
		}
		if all := fmt.Sprintf("%+v", d.records[0]); strings.Contains(all, secret) {
			t.Errorf("%.30q: the record tells the password: %s", request, all)
		}
		for _, f := range d.files {
			if f.SHA256 != "" || f.MD5 != "" || f.Seen == 0 {
				t.Errorf("%.30q: the form is hashed or its size unknown: %+v", request, f)
			}
		}
	}
}
