package beacon

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"github.com/BurntSushi/toml"

	"kagami/detectors/table"
	"kagami/records"
)

// tiny has every table at its smallest.
func tiny() Config {
	c := Default()
	c.Pairs, c.Probation, c.Mixed, c.Groups, c.Watched = 16, 16, 16, 16, 16
	return c
}

// Every limit can be hit; then the table stays at its size and counts.
func TestLimits(t *testing.T) {
	c := tiny()
	if errs := c.Validate(); len(errs) != 0 {
		t.Fatalf("the smallest settings are not valid: %v", errs)
	}
	s := newStage(nil, c)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 { // many destinations, in one domain and network
		s.feed(s.hello(monday+int64(i)*second, fmt.Sprintf("10.1.%d.%d", i/250%20, i%250), "192.0.2.1", fmt.Sprintf("h%d.d%d.test", i, i/2)))
	}
	for i := range 40 * 12 { // 40 pairs with a rhythm
		s.feed(s.hello(monday+day+int64(i%12)*hour, fmt.Sprintf("10.9.1.%d", i/12), "192.0.2.1", fmt.Sprintf("b%d.test", i/12)))
	}
	for i := range 40 { // and without
		at := monday + 3*day
		for range 60 {
			at += int64(r.ExpFloat64() * 600e9)
			s.feed(s.hello(at, fmt.Sprintf("10.9.2.%d", i), "192.0.2.1", fmt.Sprintf("m%d.test", i)))
		}
	}
	for _, x := range []struct {
		size  string
		limit uint64
	}{{"probation", 24}, {"pairs", 16}, {"mixed", 16}, {"groups", 16}, {"watched", 16}} {
		if n := s.counter(x.size); n == 0 || n > x.limit {
			t.Errorf("%s holds %d, want at most %d", x.size, n, x.limit)
		}
		if s.counter(x.size+"_evicted") == 0 {
			t.Errorf("%s: nothing was evicted", x.size)
		}
	}
}

func TestContactedDomainsAreForgottenEarly(t *testing.T) {
	s := newStage(nil, tiny())
	for i := range 100 {
		s.feed(s.hello(monday+int64(i)*second, user, "192.0.2.1", fmt.Sprintf("d%d.test", i)))
	}
	if s.counter("contacted_forgotten_early") == 0 {
		t.Error("the memory of contacted domains was not full")
	}
}

// A pair that may be a daily beacon outlives the many that were met once.
func TestDailyPairsOutliveSingleContacts(t *testing.T) {
	c := Default()
	c.Probation = 1000
	s := newOffice(t)
	s.Detector = New(c, s.census, s.book)
	told := false
	for d := range int64(9) {
		s.browse(monday+d*day, user)
		s.feed(s.hello(monday+d*day+3*hour, user, "192.0.2.9", "c2.rare.test"))
		told = told || len(s.alerts) > 0
		for i := range int64(300) {
			s.feed(s.hello(monday+d*day+4*hour+i*10*second, user, "192.0.2.10", fmt.Sprintf("d%d-%d.test", d, i)))
		}
	}
	if !told || s.counter("probation_evicted") == 0 {
		t.Errorf("told %v, %d evicted", told, s.counter("probation_evicted"))
	}
}

func TestProbationHoldsItsLimit(t *testing.T) {
	const n = 100000
	p := newProbation(n)
	for i := range uint64(n) {
		p.add(table.Mix(i+1), monday)
	}
	if p.evicted > n/200 {
		t.Errorf("%d of %d are held, %d evicted", p.n, n, p.evicted)
	}
	if per := float64(probationBytes(n)) / n; per > 24 {
		t.Errorf("%.1f octets an entry", per)
	}
	lost := uint64(0)
	for i := range uint64(n) {
		x := p.get(table.Mix(i + 1))
		if x == nil {
			lost++
			continue
		}
		if x.time(monday) != monday {
			t.Fatalf("entry %d is of %d", i, x.time(monday))
		}
		p.drop(x)
	}
	if p.n != 0 || lost != p.evicted {
		t.Errorf("%d are left, %d were lost, %d evicted", p.n, lost, p.evicted)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	if mib := c.Memory() >> 20; mib < 20 || mib > 48 {
		t.Errorf("tables may take %d MiB, want 20 to 48", mib)
	}
}

func TestValidateTellsEveryProblem(t *testing.T) {
	c := Default()
	_, err := toml.Decode("min_evidence = 1\nmin_evidence_fast = 200.0\nmin_lasting = \"48h\"\npairs = 1\nprobation = 1\nmixed = 1\ngroups = 1\nwatched = 1\ninteractive_destinations = 0", &c)
	if err != nil {
		t.Fatal(err)
	}
	if errs := c.Validate(); len(errs) != 9 {
		t.Errorf("%d problems: %v", len(errs), errs)
	}
}

// crowd makes contacts of 1000 machines with 20,000 names.
type crowd struct {
	tls   *records.TLS
	names []string
}

func newCrowd(s *stage) *crowd {
	c := &crowd{tls: s.hello(monday, user, "192.0.2.1", "x.test")}
	for i := range 20000 {
		c.names = append(c.names, fmt.Sprintf("h%d.test", i))
	}
	return c
}

// contact is one of pair number n, of up to 20 million.
func (c *crowd) contact(at int64, n int) *records.TLS {
	m := c.tls.Meta()
	source := (n/len(c.names) + n) % 1000
	m.Key.A = netip.AddrFrom4([4]byte{10, 2, byte(source >> 8), byte(source)}).As16()
	name := n % len(c.names)
	m.Key.B = netip.AddrFrom4([4]byte{198, byte(18 + name>>14), byte(name >> 6), byte(name)}).As16()
	m.At, m.UID = at, uint64(at)
	c.tls.Start, c.tls.End, c.tls.ServerName = at, at, c.names[n%len(c.names)]
	return c.tls
}

func (s *stage) quietly(r records.Record) { s.Detector.Observe(r, func(records.Record) {}) }

// full is a detector whose tables are full: 100,000 pairs with 6 contacts or
// more, 500,000 with one.
func full(t testing.TB) (*stage, *crowd) {
	s := newStage(nil, Default())
	c := newCrowd(s)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range c.names {
		s.census.Observe(c.contact(monday, i), nil)
	}
	for round := range int64(6) {
		for i := range 100000 {
			s.quietly(c.contact(monday+round*hour+r.Int64N(hour), i))
		}
	}
	for i := range 500000 {
		s.quietly(c.contact(monday+7*hour+int64(i)*second/1000, 1000000+i))
	}
	return s, c
}

// The target M1: memory of full tables. Their time is BenchmarkFullTables.
func TestMemoryOfFullTables(t *testing.T) {
	if testing.Short() {
		t.Skip("several seconds")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, _ := full(t)
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	c := Default()
	t.Logf("%d pairs, %d on probation: %.1f MB with the census's part, planned %.1f MB", s.counter("pairs"), s.counter("probation"), float64(used)/1e6, float64(c.Memory())/1e6)
	if s.counter("pairs") < 99000 || s.counter("probation") < 480000 {
		t.Errorf("%d pairs, %d on probation", s.counter("pairs"), s.counter("probation"))
	}
	if used > 60e6 {
		t.Errorf("%d octets, want at most 60 MB", used)
	}
	runtime.KeepAlive(s)
}

// An event when the tables are full: nine in ten of pairs that are followed, at
// irregular times, one of a new pair.
func BenchmarkFullTables(b *testing.B) {
	s, c := full(b)
	r := rand.New(rand.NewPCG(2, 2))
	at := monday + 8*hour
	n := 2000000
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		at += 20e6
		pair := r.IntN(100000)
		if r.IntN(10) == 0 {
			n++
			pair = n
		}
		s.quietly(c.contact(at, pair))
	}
}
