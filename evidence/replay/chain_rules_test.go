package replay_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/replay"
)

// check tests what holds of every chain.
func check(t testing.TB, r *replay.Reading, c *replay.Chain) {
	t.Helper()
	if len(c.Nodes) != len(r.Transactions) {
		t.Fatalf("%d nodes of %d transactions", len(c.Nodes), len(r.Transactions))
	}
	edges, roots, children := 0, 0, 0
	for i, n := range c.Nodes {
		if n.Transaction.Number != i || c.Node(n.Transaction) != n {
			t.Fatal("nodes are not in order")
		}
		parents := map[*replay.Transaction]bool{}
		for _, e := range n.In {
			parents[e.From] = true
			if e.To != n.Transaction || e.From.Number >= e.To.Number || e.From.Flow.Client.Addr() != e.To.Flow.Client.Addr() || e.Reason == "" || e.Kind == "" || e.Weight <= 0 {
				t.Fatalf("edge %+v", e)
			}
			named := slices.ContainsFunc(n.In, func(x replay.Edge) bool { return x.From == e.From && x.Kind == replay.EdgeReferer })
			if !named && e.From.Response != nil && e.From.Response.Time > e.To.Request.Time {
				t.Fatalf("the cause is answered after its effect: %+v", e)
			}
			clean(t, e.Reason)
		}
		if len(parents) > 3 {
			t.Fatalf("%d parents", len(parents))
		}
		if (n.Parent == nil) != (len(n.In) == 0) || n.Parent != nil && n.Parent.Transaction != n.In[0].From {
			t.Fatal("the parent is not the best cause")
		}
		if n.Parent == nil {
			roots++
		}
		edges += len(n.In)
		children += len(n.Children)
	}
	if edges != len(c.Edges) || roots != len(c.Roots) || roots+children != len(c.Nodes) {
		t.Fatalf("%d edges of %d, %d roots of %d, %d children", edges, len(c.Edges), roots, len(c.Roots), children)
	}
}

// jungle is traffic without sense: few URLs, many links, everything refers to everything.
func jungle(r *rand.Rand, n int) *replay.Reading {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	address := func() string {
		return pick("http://", "https://") + pick("a", "b", "c") + ".example/" + pick("", "x", "y?q", "d/e/f", "favicon.ico", "s.js")
	}
	var steps []visit
	for i := range n {
		s := visit{at: float64(i) * r.Float64() * 3, took: r.Float64() * 3, client: pick("10.0.0.1", "10.0.0.2"), agent: pick("", "-", plugin, "bot"),
			request: pick("GET ", "GET ", "POST ") + address(), kind: pick(page, "text/css", "text/javascript", "", "image/gif", "application/octet-stream"),
			referer: pick("", address(), "https://a.example/"), status: []int{200, 200, 302, 304, 404, -1}[r.IntN(6)]}
		if r.IntN(9) == 0 {
			s.request = "CONNECT " + pick("a", "b") + ".example:443"
		}
		if s.status == 302 {
			s.field = "Location: " + address()
		}
		switch r.IntN(5) {
		case 0:
			s.body = peBody() + address()
		case 1:
			s.body = swfBody
		default:
			for range r.IntN(5) {
				s.body += fmt.Sprintf(`<%s="%s">`, pick("iframe src", "a href", "img src", "form action", "script src", "b id"), address())
			}
			s.body += "<script>var u='" + address() + "'; location='http://a.example/d/'+u</script>"
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b visit) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	out := reading(steps...)
	for i := range 20 {
		out.Lookups = append(out.Lookups, replay.Lookup{Time: start + int64(r.IntN(n))*second, Frame: i + 1, Client: netip.MustParseAddr(pick("10.0.0.1", "10.0.0.2")), Name: pick("a", "b", "c") + ".example"})
	}
	return out
}

// TestRules: no cycles, no mixed clients, few parents, and the same for equal input,
// in whatever order its lists are.
func TestRules(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		r := jungle(rnd, 120)
		c := replay.Build(r)
		check(t, r, c)
		text := tree(t, c, replay.TreeOptions{Reasons: true})
		shuffled := *r
		for _, list := range []any{&shuffled.Transactions, &shuffled.Flows, &shuffled.Lookups} {
			v := reflect.ValueOf(list).Elem()
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			rnd.Shuffle(v.Len(), reflect.Swapper(v.Interface()))
		}
		d := replay.Build(&shuffled)
		if !reflect.DeepEqual(c.Edges, d.Edges) || text != tree(t, d, replay.TreeOptions{Reasons: true}) {
			t.Fatalf("seed %d: the order of the lists changes the chain", seed)
		}
		for range 20 {
			a, b := r.Transactions[rnd.IntN(120)], r.Transactions[rnd.IntN(120)]
			if ok := c.Confirm(a, b); ok != (a.Number < b.Number && a.Flow.Client.Addr() == b.Flow.Client.Addr()) {
				t.Fatalf("confirm %d, %d: %v", a.Number, b.Number, ok)
			}
		}
		if len(c.Edges) < 20 {
			t.Fatal("hardly any edges: the test tests nothing")
		}
	}
}

// TestEmptyChain: what has no transactions has an empty chain.
func TestEmptyChain(t *testing.T) {
	c := replay.Build(&replay.Reading{})
	if len(c.Nodes)+len(c.Edges)+len(c.Roots)+len(c.Suspects()) != 0 || tree(t, c, replay.TreeOptions{}) != "" {
		t.Errorf("got %+v", c)
	}
}

func TestContent(t *testing.T) {
	const octets = "application/octet-stream"
	random := make([]byte, 20<<10)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for _, c := range []struct {
		body, magic, declares string
		kind                  replay.ContentKind
		name, disguise        string
	}{
		{peBody(), "", octets, replay.ContentProgram, "PE", ""},
		{peBody(), "", "image/gif", replay.ContentProgram, "PE", "image/gif"},
		{peBody(), "", "text/html", replay.ContentProgram, "PE", "text/html"},
		{peBody(), "", "application/pdf", replay.ContentProgram, "PE", "application/pdf"},
		{"MZ is how this text begins, which is long enough to be looked at closely: 64", "text/plain", "text/plain", replay.ContentPlain, "", ""},
		{"MZ\x90\x00", "", octets, replay.ContentProgram, "PE", ""}, // cut off
		{"\x7fELF\x02", "", octets, replay.ContentProgram, "ELF", ""},
		{"\xcf\xfa\xed\xfe", "", "", replay.ContentProgram, "Mach-O", ""},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02....", "", "", replay.ContentProgram, "Mach-O", ""},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x34....", "", "", replay.ContentExploit, "Java class", ""},
		{jarBody, "", "application/java-archive", replay.ContentExploit, "JAR", ""},
		{"PK\x03\x04aaaa", "application/zip", "application/zip", replay.ContentContainer, "ZIP", ""},
		{"PK\x03\x04aaaa", "application/zip", "application/x-silverlight-app", replay.ContentExploit, "XAP", ""},
		{"PK\x03\x04aaaa", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "", replay.ContentExploit, "OOXML", ""},
		{swfBody, "", "application/x-shockwave-flash", replay.ContentExploit, "SWF", ""},
		{swfBody, "", "image/png", replay.ContentExploit, "SWF", "image/png"},
		{"FWSomething that is text", "text/plain", "text/plain", replay.ContentPlain, "", ""},
		{"junk %PDF-1.3", "", "application/pdf", replay.ContentExploit, "PDF", ""},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "application/msword", replay.ContentExploit, "OLE", ""},
		{"{\\rtf1", "", "text/rtf", replay.ContentExploit, "RTF", ""},
		{"MSCF\x00", "", "application/vnd.ms-cab-compressed", replay.ContentContainer, "CAB", ""},
		{"<html><HTA:APPLICATION id=x>", "text/html", "text/html", replay.ContentProgram, "HTA", "text/html"},
		{"<html><HTA:APPLICATION id=x>", "text/html", "application/hta", replay.ContentProgram, "HTA", ""},
		{"L\x00\x00\x00\x01\x14\x02\x00", "", octets, replay.ContentProgram, "LNK", ""},
		{string(random), octets, octets, replay.ContentOpaque, "data", ""},
		{string(random), octets, "image/jpeg", replay.ContentOpaque, "data", ""},
		{strings.Repeat("\x00\x01", 300), octets, "image/jpeg", replay.ContentExploit, "malformed image", "image/jpeg"},
		{"<html>", "text/html", "text/html", replay.ContentPlain, "", ""},
		{"GIF89a", "image/gif", "image/gif", replay.ContentPlain, "", ""},
	} {
		r := reading(visit{request: "GET http://a.example/", kind: c.declares, body: c.body, magic: c.magic})
		if got := replay.Build(r).Nodes[0].Content; got != (replay.Content{Kind: c.kind, Name: c.name, Disguise: c.disguise}) {
			t.Errorf("%.20q as %s: got %+v, want %+v", c.body, c.declares, got, c)
		}
	}
}

// TestRangesAreOneThing: the piece that bears the beginning tells what it is.
func TestRangesAreOneThing(t *testing.T) {
	r := reading(visit{request: "GET http://a.example/x", status: 206, field: "Content-Range: bytes 100-255/256", body: "MZ no program begins here, this is the middle of something else\x00\x00"},
		visit{at: 1, request: "GET http://a.example/x", status: 206, field: "Content-Range: bytes 0-1/256", body: "MZ"})
	r.Objects = []*replay.Object{{Data: []byte(peBody()), Pieces: []replay.Piece{{Transaction: r.Transactions[1], Length: 2}, {Transaction: r.Transactions[0], Offset: 100}}}}
	c := replay.Build(r)
	if c.Nodes[0].Content.Kind != replay.ContentPlain || c.Nodes[1].Content.Name != "PE" {
		t.Errorf("got %+v, %+v", c.Nodes[0].Content, c.Nodes[1].Content)
	}
}

// TestSearchIsBounded: what is beyond the limit is told, not searched.
func TestSearchIsBounded(t *testing.T) {
	big := strings.Repeat(" ", 16<<20)
	var steps []visit
	for i := range 10 {
		steps = append(steps, visit{at: float64(i), request: fmt.Sprintf("GET http://a.example/%d", i), kind: page})
	}
	r := reading(append(steps, visit{at: 20, request: "GET http://a.example/f"})...)
	for i, x := range r.Transactions[:10] {
		x.Response.Body.Data, x.Response.Body.Magic, x.Response.Body.SHA256 = []byte("<iframe src=f>"+big), page, fmt.Sprint(i)
	}
	c := replay.Build(r)
	if n := c.Nodes[10]; n.Parent != c.Nodes[7] { // the eighth is the last that was searched
		t.Errorf("got %+v", n.In)
	}
	var texts []string
	for _, h := range c.Notes {
		texts = append(texts, h.Text)
		if h.Kind != replay.HoleLimit || h.Time == 0 {
			t.Errorf("got %+v", h)
		}
	}
	want := []string{"links of a body: more than 16777216 input octets", "bodies that were not searched for links: 2, as there are more than 134217728 octets of text in all"}
	if !slices.Equal(texts, want) {
		t.Errorf("got %q", texts)
	}
	if s := tree(t, c, replay.TreeOptions{}); !strings.Contains(s, "! bodies that were not searched") {
		t.Error("the tree does not tell")
	}
}
