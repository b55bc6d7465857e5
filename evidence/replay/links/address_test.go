package links

import "testing"

// TestResolve follows the WHATWG URL standard where it differs from RFC 3986.
func TestResolve(t *testing.T) {
	const base = "http://www.example.com/a/b/c.html?q#f"
	for _, tt := range []struct{ ref, want string }{
		{"d.html", "http://www.example.com/a/b/d.html"},
		{"./d/../e", "http://www.example.com/a/b/e"},
		{"../../../../x", "http://www.example.com/x"},
		{"..", "http://www.example.com/a/"},
		{".", "http://www.example.com/a/b/"},
		{"%2e%2E/x/.%2e/y", "http://www.example.com/a/y"},
		{"/x//y", "http://www.example.com/x//y"},
		{"?n=1", "http://www.example.com/a/b/c.html?n=1"},
		{"?", "http://www.example.com/a/b/c.html?"},
		{"//h.example", "http://h.example/"},
		{`\\h.example\x?\`, `http://h.example/x?\`},
		{"https:/\\h.example/x", "https://h.example/x"},
		{"http:x", "http://www.example.com/a/b/x"},
		{"https:h.example", "https://h.example/"},
		{" \t ht\ntp://h.ex\rample/a b\t\n ", "http://h.example/a%20b"},
		{"HTTP://User:Pass@H.Example:80/A?B#c", "http://h.example/A?B"},
		{"http://h.example:8080/", "http://h.example:8080/"},
		{"http://2130706433/", "http://127.0.0.1/"},
		{"http://0x7f.1/", "http://127.0.0.1/"},
		{"http://0300.0250.0.1/x", "http://192.168.0.1/x"},
		{"http://%77ww.h.example/", "http://www.h.example/"},
		{"http://[2001:db8::1]:81/", "http://[2001:db8::1]:81/"},
		{"http://under_score.example/", "http://under_score.example/"},
		{"/\"<>`{}^é", "http://www.example.com/%22%3C%3E%60%7B%7D%5E%C3%A9"},
		{"/%zz%4a", "http://www.example.com/%zz%4a"},
		{"/?\"<>'{}", "http://www.example.com/?%22%3C%3E%27{}"},
		{"wss://h.example/s", "wss://h.example/s"},
		{"#top", ""},
		{"mailto:a@h.example", ""},
		{"file:///etc/passwd", ""},
		{"c:\\windows", ""},
		{"http://", ""},
		{"http:///", ""},
		{"http://a b/", ""},
		{"http://1.2.3.4.5/", ""},
		{"http://256.1.1.1/", ""},
		{"http://h.example:99999/", ""},
		{"http://<x>/", ""},
		{"http://[::1/", ""},
		{"http://./", ""},
	} {
		t.Run(tt.ref, func(t *testing.T) {
			got, _ := new(page).resolve([]byte(tt.ref), addressOf(mustParse(t, base)))
			if got != tt.want {
				t.Errorf("resolve(%q) = %q, want %q", tt.ref, got, tt.want)
			}
		})
	}
	if u, ok := new(page).resolve([]byte("x.html"), nil); ok {
		t.Errorf("a relative URL without a base came to %q", u)
	}
}
