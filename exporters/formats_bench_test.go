package exporters

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/packet"
	"kagami/records"
)

// enriched are records of every kind as they come in a network whose machines are
// known: sample with all that the site stage and a mirror port with VLANs add.
func enriched(t *testing.T) []records.Record {
	all := sample(t)
	for i, r := range all {
		m := r.Meta()
		m.UID, m.Seq, m.At = 0x2568dcbdb152320c+uint64(i), uint32(i), m.At+int64(i)*37e6
		m.CommunityID, m.ClientZone, m.ServerZone, m.ClientInternal = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=", "office", "internet", true
		m.ClientMAC, m.ServerMAC = [6]byte{2, 0, 0, 0, 0, 5}, [6]byte{2, 0, 0, 0, 0, 1}
		m.VLANs, m.VLAN[0] = 1, 20
		m.ClientHost = &records.Host{Name: records.Fact{Value: "ws05", Source: "dhcp", Since: 1e18}, User: records.Fact{Value: "mori", Source: "proxy-auth", Since: 1e18},
			OS: records.Fact{Value: "Windows 10/11", Source: "user-agent", Since: 1e18}, MAC: records.Fact{Value: "02-00-00-00-00-05", Source: "dhcp", Since: 1e18}}
		m.Resolved, m.NameSource = &records.Resolved{Name: "www.example.com", Source: "dns"}, "sni"
		switch r := r.(type) {
		case *records.DNS:
			r.ID, m.UID = 4711, 1 // the query of the answer behind it
		case *records.Mail:
			r.Header.Lines = []string{"From: Aiko Mori <a@example.jp>", "To: b@example.com,\n c@example.com", "Subject: =?UTF-8?B?6KaL56mN?=", "Content-Type: multipart/mixed; boundary=x"}
		}
	}
	return all
}

// office are usual records in about the numbers in which an office makes them.
func office(t *testing.T) (all []records.Record) {
	often := map[records.Kind]int{records.KindFlow: 40, records.KindDNS: 20, records.KindHTTP: 12, records.KindTLS: 10, records.KindQUIC: 5, records.KindFile: 5, records.KindNTP: 3, records.KindDHCP: 2}
	for i := range 40 {
		for _, r := range enriched(t) {
			if i < max(1, often[r.Meta().Kind]) {
				all = append(all, r)
			}
		}
	}
	return all
}

// formatOnly is an export of a format whose lines go nowhere.
func formatOnly(t testing.TB, format string, stamped bool) *Export {
	to := "syslog+udp://127.0.0.1:9"
	switch format {
	case "zeek":
		to = "file://" + t.TempDir() + "/"
	case "ipfix":
		to = "ipfix+udp://127.0.0.1:9"
	}
	env := Env{Location: tokyo, HostName: "sensor1", Version: "1.2", Logger: slog.New(slog.DiscardHandler)}
	if stamped {
		a, err := OpenAccount(AccountConfig{Dir: t.TempDir(), Sensor: "sensor1"}, env.Logger)
		if err != nil {
			t.Fatal(err)
		}
		env.Account = a
	}
	x, err := Open(Config{Format: format, To: to}, env)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// makeLines formats a record, and says how many lines it made.
func (e *Export) makeLines(r records.Record) (lines, octets int) {
	for l, ok := e.line(r); ok; l, ok = e.more() {
		lines++
		octets += len(l.Text)
	}
	return lines, octets
}

// TestFormatsDoNotAllocate: once its scratch memory is there, a format takes none
// for a line, stamped or not, whatever the record has. A heartbeat that is stamped
// is signed, once a minute, and takes some.
func TestFormatsDoNotAllocate(t *testing.T) {
	m := between(packet.ProtoTCP, "192.168.100.5:58461", "23.23.1.2:443")
	m.CommunityID, m.VLANs, m.Tunnel = "1:x", 2, packet.Tunnel{Kind: packet.GRE, Depth: 1, ID: 7, Src: m.Key.A, Dst: m.Key.B}
	all := append(enriched(t), filled(m, []string{"WWW.Example.COM:8080", "a/B \xe3\x81", "smtp", "dns", "192.0.2.1", "見積.EXE"}, 0xffff)...)
	for _, format := range Formats() {
		for _, stamped := range []bool{false, true} {
			x := formatOnly(t, format, stamped)
			for _, r := range all {
				if _, ok := r.(*records.Heartbeat); ok && stamped {
					continue
				}
				if n := testing.AllocsPerRun(50, func() { x.makeLines(r) }); n != 0 {
					t.Errorf("%s, stamped %v: %v: %v allocations", format, stamped, r.Meta().Kind, n)
				}
			}
		}
	}
}

// BenchmarkFormats is what a line costs in each format, in CPU time of this thread:
// lines/s is that of one core, best that of the fastest round (others' work on the
// same core's other half slows rounds).
func BenchmarkFormats(b *testing.B) {
	for _, c := range []struct {
		name string
		recs []records.Record
	}{{"office", office(new(testing.T))}} {
		for _, format := range Formats() {
			for _, stamped := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/%s/stamped=%v", c.name, format, stamped), func(b *testing.B) { benchmarkLines(b, format, stamped, c.recs) })
			}
		}
	}
}

func benchmarkLines(b *testing.B, format string, stamped bool, recs []records.Record) {
	runtime.LockOSThread() // whose time is read
	defer runtime.UnlockOSThread()
	x := formatOnly(b, format, stamped)
	if stamped {
		kept := recs[:0:0]
		for _, r := range recs {
			if r.Meta().Kind != records.KindHeartbeat {
				kept = append(kept, r)
			}
		}
		recs = kept
	}
	total, octets, began, best := 0, 0, threadTime(), time.Duration(1<<62)
	b.ReportAllocs()
	for b.Loop() {
		from, lines := threadTime(), 0
		for range 10 {
			for _, r := range recs {
				n, o := x.makeLines(r)
				lines += n
				octets += o
			}
		}
		total += lines
		best = min(best, (threadTime()-from)/time.Duration(max(1, lines)))
	}
	used := threadTime() - began
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(used.Nanoseconds())/float64(total), "ns/line")
	b.ReportMetric(float64(total)/used.Seconds(), "lines/s")
	b.ReportMetric(float64(best.Nanoseconds()), "best-ns/line")
	b.ReportMetric(float64(octets)/float64(total), "octets/line")
}

// threadTime is the CPU time that this thread has had.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(ts.Nano())
}
