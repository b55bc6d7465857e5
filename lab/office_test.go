package lab

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	officeScenario = "scenarios/office.toml"
	officeData     = "../testdata/office"
)

// generateOffice makes the bundled day once for all tests, which only read it.
var generateOffice = sync.OnceValues(func() (*bundle, error) {
	s, err := Load(officeScenario)
	if err != nil {
		return nil, err
	}
	c, truth, err := s.Generate()
	return &bundle{c, truth}, err
})

type bundle struct {
	capture *Capture
	truth   *Truth
}

func office(t testing.TB) (*Capture, *Truth) {
	t.Helper()
	b, err := generateOffice()
	if err != nil {
		t.Fatal(err)
	}
	return b.capture, b.truth
}

// The committed capture and truth are what the scenario gives, byte for byte.
// If this fails after a deliberate change, run
//
//	go run ./lab/cmd/lab
func TestOfficeIsReproducible(t *testing.T) {
	c, truth := office(t)
	var pcap, labels bytes.Buffer
	if err := c.WritePcap(&pcap); err != nil {
		t.Fatal(err)
	}
	if err := truth.WriteJSON(&labels); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(officeData, "in.pcap.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	committed, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, pcap.Bytes()) {
		t.Errorf("in.pcap.zst is not what %s gives: run go run ./lab/cmd/lab", officeScenario)
	}
	want, err := os.ReadFile(filepath.Join(officeData, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, labels.Bytes()) {
		t.Errorf("truth.json is not what %s gives: run go run ./lab/cmd/lab", officeScenario)
	}
}

// Another seed gives another day of the same kind.
func TestSeedMatters(t *testing.T) {
	s, err := Load(officeScenario)
	if err != nil {
		t.Fatal(err)
	}
	var days [2]bytes.Buffer
	for i := range days {
		s.Seed = uint64(i)
		c, truth, err := s.Generate()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(truth.Attacks); got != 4 {
			t.Errorf("seed %d: %d attacks, want 4", i, got)
		}
		if err := c.WritePcap(&days[i]); err != nil {
			t.Fatal(err)
		}
		checkWire(t, c, truth)
	}
	if bytes.Equal(days[0].Bytes(), days[1].Bytes()) {
		t.Error("two seeds gave the same capture")
	}
}

func TestOfficeWire(t *testing.T) {
	c, truth := office(t)
	checkWire(t, c, truth)
	if n := len(c.Frames); n < 30_000 || n > 60_000 {
		t.Errorf("%d packets, want 30,000 to 60,000", n)
	}
}

func TestOfficeCounts(t *testing.T) {
	c, truth := office(t)
	got := countMessages(t, c, truth)
	want := truth.Counts
	if got.HTTP != want.HTTP {
		t.Errorf("http: on the wire %+v, truth %+v", got.HTTP, want.HTTP)
	}
	if got.TLS != want.TLS {
		t.Errorf("tls: on the wire %+v, truth %+v", got.TLS, want.TLS)
	}
	if got.DNS != want.DNS {
		t.Errorf("dns: on the wire %+v, truth %+v", got.DNS, want.DNS)
	}
	for status, least := range map[int]int{200: 1000, 204: 20, 302: 10, 304: 100, 404: 5, 407: 1, 503: 1} {
		if got.statuses[status] < least {
			t.Errorf("%d responses of status %d, want at least %d", got.statuses[status], status, least)
		}
	}
	for method, least := range map[string]int{"GET": 1000, "HEAD": 10, "POST": 100, "CONNECT": 100} {
		if got.methods[method] < least {
			t.Errorf("%d requests of method %s, want at least %d", got.methods[method], method, least)
		}
	}
}

// Each label's flows are in the capture and its times enclose them.
func TestOfficeLabels(t *testing.T) {
	c, truth := office(t)
	flows := wireFlows(t, c)
	for _, a := range truth.Attacks {
		if a.Events == 0 || len(a.Flows) == 0 || len(a.Destinations) == 0 {
			t.Errorf("%s: empty label %+v", a.ID, a)
		}
		if a.First.Before(truth.Start) || a.Last.After(truth.End) || a.Last.Before(a.First) {
			t.Errorf("%s: from %s to %s, want inside the capture", a.ID, a.First, a.Last)
		}
		for _, f := range a.Flows {
			if flows[f] == nil {
				t.Errorf("%s: flow %v is not in the capture", a.ID, f)
			}
		}
	}
	for _, b := range truth.Benign {
		if b.Events == 0 || len(b.Hosts) == 0 {
			t.Errorf("%s: nothing happens", b.ID)
		}
	}
}

// The drive-by can be followed on the wire: each step's body has the sum the
// truth gives, each Referer is right, and the program lies about its type.
func TestOfficeDriveBy(t *testing.T) {
	c, truth := office(t)
	label := attackOf(t, truth, "driveby")
	found := make(map[string]exchange)
	for _, x := range exchanges(t, c, truth) {
		found[x.url] = x
	}
	roles := []string{"page", "script", "gate", "landing", "exploit", "payload"}
	if len(label.Steps) != len(roles) {
		t.Fatalf("%d steps, want %v", len(label.Steps), roles)
	}
	for i, step := range label.Steps {
		x, ok := found[step.URL]
		switch {
		case step.Role != roles[i]:
			t.Errorf("step %d is %q, want %q", i, step.Role, roles[i])
		case !ok:
			t.Errorf("%s: %s is not on the wire", step.Role, step.URL)
		case x.sum != step.SHA256 || x.size != step.Bytes || x.status != step.Status || x.referer != step.Referer:
			t.Errorf("%s: on the wire %+v, truth %+v", step.Role, x, step)
		}
	}
	payload := found[label.Steps[5].URL]
	if !bytes.HasPrefix(payload.head, []byte("MZ")) || payload.kind != "image/gif" || payload.size != 92160 {
		t.Errorf("payload: %q as %q of %d bytes, want a program as image/gif of 92160", payload.head[:2], payload.kind, payload.size)
	}
	if gate := found[label.Steps[2].URL]; gate.location != label.Steps[3].URL {
		t.Errorf("gate redirects to %q, want the landing page %q", gate.location, label.Steps[3].URL)
	}
}

func TestOfficeBeacon(t *testing.T) {
	c, truth := office(t)
	label := attackOf(t, truth, "beacon")
	var beats []time.Duration
	for _, x := range exchanges(t, c, truth) {
		if x.site == "sync.metrics-pool.example" {
			beats = append(beats, x.at)
		}
	}
	if len(beats) != label.Events || len(beats) < 60 {
		t.Fatalf("%d beats on the wire, truth says %d, want at least 60", len(beats), label.Events)
	}
	for i := 1; i < len(beats); i++ {
		// A connection and a name may have to be set up first: allow a second.
		if gap := beats[i] - beats[i-1]; gap < 233*time.Second || gap > 301*time.Second {
			t.Errorf("gap %d is %s, want 300 s shortened by at most 22 %%", i, gap)
		}
	}
}

func TestOfficeScan(t *testing.T) {
	c, truth := office(t)
	label := attackOf(t, truth, "scan")
	outcomes := make(map[string]int)
	for f, x := range wireFlows(t, c) {
		if f.Src != label.SourceIP || f.DstPort != 445 || x.payload > 0 {
			continue
		}
		switch {
		case x.established:
			outcomes["answered"]++
		case x.refused:
			outcomes["refused"]++
		default:
			outcomes["unanswered"]++
		}
	}
	for _, kind := range []string{"answered", "refused", "unanswered"} {
		if outcomes[kind] != label.Outcomes[kind] || outcomes[kind] == 0 {
			t.Errorf("%s: %d on the wire, truth %d, want some", kind, outcomes[kind], label.Outcomes[kind])
		}
	}
	if n := len(label.Destinations); n < 40 {
		t.Errorf("%d targets, want at least 40", n)
	}
}

// Only the label's own host leaves without the proxy.
func TestOfficeBypass(t *testing.T) {
	c, truth := office(t)
	label := attackOf(t, truth, "bypass")
	inside := truth.Network.Internal[0]
	allowed := map[string]bool{label.SourceIP.String(): true, truth.Network.Proxy.Addr().String(): true, truth.Network.Resolver.String(): true}
	n := 0
	for f, x := range wireFlows(t, c) {
		if inside.Contains(f.Dst) || !f.Dst.Is4() {
			continue
		}
		if !allowed[f.Src.String()] {
			t.Errorf("%v leaves without the proxy", f)
		}
		if f.Src == label.SourceIP {
			n++
			if !x.established && x.syns < 4 {
				t.Errorf("%v: %d SYNs, want the repeats of a blocked attempt", f, x.syns)
			}
		}
	}
	if n != label.Events {
		t.Errorf("%d direct conversations, truth says %d", n, label.Events)
	}
}

func attackOf(t *testing.T, truth *Truth, kind string) *Attack {
	t.Helper()
	for _, a := range truth.Attacks {
		if a.Kind == kind {
			return a
		}
	}
	t.Fatalf("no attack of kind %q", kind)
	return nil
}

func BenchmarkGenerate(b *testing.B) {
	s, err := Load(officeScenario)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.Generate(); err != nil {
			b.Fatal(err)
		}
	}
}
