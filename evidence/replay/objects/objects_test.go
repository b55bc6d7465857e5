package objects

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/evidence/replay/sealedzip"
)

const start = 1265169907_123456789 // 2010-02-03 04:05:07

func salts() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func body(data, declares, magic string) replay.Body {
	b := replay.Body{Wire: []byte(data), Data: []byte(data), Declares: declares, Magic: magic, Complete: true}
	if data != "" {
		h := sha256.Sum256([]byte(data))
		b.SHA256, b.MD5, b.SHA1 = hex.EncodeToString(h[:]), "5", "1"
	}
	return b
}

func get(u string, b replay.Body) *replay.Transaction {
	address, _ := url.Parse(u)
	return &replay.Transaction{
		Flow:     &replay.Flow{Client: netip.MustParseAddrPort("10.0.3.15:1044"), Server: netip.MustParseAddrPort("192.0.2.80:80")},
		Request:  &replay.Request{Method: "GET", URL: address, Message: replay.Message{Time: start, Frame: 4, Till: 4}},
		Response: &replay.Response{Status: 200, Message: replay.Message{Time: start + 1e6, Frame: 6, Till: 60, Body: b}},
	}
}

func reading(ts ...*replay.Transaction) *replay.Reading {
	r := &replay.Reading{First: start, Last: start + 1e9, Transactions: ts}
	for i, t := range ts {
		t.Number = i
	}
	return r
}

func write(t testing.TB, r *replay.Reading, o Options) []*zip.File {
	t.Helper()
	var b bytes.Buffer
	o.Salt = salts()
	if err := Write(&b, r, o); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return z.File
}

func open(t testing.TB, f *zip.File, password string) string {
	t.Helper()
	r, err := sealedzip.Open(f, password)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func rows(t testing.TB, fs []*zip.File) []Row {
	t.Helper()
	var all []Row
	if err := json.Unmarshal([]byte(open(t, fs[1], "infected")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWrite(t *testing.T) {
	page, evil := body("<p>x</p>", "text/html", "text/html"), body("MZ\x90\x00", "image/gif", "application/vnd.microsoft.portable-executable")
	first, second, again := get("http://a.example/", page), get("http://b.example/x.gif", evil), get("http://c.example/x.gif", evil)
	second.Request.Method, second.Request.Body = "POST", body("id=1", "application/x-www-form-urlencoded", "text/plain")
	again.Response.Body.Complete, again.Response.Body.Why = false, "100 octets were declared, 4 came"
	lone := get("", page)
	lone.Request = &replay.Request{}
	none := get("http://d.example/", replay.Body{})
	none.Response = nil
	r := reading(first, second, again, lone, none, get("http://e.example/", replay.Body{}))
	whole := body("joined of ranges", "application/pdf", "application/pdf")
	r.Objects = []*replay.Object{{URL: first.Request.URL, Data: whole.Data, SHA256: whole.SHA256, Pieces: []replay.Piece{{Transaction: first}, {Transaction: again}}, Complete: true}, {}}
	fs := write(t, r, Options{})

	var names []string
	for _, f := range fs {
		names = append(names, f.Name)
	}
	want := []string{ListingCSV, ListingJSON, page.SHA256, body("id=1", "", "").SHA256, evil.SHA256, whole.SHA256}
	if !reflect.DeepEqual(names, want) {
		t.Fatalf("in the zip: %q, want %q", names, want)
	}
	for _, f := range fs[2:] {
		if h := sha256.Sum256([]byte(open(t, f, "infected"))); hex.EncodeToString(h[:]) != f.Name {
			t.Errorf("%s is not what its name says", f.Name)
		}
	}
	got := rows(t, fs)
	var brief []string
	for _, x := range got {
		brief = append(brief, strings.Join([]string{x.Kind, x.Method, x.URL, x.Why}, " "))
		if x.Time == "" || x.Frame == 0 || x.Size == 0 || x.Client != "10.0.3.15:1044" || x.Server != "192.0.2.80:80" {
			t.Errorf("incomplete: %+v", x)
		}
	}
	if want := []string{"response GET http://a.example/ ", "request POST http://b.example/x.gif ", "response POST http://b.example/x.gif ",
		"response GET http://c.example/x.gif 100 octets were declared, 4 came", "response  unknown://192.0.2.80:80/ ", "joined GET http://a.example/ "}; !reflect.DeepEqual(brief, want) {
		t.Errorf("%q, want %q", brief, want)
	}
	if x := got[2]; !x.Mismatch || x.Declared != "image/gif" || x.Magic != "application/vnd.microsoft.portable-executable" || x.Entropy != 2 || x.Size != 4 || !x.Complete || x.Status != 200 ||
		x.Time != "2010-02-03T04:05:07.124456Z" || x.Frame != 6 || x.LastFrame != 60 || x.Transaction != 1 || x.MD5 != "5" || x.SHA1 != "1" || x.SHA256 != evil.SHA256 {
		t.Errorf("%+v", x)
	}
	if got[3].Complete {
		t.Error("what was cut off is called complete")
	}
}

func TestPassword(t *testing.T) {
	fs := write(t, reading(get("http://a.example/", body("MZ", "", ""))), Options{Password: "other"})
	if open(t, fs[2], "other") != "MZ" {
		t.Error("not what was transferred")
	}
	if _, err := sealedzip.Open(fs[2], "infected"); !errors.Is(err, sealedzip.ErrPassword) {
		t.Errorf("opened by another password: %v", err)
	}
}

func TestPlainListing(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, f := range write(t, reading(get("http://a.example/", body("MZ", "", ""))), Options{PlainListing: plain}) {
			inClear := f.Flags&1 == 0
			if want := plain && strings.HasPrefix(f.Name, "listing."); inClear != want {
				t.Errorf("asked %v: %s is in clear: %v", plain, f.Name, inClear)
			}
		}
	}
}

// What a spreadsheet would take for a formula came from an attacker.
func TestCSV(t *testing.T) {
	x := get("http://a.example/?a=\"b\",c\n", body("MZ", "=cmd|' /c calc'!a1", "text/plain"))
	x.Request.Method = "-1"
	x.Response.Body.Why = "@sum\r\nx"
	fs := write(t, reading(x), Options{})
	all, err := csv.NewReader(strings.NewReader(open(t, fs[0], "infected"))).ReadAll()
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for i, name := range all[0] {
		want, ok := map[string]string{"method": "'-1", "declared_type": "'=cmd|' /c calc'!a1", "why": "'@sum\nx", "status": "200", "entropy": "1.000", "mismatch": "true", "complete": "true"}[name]
		if ok && all[1][i] != want {
			t.Errorf("%s = %q, want %q", name, all[1][i], want)
		}
	}
	if x := rows(t, fs)[0]; x.Declared != "=cmd|' /c calc'!a1" {
		t.Errorf("JSON is exact: %q", x.Declared)
	}
}

func TestMismatch(t *testing.T) {
	const exe = "application/vnd.microsoft.portable-executable"
	for _, c := range []struct {
		declared, magic string
		want            bool
	}{
		{"text/html", "text/html", false},
		{"", exe, false},
		{"application/octet-stream", exe, false},
		{"application/x-msdownload", exe, false},
		{"Image/JPG", "image/jpeg", false},
		{"text/html", "text/plain", false},
		{"text/plain", "text/html", false},
		{"application/x-javascript", "text/plain", false},
		{"application/x-javascript", "text/javascript", false},
		{"text/css", "text/plain", false},
		{"text/javascript", "text/tab-separated-values", false},
		{"application/java-vm", "application/x-java-applet", false},
		{"application/zip", "application/java-archive", false},
		{"application/java-archive", "application/zip", false},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip", false},
		{"image/svg+xml", "text/xml", false},
		{"text/html", "text/xml", false},
		{"text/html", "application/json", false},
		{"image/x-icon", "image/vnd.microsoft.icon", false},
		{"image/gif", "application/octet-stream", false},
		{"nonsense", exe, false},

		{"image/gif", exe, true},
		{"text/html", exe, true},
		{"text/plain", "application/zip", true},
		{"image/png", "image/jpeg", true},
		{"image/gif", "text/html", true},
		{"image/gif", "text/plain", true},
		{"text/javascript", "text/html", true},
		{"text/html", "application/x-shockwave-flash", true},
		{"text/html", "application/java-archive", true},
		{"application/pdf", "text/html", true},
	} {
		if got := mismatch(c.declared, c.magic); got != c.want {
			t.Errorf("declared %q, found %q: mismatch = %v", c.declared, c.magic, got)
		}
	}
}

func TestEntropy(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for in, want := range map[string]float64{"": 0, "aaaaaaa": 0, "ab": 1, "abcd": 2, "aab": 0.918, string(all): 8} {
		if got := entropy([]byte(in)); got != want {
			t.Errorf("entropy of %q = %v, want %v", in[:min(8, len(in))], got, want)
		}
	}
}

type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestDiskFull(t *testing.T) {
	r := reading(get("http://a.example/", body(strings.Repeat("x", 5000), "", "")), get("http://a.example/", body("y", "", "")))
	for n := 0; n < 2000; n += 40 {
		f := &full{n}
		if err := Write(f, r, Options{Salt: salts()}); (err != nil) != (f.n < 0) {
			t.Fatalf("after %d octets: %v", n, err)
		}
	}
}

// The judge that is not ours.
func TestSevenZip(t *testing.T) {
	program, err := exec.LookPath("7z")
	if err != nil {
		t.Skip("no 7z here: ", err)
	}
	b := body("payload", "", "")
	var out bytes.Buffer
	if err := Write(&out, reading(get("http://a.example/", b)), Options{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "objects.zip")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(program, "e", "-so", "-pinfected", path, b.SHA256).Output()
	if err != nil || string(got) != "payload" {
		t.Errorf("%q, %v", got, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{4}).Read(noise)
	r := reading(get("http://a.example/", body(string(noise), "", "")), get("http://a.example/", body(strings.Repeat("<p>text</p>\n", 100_000), "", "")))
	b.SetBytes(1<<20 + 1_200_000)
	b.ReportAllocs()
	for range b.N {
		if err := Write(io.Discard, r, Options{Salt: salts()}); err != nil {
			b.Fatal(err)
		}
	}
}
