package page_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/evidence/replay/page"
)

// hostile are texts that a page must not obey.
var hostile = []string{
	"</td><script>alert(1)</script>", `"><img src=x onerror=alert(2)>`, "javascript:alert(3)", "\u202egpj.exe\u202c", "\x00\x1b[31m\r\n\t\xff\xfe", "'`{{.}}${x}", "</style></title><!--", "&lt;b&gt;",
	"<iframe src=//evil.example>", "]]>", "\u200b\u2066\u00ad\ufeff", "http://evil.example/%00", "a\u0301\u0301\u0301\u0301\u0301", "\u2028\u2029", strings.Repeat("A", 20_000), "%s%d%!", "expression(alert(4))",
	"<svg onload=alert(5)>", " onmouseover=alert(6) x=", "\U000e0041\U0001f600",
}

// poison puts hostile texts into every string of a Reading, octets of heads and bodies
// included. Values that are not texts stay, so that the chain has something to find.
func poison(x reflect.Value, rng *rand.Rand, seen map[uintptr]bool, field string) {
	switch x.Kind() {
	case reflect.Pointer:
		if x.IsNil() || seen[x.Pointer()] {
			return
		}
		seen[x.Pointer()] = true
		if u, ok := x.Interface().(*url.URL); ok {
			u.Path, u.RawPath, u.RawQuery, u.Fragment = "/"+pick(rng), "", pick(rng), pick(rng)
			if rng.IntN(3) == 0 {
				u.Host = pick(rng)
			}
			if rng.IntN(3) == 0 {
				u.Scheme, u.Opaque = pick(rng), pick(rng)
			}
			return
		}
		poison(x.Elem(), rng, seen, field)
	case reflect.Struct:
		for i := range x.NumField() {
			if f := x.Type().Field(i); f.IsExported() {
				poison(x.Field(i), rng, seen, f.Name)
			}
		}
	case reflect.Slice:
		if b, ok := x.Interface().([]byte); ok {
			if rng.IntN(2) == 0 && x.CanSet() {
				x.SetBytes(append([]byte(pick(rng)), b...))
			}
			return
		}
		for i := range x.Len() {
			poison(x.Index(i), rng, seen, field)
		}
	case reflect.String:
		if x.CanSet() && rng.IntN(3) > 0 {
			x.SetString(pick(rng))
		}
	}
}

func pick(rng *rand.Rand) string {
	var b strings.Builder
	for range 1 + rng.IntN(3) {
		b.WriteString(hostile[rng.IntN(len(hostile))])
	}
	return b.String()
}

// dirty is a Reading with hostile texts in all of its fields.
func dirty(seed uint64) *replay.Reading {
	rng := rand.New(rand.NewPCG(seed, 6))
	s := driveby().broken()
	s.Flows[1].TLS = &replay.TLS{Version: "TLS 1.3", ServerName: "x", Dark: "no key"}
	s.Transactions[2].Response = nil
	s.Transactions[3].Switched = "websocket"
	s.Objects = []*replay.Object{{URL: s.Transactions[4].Request.URL, Client: netip.MustParseAddr("10.0.0.23"), Data: []byte("MZ"), SHA256: "x", Pieces: []replay.Piece{{Transaction: s.Transactions[4], Length: 2}}}}
	poison(reflect.ValueOf(&s.Reading), rng, map[uintptr]bool{}, "")
	s.Source = hostile[int(seed)%6]              // a file of ours: it is shown as it is
	s.Holes[0].Kind = replay.HoleKind(pick(rng)) // a kind that is not known
	return &s.Reading
}

// TestHostile: nothing from the wire becomes markup, a reference or an unseen character.
func TestHostile(t *testing.T) {
	for seed := range uint64(40) {
		r := dirty(seed)
		c := replay.Build(r)
		for i := range c.Edges { // the chain escapes its reasons; the page does not rely on it
			c.Edges[i].Reason = hostile[i%len(hostile)]
		}
		for i, n := range c.Nodes {
			for j := range n.In {
				n.In[j].Reason, n.In[j].Kind = hostile[(i+j)%len(hostile)], replay.EdgeKind(hostile[(i+j+3)%len(hostile)])
			}
			n.Content.Name, n.Content.Disguise, n.Why = hostile[i%len(hostile)], hostile[(i+1)%len(hostile)], hostile[(i+2)%len(hostile)]
		}
		c.Notes = append(c.Notes, replay.Hole{Kind: replay.HoleLimit, Text: hostile[seed%uint64(len(hostile))]})
		for _, o := range []page.Options{{Language: "en"}, {Language: "ja", Live: true, Version: hostile[0], Directory: hostile[5], Password: hostile[1]}} {
			var b bytes.Buffer
			if err := page.Write(&b, r, c, o); err != nil {
				t.Fatal(err)
			}
			inspect(t, b.String())
			if text := textOf(t, b.String()); !o.Live && strings.Contains(text, "http://evil") {
				i := strings.Index(text, "http://evil")
				t.Errorf("an address is in the page as it was: %q", text[max(0, i-200):i+20])
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("javascript\x8a", []byte("0"))
	for _, s := range hostile {
		f.Add(s, []byte(s))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		s := driveby().broken()
		for _, x := range s.Transactions {
			x.Request.URL = &url.URL{Scheme: "http", Host: text, Path: text}
			x.Request.Method, x.Request.Head = text, body
			x.Response.Body.Declares, x.Response.Body.Magic, x.Response.Head = text, text, body
			x.Response.Body.Data = append(x.Response.Body.Data[:min(8, len(x.Response.Body.Data))], body...)
		}
		s.Holes[0].Text, s.Lookups[0].Name, s.Source = text, text, text
		inspect(t, write(t, &s.Reading, page.Options{Language: "ja"}))
	})
}
