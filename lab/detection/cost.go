package detection

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kagami/detectors"
	"kagami/lab/events"
	"kagami/packet"
	"kagami/records"
)

// Cost is what detecting takes. It depends on the machine, and varies a little.
type Cost struct {
	Pairs, Singletons int
	Heap              int64   // octets that the detectors keep alive, full
	RSS               int64   // octets that the process took more with them, garbage included
	Plan              int64   // octets that the configuration allows at most
	FillNanos         float64 // CPU time an event while filling the tables
	OfficeNanos       float64 // CPU time an event on an office's days
	OfficeEvents      int
}

// crowd is the configuration of M1: room for so many pairs and singletons.
func crowd(c detectors.Config, pairs, singletons int) detectors.Config {
	c.Beacon.Pairs, c.Beacon.Probation = pairs, singletons
	return c
}

// Measure takes the cost of so many pairs of machine and destination with a few
// contacts each, so many with one, and days of an office. Call it before
// anything else takes memory.
func Measure(c detectors.Config, pairs, singletons, days int) Cost {
	out := Cost{Pairs: pairs, Singletons: singletons}
	c = crowd(c, pairs, singletons)
	out.Plan = c.Memory()
	heap, rss := heapAlive(), resident()
	// Garbage is collected as kagami does it with 40 MiB in use: at twice as much, and
	// before the plan is exceeded.
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(heap + out.Plan + 16<<20))
	s := NewSensor(c)
	started := cpu()
	s.fill(pairs, singletons)
	out.FillNanos = float64(cpu()-started) / float64(s.Observed)
	out.Heap, out.RSS = heapAlive()-heap, resident()-rss
	runtime.KeepAlive(s)
	out.OfficeNanos, out.OfficeEvents = office(c, days)
	return out
}

// fill gives contacts of 1000 machines: pairs with four contacts at no rhythm,
// the others with one, mixed.
func (s *Sensor) fill(pairs, singletons int) {
	const machines = 1000
	total := 4*pairs + singletons
	x := uint64(1)
	at := int64(1_772_409_600) * 1e9
	for i := range total {
		x = x*6364136223846793005 + 1442695040888963407
		at += int64(x>>33) % 200_000_000 // 10 a second
		n := i % pairs
		if i >= 4*pairs {
			n = i // comes once
		}
		s.Observe(hello(at, uint64(i+1), n%machines, n))
	}
}

// hello is a handshake of a machine with a server of its own.
func hello(at int64, uid uint64, machine, server int) records.Record {
	client := netip.AddrFrom4([4]byte{10, 1, byte(machine >> 8), byte(machine)})
	addr := netip.AddrFrom4([4]byte{198, 18 | byte(server>>16&1), byte(server >> 8), byte(server)})
	m := records.Meta{At: at + 50e6, UID: uid, ClientInternal: true}
	m.Key, m.Orig = packet.PairKey(client, addr, 443)
	m.Key.Proto = packet.ProtoTCP
	r := records.NewTLS(m)
	r.Start, r.End, r.ClientHello, r.ServerHello, r.Established = at, at+50e6, true, true, true
	r.ServerName = "host" + strconv.Itoa(server) + ".example"
	return r
}

// office is the CPU time of an office's events with the detectors less that
// without them.
func office(c detectors.Config, days int) (nanos float64, n int) {
	w := events.New(events.Office(), events.Options{Seed: 1, Days: days, Reuse: true})
	started := cpu()
	for range w.Events() {
		n++
	}
	alone := cpu() - started
	s := NewSensor(c)
	started = cpu()
	for e := range w.Events() {
		s.Observe(e.Record)
	}
	return float64(cpu()-started-alone) / float64(n), n
}

// heapAlive is what the heap holds after a collection, octets.
func heapAlive() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident is the process' memory, octets; 0 where the system does not say it so.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

// cpu is the CPU time of the process until now, nanoseconds, the garbage
// collector's included.
func cpu() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return time.Now().UnixNano()
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// Targets are those that Cost decides.
func (c *Cost) Targets() []Target {
	const most = 100 << 20
	return []Target{
		judged("M1", fmt.Sprintf("%d pairs and %d singletons in at most 100 MB", c.Pairs, c.Singletons),
			fmt.Sprintf("%s alive, the process grew by %s", mib(c.Heap), mib(c.RSS)), 1, c.Heap <= most && c.RSS <= most),
		judged("M1", "at most 2 us of CPU an event on average", fmt.Sprintf("%.2f us in an office, %.2f us while the tables fill", c.OfficeNanos/1e3, c.FillNanos/1e3),
			1, c.OfficeNanos <= 2000),
	}
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }
