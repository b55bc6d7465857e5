package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLeaf checks the hashes against what the package's documentation says.
func TestLeaf(t *testing.T) {
	s := Stream{"fw1", "5f0c5f0c5f0c5f0c", "siem"}
	sum := func(parts ...[]byte) [32]byte { return sha256.Sum256(bytes.Join(parts, nil)) }
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	id := func(boot string) []byte {
		h := sum([]byte("kagami-stream-1 fw1 " + boot + " siem"))
		return h[:16]
	}
	for _, numbered := range []bool{true, false} {
		c := New(s, numbered)
		leaf := func(seq uint64, text string) []byte {
			boot := s.Boot
			if !numbered {
				boot, seq = "-", 0
			}
			h := sum(id(boot), number(seq), []byte(text))
			return h[:]
		}
		c.Add([]byte("a"))
		c.Cut()
		for i, text := range []string{"b", "c"} {
			seq, tag := c.Add([]byte(text))
			if want := leaf(uint64(i+2), text); seq != uint64(i+2) || !bytes.Equal(tag[:], want[:8]) {
				t.Errorf("line %d has tag %x, want %x", seq, tag, want[:8])
			}
		}
		first, last, digest := c.Cut()
		if want := sum(id(s.Boot), number(2), leaf(2, "b"), leaf(3, "c")); first != 2 || last != 3 || digest != want {
			t.Errorf("digest of %d to %d is %x, want 2 to 3, %x", first, last, digest, want)
		}
		if first, last, _ := c.Cut(); first != 4 || last != 3 {
			t.Errorf("nothing is %d to %d, want 4 to 3", first, last)
		}
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{"": "-", "fw-1.example": "fw-1.example", "東京 1": "_______1", `a"b\`: "a_b_", strings.Repeat("x", 90): strings.Repeat("x", 63)} {
		if got := Name(in); got != want || !isName(got) {
			t.Errorf("Name(%q) is %q, want %q", in, got, want)
		}
	}
	if a, b := NewBoot(), NewBoot(); a == b || len(a) != 16 || !isName(a) {
		t.Errorf("boots %q and %q", a, b)
	}
}

func TestStampForms(t *testing.T) {
	s := func() *Stamper { return NewStamper(New(Stream{"fw1", "b", "siem"}, true), '^') }
	tag := func(text string) string {
		l := newLeafHash(Stream{"fw1", "b", "siem"}).of(1, []byte(text))
		return hex.EncodeToString(l[:8])
	}
	for _, tt := range []struct{ name, line, got, want string }{
		{"json", `{"a":1}`, string(s().JSON([]byte(`x{"a":1}`), 1)), `x{"a":1,"kagami.export":{"sensor":"fw1","boot":"b","name":"siem","seq":1,"tag":"TAG"}}`},
		{"empty object", `{}`, string(s().JSON([]byte(`x{}`), 1)), `x{}`},
		{"pairs", "a=1", string(s().Pairs([]byte("xa=1"), 1)), "xa=1^kagamiSensor=fw1^kagamiBoot=b^kagamiExport=siem^kagamiSeq=1^kagamiTag=TAG"},
		{"structured", "line", string(s().Structured([]byte("xline"), 1)), `x[kagami@32473 sensor="fw1" boot="b" name="siem" seq="1" tag="TAG"] line`},
	} {
		if want := strings.Replace(tt.want, "TAG", tag(tt.line), 1); tt.got != want {
			t.Errorf("%s: %s\nwant %s", tt.name, tt.got, want)
		}
	}
	if got := string(WithoutStructured(s().Structured([]byte("line"), 0))); got != "line" {
		t.Errorf("without its stamp: %q", got)
	}
}

func testClaim() *Claim {
	return &Claim{Stream: Stream{"fw1", "b2", "siem"}, Start: 3, N: 2, At: t0 + 7, Every: time.Minute, First: 5, Last: 9, Digest: Leaf{1}, End: true,
		Previous: Mark{"", "b2", 1, Leaf{2}}, Also: []Mark{{"local", "b2", 4, Leaf{3}}}, Facts: []Fact{{"lost", "0,1"}, {`a b="|^\`, "é x"}}}
}

func TestClaim(t *testing.T) {
	text := testClaim().AppendSigned(nil, testKey(1))
	if i := bytes.IndexAny(text, "\"=|^\\\n"); i >= 0 {
		t.Errorf("it holds %q, which a format would have to escape: %s", text[i], text)
	}
	if got := FindClaim([]byte(`{"text":"` + string(text) + `","b":1}`)); !bytes.Equal(got, text) {
		t.Errorf("found %q", got)
	}
	c, err := ParseClaim(text)
	if err != nil {
		t.Fatal(err)
	}
	if again := c.AppendSigned(nil, testKey(1)); !bytes.Equal(again, text) {
		t.Errorf("read and written again: %s\nwas %s", again, text)
	}
	if c.Fact("lost") != "0,1" || lostOf(c) != 1 {
		t.Errorf("lost: %q", c.Fact("lost"))
	}
	for i := range text {
		b := bytes.Clone(text)
		b[i] ^= 1
		if c, err := ParseClaim(b); err == nil && i >= len(claimOpen) {
			t.Errorf("octet %d flipped, %q: still a claim of %v", i, b[max(0, i-9):i+1], c.Stream)
		}
	}
}

func TestClaimRefused(t *testing.T) {
	for name, change := range map[string]func(*Claim){
		"no number":                   func(c *Claim) { c.N = 0 },
		"last before first":           func(c *Claim) { c.First, c.Last = 9, 5 },
		"first of nothing":            func(c *Claim) { c.First = 0 },
		"not after the one before it": func(c *Claim) { c.Previous.N = 7 },
		"no interval":                 func(c *Claim) { c.Every = 0 },
		"a sensor with a blank":       func(c *Claim) { c.Sensor = "a b" },
		"too many lines":              func(c *Claim) { c.Last = 1 << 62 },
		"a word twice":                func(c *Claim) { c.Facts = []Fact{{"x", "1"}, {"x", "2"}} },
	} {
		c := testClaim()
		change(c)
		if _, err := ParseClaim(c.AppendSigned(nil, testKey(1))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add(testClaim().AppendSigned(nil, testKey(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if text := FindClaim(b); text != nil {
			b = text
		}
		c, err := ParseClaim(b)
		if err == nil && (c.N == 0 || c.Last+1 < c.First || !isName(c.Sensor)) {
			t.Errorf("taken: %q", b)
		}
	})
}

func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "account.json")
	s, err := LoadState(path)
	if err != nil || s.Starts != 0 {
		t.Fatalf("before the first start: %+v, %v", s, err)
	}
	s.Starts = 7
	s.Exports["siem"] = Mark{Boot: "b", N: 3, Hash: Leaf{9}}
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadState(path)
	if err != nil || got.Starts != 7 || got.Exports["siem"] != s.Exports["siem"] {
		t.Errorf("loaded %+v, %v", got, err)
	}
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadState(path); err == nil || got.Exports == nil || got.Starts != 0 {
		t.Errorf("half a file: %+v, %v", got, err)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"starts":7,"exports":{"siem":{"boot":"b","n":3,"hash":"` + strings.Repeat("0a", 32) + `"}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseState(b); err == nil {
			for name, m := range s.Exports {
				if !isName(name) || m.N == 0 {
					t.Errorf("taken: %q", b)
				}
			}
		}
	})
}

// FuzzFind: whatever a line holds, the finder neither panics nor finds a stamp
// outside it.
func FuzzFind(f *testing.F) {
	for _, form := range forms {
		s := newSensor(form).records(1).beat()
		for _, l := range s.lines {
			f.Add([]byte(l))
		}
	}
	f.Add([]byte(`{"a":"{\"kagami.export\":` + strings.Repeat(`{`, 300)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var find finder
		size := len(b)
		s, ok := find.find(b)
		if !ok {
			return
		}
		if s.Seq == 0 || !isName(s.Sensor) || !isName(s.Boot) || !isName(s.Name) || len(s.text) > size {
			t.Errorf("found %+v of %d octets", s, size)
		}
		newLeafHash(s.Stream).of(s.Seq, s.text)
		s.again()
	})
}

// FuzzVerify: whatever comes, there is a report or an error.
func FuzzVerify(f *testing.F) {
	lines := newSensor(forms[0]).records(2).beat().records(1).stop().lines
	whole := strings.Join(lines, "\n") + "\n"
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, `"seq":2`, `"seq":1152921504606846976`, 1)))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			t.Skip("sixteen octets of zstd may be gigabytes of nothing")
		}
		r, err := Verify(Options{Inputs: []string{"-"}, Stdin: bytes.NewReader(b)})
		if err == nil && r.Records+r.Repeated > r.Lines {
			t.Errorf("%d records and %d repeated of %d lines", r.Records, r.Repeated, r.Lines)
		}
	})
}

// FuzzAccount: the same of a log and its account.
func FuzzAccount(f *testing.F) {
	seed := &testing.T{}
	dir := f.TempDir()
	l := &logger{t: seed, path: filepath.Join(dir, "access.log"), at: t0}
	l.boot()
	l.minutes(2, true)
	account, err := os.ReadFile(l.path + accountSuffix)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(strings.Join(l.lines, "\n")), account, false)
	f.Add([]byte(strings.Join(l.lines, "\n")), account[len(account)/2:], true)
	f.Fuzz(func(t *testing.T, log, account []byte, full bool) {
		if bytes.HasPrefix(account, []byte{0x28, 0xb5, 0x2f, 0xfd}) || bytes.HasPrefix(log, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			t.Skip("sixteen octets of zstd may be gigabytes of nothing")
		}
		path := filepath.Join(t.TempDir(), "a.log")
		files := map[string][]byte{path: log, path + accountSuffix: account}
		if full {
			files[path+accountSuffix+".7"] = account
		}
		for name, text := range files {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Verify(Options{Inputs: []string{path}, Against: []string{path}})
		if err == nil && r.Vouched > r.Records {
			t.Errorf("%d vouched for of %d", r.Vouched, r.Records)
		}
	})
}

func BenchmarkStamper(b *testing.B) {
	line := []byte(`{"a":"` + strings.Repeat("x", 800) + `"}`)
	s := NewStamper(New(Stream{"fw1", "5f0c5f0c5f0c5f0c", "siem"}, true), ' ')
	buf := make([]byte, 0, 2000)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		buf = s.JSON(append(buf[:0], line...), 0)
	}
}
