package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// run is one sender against one reader.
type run struct {
	sent
	counts
	cpu  time.Duration // of the reader
	peak float64       // MiB
}

func (r run) perPacket() float64 { return float64(r.cpu) / float64(r.Frames) }
func (r run) sender() float64    { return float64(r.CPU) / float64(r.Frames) }

// dropped are the packets that did not reach the reader: for want of room in its
// ring, or already on the way there.
func (r run) dropped() uint64 {
	return r.Dropped + r.Frames - r.Received - r.Shunted
}

// lostAny tells that the kernel or a full export queue dropped something.
func (r run) lostAny() bool { return r.dropped() > 0 || r.Lost > 0 }

const (
	settle = 300 * time.Millisecond  // after a reader says it is ready
	drain  = 1500 * time.Millisecond // until the last frame's record is written
)

// send runs a sender to its end.
func send(o options, traffic string, rate float64, lasting time.Duration) (s sent, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.Command(self, "send", "-traffic", traffic, "-file", o.capture,
		"-rate", strconv.FormatFloat(rate, 'f', 0, 64), "-for", lasting.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("send %s: %w", traffic, err)
	}
	return s, json.Unmarshal(out, &s)
}

// measure runs a sender against a reader.
func measure(o options, r reader, traffic string, rate float64) (m run, err error) {
	p, err := r.start()
	if err != nil {
		return m, err
	}
	time.Sleep(settle)
	before, err := cpuTime(p.pid)
	if err == nil {
		m.sent, err = send(o, traffic, rate, o.lasting)
	}
	if err != nil {
		p.stop()
		return m, err
	}
	time.Sleep(drain)
	after, err := cpuTime(p.pid)
	if err != nil {
		return m, err
	}
	m.cpu, m.peak = after-before, peakMiB(p.pid)
	bare := r.ready == "ready"
	var countErr error
	if !bare {
		m.counts, countErr = p.counted()
	}
	last, err := p.stop()
	if err != nil {
		return m, err
	}
	if bare {
		countErr = json.Unmarshal(last, &m.counts)
	}
	return m, countErr
}

// benchTraffic finds each reader's highest rate without loss, then measures all
// by turns at the lowest of these rates.
func benchTraffic(o options, traffic string, readers []reader, w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n", title(traffic))
	alone, err := send(o, traffic, 0, o.lasting)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  %-32s %9.0f packets/s (%.0f octets each)\n", "sender alone, flat out", alone.rate(), float64(alone.Octets)/float64(alone.Frames))
	common := alone.rate()
	for _, r := range readers {
		flat, err := measure(o, r, traffic, 0)
		if err != nil {
			return err
		}
		best := flat
		if flat.lostAny() {
			if best, err = search(o, r, traffic, flat.rate()); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "  %-32s flat out %9.0f packets/s, received %d of %d, dropped %d (%.2f %%), lines lost %d; without loss %9.0f packets/s\n",
			r.name, flat.rate(), flat.Received, flat.Frames, flat.dropped(), 100*float64(flat.dropped())/float64(flat.Frames), flat.Lost, best.rate())
		common = min(common, best.rate())
	}
	return compare(o, traffic, readers, common*0.95, w)
}

func title(traffic string) string {
	if traffic == "replay" {
		return "capture replayed in a loop, other addresses each time"
	}
	return traffic + " octets (without FCS), " + strconv.Itoa(flowCount) + " flows"
}

// search halves the interval five times: the result is within 3 % of the rate
// that loses.
func search(o options, r reader, traffic string, loses float64) (best run, err error) {
	low, high := 0.0, loses
	for range 5 {
		m, err := measure(o, r, traffic, (low+high)/2)
		if err != nil {
			return best, err
		}
		if m.lostAny() {
			high = (low + high) / 2
			continue
		}
		low, best = (low+high)/2, m
	}
	if best.Frames == 0 {
		return best, fmt.Errorf("%s loses packets even at %.0f a second", r.name, high)
	}
	return best, nil
}

// compare runs all readers by turns at one rate.
func compare(o options, traffic string, readers []reader, rate float64, w io.Writer) error {
	var alone []float64
	runs := make([][]run, len(readers))
	for range o.rounds {
		s, err := send(o, traffic, rate, o.lasting)
		if err != nil {
			return err
		}
		alone = append(alone, float64(s.CPU)/float64(s.Frames))
		for i, r := range readers {
			m, err := measure(o, r, traffic, rate)
			if err != nil {
				return err
			}
			runs[i] = append(runs[i], m)
		}
	}
	base := spread(alone)
	fmt.Fprintf(w, "  at %.0f packets/s; the sender alone takes %s\n", rate, base)
	fmt.Fprintf(w, "  %-32s %-20s %6s  %-20s %6s %9s %9s %8s %5s\n", "", "process", "ratio", "with kernel", "ratio", "dropped", "lines lost", "records", "MiB")
	var first, firstAll stats
	for i, r := range readers {
		own := spread(each(runs[i], run.perPacket))
		all := spread(each(runs[i], func(m run) float64 { return m.perPacket() + m.sender() - base.median }))
		if i == 0 {
			first, firstAll = own, all
		}
		var lost counts
		for _, m := range runs[i] {
			lost.Dropped += m.dropped()
			lost.Lost += m.Lost
			lost.Records = m.Records
		}
		fmt.Fprintf(w, "  %-32s %-20s %6.2f  %-20s %6.2f %9d %9d %8d %5.0f\n", r.name, own, own.median/first.median, all, all.median/firstAll.median,
			lost.Dropped, lost.Lost, lost.Records, spread(each(runs[i], func(m run) float64 { return m.peak })).max)
	}
	return nil
}

func each(runs []run, of func(run) float64) (out []float64) {
	for _, r := range runs {
		out = append(out, of(r))
	}
	return out
}

type stats struct{ min, median, max float64 }

func (s stats) String() string { return fmt.Sprintf("%.0f (%.0f %.0f)", s.median, s.min, s.max) }

func spread(v []float64) stats {
	s := slices.Sorted(slices.Values(v))
	return stats{s[0], s[len(s)/2], s[len(s)-1]}
}
