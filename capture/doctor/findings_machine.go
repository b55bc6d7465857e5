package doctor

import (
	"fmt"
	"strings"
	"time"
)

// merged judges frames that the card or the kernel put together.
func merged(f *Facts) (Finding, bool) {
	n := &f.Frames
	s, sev := grade(n.Merged, n.Segments, mergedWarn, never)
	limit := fmt.Sprintf("the hosts allow %d", n.MSS)
	if n.MSS == 0 {
		limit = "even jumbo frames hold less"
	}
	x := finding("merged", sev, s, fmt.Sprintf("%s of TCP segments are several in one: the longest has %s octets, and %s", percent(s), thousands(uint64(n.Longest)), limit))
	if m := f.Machine; m != nil {
		if len(m.Offloads) > 0 {
			x.Found += "; on are " + strings.Join(m.Offloads, ", ")
		}
		x.Mend = onInterface(x.Mend, m.Interface)
	}
	return x, sev > OK
}

func reordered(f *Facts) (Finding, bool) {
	n := &f.Frames
	s, sev := grade(n.Reordered, n.Segments, reorderedWarn, never)
	x := finding("reordered", sev, s, fmt.Sprintf("%s of TCP segments came after a later one or after their own acknowledgement", percent(s)))
	if m := f.Machine; m != nil {
		if m.RXQueues > 0 {
			x.Found += fmt.Sprintf("; %s has %s", m.Interface, count(uint64(m.RXQueues), "receive queue", "receive queues"))
		}
		x.Mend = onInterface(x.Mend, m.Interface)
	}
	return x, sev > OK
}

func kernelDrops(f *Facts) (Finding, bool) {
	n := &f.Source
	if n.Dropped == 0 {
		return Finding{}, false
	}
	s, sev := loss(n.Dropped, n.Received)
	return finding("kernel-drops", sev, s, fmt.Sprintf("the kernel dropped %s (%s) because the ring was full %s",
		count(n.Dropped, "frame", "frames"), percent(s), count(n.Freezes, "time", "times"))), true
}

func cardDrops(f *Facts) (Finding, bool) {
	m := f.Machine
	if m == nil {
		return Finding{}, false
	}
	lost := max(m.NIC.Missed, m.NIC.FIFO) // many drivers count the same frames in both
	if lost == 0 {
		return Finding{}, false
	}
	s, sev := loss(lost, m.NIC.Packets+lost)
	found := fmt.Sprintf("the network card dropped %s (%s)", count(lost, "frame", "frames"), percent(s))
	x := finding("nic-drops", sev, s, found+driverCounters(m))
	x.Mend = onInterface(x.Mend, m.Interface)
	return x, true
}

// loss grades frames that were certainly lost.
func loss(lost, all uint64) (s float64, sev Severity) {
	if s = share(lost, all); s >= lossBad && lost >= minCount {
		return s, Bad
	}
	return s, Warn
}

func driverCounters(m *Machine) string {
	if len(m.Driver) == 0 {
		return ""
	}
	return "; the driver says: " + list(m.Driver, func(c Counter) string { return fmt.Sprintf("%s %d", printable(c.Name), c.Value) })
}

func cardErrors(f *Facts) (Finding, bool) {
	m := f.Machine
	if m == nil || m.NIC.CRC+m.NIC.Frame+m.NIC.Length == 0 {
		return Finding{}, false
	}
	n := m.NIC.CRC + m.NIC.Frame + m.NIC.Length
	s := share(n, m.NIC.Packets+n)
	return finding("nic-errors", Warn, s, fmt.Sprintf("the network card refused %s as damaged: checksum %d, alignment %d, length %d",
		count(n, "frame", "frames"), m.NIC.CRC, m.NIC.Frame, m.NIC.Length)), true
}

func unwanted(f *Facts) (Finding, bool) {
	m := f.Machine
	if m == nil {
		return Finding{}, false
	}
	s, sev := grade(m.NIC.Dropped, m.NIC.Packets, unwantedWarn, never)
	return finding("rx-dropped", sev, s, fmt.Sprintf("the kernel's rx_dropped of %s grew by %s (%s)%s",
		m.Interface, thousands(m.NIC.Dropped), percent(s), driverCounters(m))), sev > OK
}

func clockStep(f *Facts) (Finding, bool) {
	n := &f.Frames
	if n.Backward == 0 {
		return Finding{}, false
	}
	by := time.Duration(n.BackBy)
	found := fmt.Sprintf("%s with a time up to %v before that of earlier ones", count(n.Backward, "frame", "frames"), by.Round(time.Second))
	if n.Steps > 0 {
		found = fmt.Sprintf("the capture's clock was set back %s, by up to %v", count(uint64(n.Steps), "time", "times"), by.Round(time.Second))
	}
	if n.NTP.Replies > 0 {
		found += fmt.Sprintf("; time servers seen on the wire say it was off by %s to %s", seconds(n.NTP.Min), seconds(n.NTP.Max))
	}
	return number("clock-step", Warn, by.Seconds(), "seconds", found), true
}

func clockFree(f *Facts) (Finding, bool) {
	m := f.Machine
	if m == nil || m.Clock.Synchronised {
		return Finding{}, false
	}
	return number("clock-unsynchronised", Warn, m.Clock.MaxError.Seconds(), "seconds",
		"this machine's clock is not synchronised, so the kernel says"+secondOpinion(&f.Frames.NTP)), true
}

func clockOffset(f *Facts) (Finding, bool) {
	n := &f.Frames
	if n.NTP.Replies == 0 || n.Backward > 0 || n.NTP.Offset.Abs() < offsetWarn {
		return Finding{}, false // after a step there is no single offset
	}
	return number("clock-offset", Warn, n.NTP.Offset.Seconds(), "seconds",
		fmt.Sprintf("the capture's clock is off by %s, so %s of time servers on the wire say", seconds(n.NTP.Offset), count(n.NTP.Replies, "answer", "answers"))), true
}

func clockAgrees(f *Facts) (Finding, bool) {
	n := &f.Frames
	if n.NTP.Replies == 0 || n.Backward > 0 || n.NTP.Offset.Abs() >= offsetWarn {
		return Finding{}, false
	}
	return number("clock-agrees", OK, n.NTP.Offset.Seconds(), "seconds",
		fmt.Sprintf("%s of time servers on the wire agree with the capture's clock (%s)", count(n.NTP.Replies, "answer", "answers"), seconds(n.NTP.Offset))), true
}

func secondOpinion(n *NTP) string {
	if n.Replies == 0 {
		return ""
	}
	return fmt.Sprintf("; time servers on the wire say it is off by %s", seconds(n.Offset))
}

// seconds is an offset with its sign: + is ahead.
func seconds(d time.Duration) string { return fmt.Sprintf("%+.3f s", d.Seconds()) }

// onInterface names the interface in commands.
func onInterface(mend []string, name string) []string {
	out := make([]string, len(mend))
	for i, m := range mend {
		out[i] = strings.ReplaceAll(m, "IFACE", name)
	}
	return out
}
