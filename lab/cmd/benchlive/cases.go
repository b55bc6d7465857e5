package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// bulkLasting is how many times longer a bulk run is where the other flows are
// shunted, too: what they cost until then is over soon.
const bulkLasting = 5

// benchBulk compares kagami without and with shunting on one bulk TLS flow that has
// 95 % of the octets, at one rate, and tells what the other 5 % alone cost.
func benchBulk(o options, plain, shunting reader, w io.Writer) error {
	if o.bulk <= 0 {
		return nil
	}
	lasting := o.lasting
	for _, c := range []struct {
		traffic, rest, title string
		times                time.Duration
	}{
		{"bulk-flows", "700", "2000 flows of 700-octet packets", bulkLasting},
		{"bulk", "replay", "the capture, which is decoded in full and written to 4 files,", 1},
	} {
		o.lasting = lasting * c.times
		fmt.Fprintf(w, "\none TLS download with 95 %% of the octets, %s the rest; %.0f packets/s\n", c.title, o.bulk)
		var cpu [3][]float64 // plain, shunting, the rest alone: ns a packet of all
		for range o.rounds {
			p, err := measure(o, plain, c.traffic, o.bulk)
			if err != nil {
				return err
			}
			s, err := measure(o, shunting, c.traffic, o.bulk)
			if err != nil {
				return err
			}
			rest, err := measure(o, shunting, c.rest, o.bulk*float64(s.Others)/float64(s.Frames))
			if err != nil {
				return err
			}
			cpu[0], cpu[1] = append(cpu[0], p.perPacket()), append(cpu[1], s.perPacket())
			cpu[2] = append(cpu[2], float64(rest.cpu)/float64(s.Frames))
			fmt.Fprintf(w, "  %d packets, %d shunted, %d of other flows; dropped: %d without, %d with shunting\n", s.Frames, s.Shunted, s.Others, p.dropped(), s.dropped())
		}
		off, on, rest := spread(cpu[0]), spread(cpu[1]), spread(cpu[2])
		fmt.Fprintf(w, "  ns a packet of the process: %s without shunting, %s with; the rest alone %s\n", off, on, rest)
		fmt.Fprintf(w, "  saved: %.0f %% of all, %.0f %% of what the download adds\n", 100*(1-on.median/off.median), 100*(off.median-on.median)/(off.median-rest.median))
	}
	return nil
}

// with is a reader with more settings.
func (r reader) with(settings ...string) reader {
	r.args = slices.Clone(r.args)
	for _, s := range settings {
		r.args = append(r.args, "--set", s)
	}
	return r
}

// benchCrowd holds 100,000 flows open while 5,000 begin every second.
func benchCrowd(o options, r reader, w io.Writer) error {
	if o.crowd <= 0 {
		return nil
	}
	const begin = 5000
	o.lasting = o.crowd
	m, err := measure(o, r.with("sensor.max_flows=131072", "output.memory_mib=165"), "crowd", begin*crowdFrames)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n100,000 flows at a time, with sensor.max_flows=131072 and output.memory_mib=165\n")
	fmt.Fprintf(w, "  %d frames in %v, %d dropped, lines lost %d; %d flows, %.0f a second, %d open at the end, %d evicted; %d records\n",
		m.Frames, m.Lasting.Round(time.Second), m.dropped(), m.Lost, m.Flows, float64(m.Flows)/m.Lasting.Seconds(), m.Active, m.Evicted, m.Records)
	fmt.Fprintf(w, "  resident %.0f MiB at most, rings included, Go heap in use at the end %d MiB; %.2f CPUs\n", m.peak, m.Heap>>20, m.cpu.Seconds()/m.Lasting.Seconds())
	return nil
}

// benchFlood sends a million SYNs of as many connections at a rate, then as fast
// as it can.
func benchFlood(o options, r reader, w io.Writer) error {
	if o.flood <= 0 {
		return nil
	}
	const tuples = 1_000_000
	fmt.Fprintf(w, "\nSYN flood, every SYN another connection\n")
	for _, rate := range []float64{o.flood, 0} {
		at := "flat out"
		o.lasting = 5 * time.Second
		if rate > 0 {
			at, o.lasting = strconv.FormatFloat(rate, 'f', 0, 64)+" packets/s", time.Duration(tuples/rate*float64(time.Second))
		}
		m, err := measure(o, r, "flood", rate)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %-18s %d SYNs, %.0f a second, received %d, dropped %d; %d flows, %d evicted, %d open at the end; %d records, lines lost %d; resident %.0f MiB at most, %.2f CPUs\n",
			at, m.Frames, m.rate(), m.Received, m.dropped(), m.Flows, m.Evicted, m.Active, m.Records, m.Lost, m.peak, m.cpu.Seconds()/m.Lasting.Seconds())
	}
	return nil
}
