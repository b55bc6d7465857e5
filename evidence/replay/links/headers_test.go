package links

import (
	"strings"
	"testing"
)

func TestFromHeaders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header map[string][]string
		want   string
	}{
		{"redirect", map[string][]string{"Location": {"/next?a=1#x"}}, "location http://www.example.com/next?a=1"},
		{"HTTP/2 has lower case", map[string][]string{"location": {"//h.example"}}, "location http://h.example/"},
		{"refresh", map[string][]string{"Refresh": {"0;URL=a.html"}}, "refresh http://www.example.com/shop/a.html"},
		{"refresh without url=", map[string][]string{"refresh": {"5, http://h.example/x"}}, "refresh http://h.example/x"},
		{"refresh of the page itself", map[string][]string{"Refresh": {"5"}}, ""},
		{"links", map[string][]string{"Link": {`</a.css>; rel="x,<no>"; as=style, <b.js>;rel=preload`, `<http://h.example/c>`}},
			"link http://www.example.com/a.css, link http://www.example.com/shop/b.js, link http://h.example/c"},
		{"where the content is", map[string][]string{"Content-Location": {"b.html"}}, "content-location http://www.example.com/shop/b.html"},
		{"order of fields", map[string][]string{"Link": {"<l>"}, "Location": {"m"}, "LOCATION": {"k"}},
			"location http://www.example.com/shop/k, location http://www.example.com/shop/m, link http://www.example.com/shop/l"},
		{"a refresh into a document", map[string][]string{"Refresh": {"0;url=data:text/html,<img src=http://h.example/i>"}}, "img http://h.example/i"},
		{"other fields", map[string][]string{"Server": {"http://h.example/"}, "Set-Cookie": {"a=http://h.example/"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, l := range FromHeaders(tt.header, mustParse(t, pageURL)) {
				got = append(got, short(l))
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("got %s\nwant %s", s, tt.want)
			}
		})
	}
}
