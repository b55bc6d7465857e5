package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kagami/packet"
	"kagami/sensor"
)

// metrics reads the counters when Prometheus asks; nothing is counted twice.
type metrics struct {
	pipeline *pipeline
	sources  joined
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("kagami_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector: descriptions come with the values.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	counter := func(v uint64, d *prometheus.Desc, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(v uint64, d *prometheus.Desc, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	src := m.sources.Stats()
	counter(src.Received, desc("capture_frames_total", "Frames that reached the socket."))
	counter(src.Dropped, desc("capture_dropped_total", "Frames dropped by the kernel for want of room in the ring."))
	counter(src.Freezes, desc("capture_freezes_total", "Times a ring was full."))
	packets, octets := sensor.ShuntTotals(m.sources)
	counter(packets, desc("shunted_packets_total", "Packets that the kernel counted and dropped; capture_frames_total is without them."))
	counter(octets, desc("shunted_octets_total", "Octets on the wire of those packets."))
	st := m.pipeline.engine.Stats()
	counter(st.Bytes, desc("frame_octets_total", "Octets on the wire of the frames read."))
	outcomes := desc("frames_total", "Frames by how far they could be read.", "outcome")
	for o, n := range st.Outcomes {
		counter(n, outcomes, packet.Outcome(o).String())
	}
	counter(st.Flows, desc("flows_total", "Flows made."))
	gauge(st.Active, desc("flows_active", "Flows in the tables."))
	ended := desc("flows_ended_total", "Flows ended, by reason; eviction means that the table was full.", "reason")
	for i, n := range st.Ended {
		counter(n, ended, sensor.Ends()[i])
	}
	counter(st.Duplicates, desc("duplicates_total", "Packets that the mirror port delivered before."))
	counter(st.Shunted, desc("shunted_flows_total", "Flows handed to the kernel, which counts and drops their packets."))
	counter(st.Gaps, desc("stream_gaps_total", "Holes in TCP streams given up while decoding."))
	counter(st.GapBytes, desc("stream_gap_octets_total", "Octets in those holes."))
	counter(st.HeldOverflow, desc("stream_held_overflow_total", "Times a hole was given up because too much was held back."))
	counter(st.GivenUp, desc("decoding_given_up_total", "Flows that were not decoded to their end because decoders kept too much."))
	counter(st.Forgotten, desc("announced_forgotten_total", "Connections that were announced (FTP's data) and forgotten for newer ones."))
	f := &st.Fragments
	fragments := desc("fragments_total", "IP fragments, and datagrams made of them or given up.", "what")
	counter(f.Fragments, fragments, "fragments")
	counter(f.Datagrams, fragments, "completed")
	counter(f.TimedOut, fragments, "timed_out")
	counter(f.Evicted, fragments, "evicted")
	counter(f.Overlapped, fragments, "overlapped")
	counter(f.Refused, fragments, "refused")
	counter(st.Records, desc("records_total", "Records written by the workers."))
	link := m.sources.state()
	up := uint64(1)
	if link.Down {
		up = 0
	}
	gauge(up, desc("interface_up", "1 while the interface is up."))
	counter(link.Flaps, desc("interface_flaps_total", "Times the interface went down."))
	m.detectors(gauge)
	m.exports(counter, gauge)
	m.evidence(counter, gauge)
}

// serveMetrics starts the endpoint, if one is configured, and returns what stops it.
func (p *pipeline) serveMetrics(srcs []sensor.Source) (stop func(), err error) {
	addr := p.config.Metrics.Listen
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics on %q (metrics.listen): %w", addr, err)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(&metrics{p, srcs}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go srv.Serve(l)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}, nil
}

func (m *metrics) evidence(counter, gauge func(uint64, *prometheus.Desc, ...string)) {
	if m.pipeline.keeping == nil {
		return
	}
	s := m.pipeline.keeping.store.Stats()
	gauge(uint64(s.Segments), desc("evidence_segments", "Packet files on disk."))
	gauge(uint64(s.Bytes), desc("evidence_octets", "Octets of packet files on disk."))
	counter(s.Deleted, desc("evidence_deleted_total", "Packet files that made way for newer ones."))
	packets := desc("evidence_packets_total", "Packets by what became of them.", "what")
	counter(s.Stored, packets, "written")
	counter(s.LostSlow, packets, "lost_disk_too_slow")
	counter(s.LostFull, packets, "lost_disk_full")
	counter(s.LostError, packets, "lost_disk_failed")
	counter(s.LeftOut, packets, "left_out")
	counter(s.Ignored, packets, "ignored")
	gauge(s.Waiting, desc("evidence_waiting_packets", "Packets that are in memory."))
	gauge(uint64(s.Counters.Level), desc("evidence_level", "0 = all is kept, 1 = encrypted payload is left out, 2 = headers only, 3 = memory only."))
	counter(s.Written, desc("evidence_written_octets_total", "Octets written, indexes included."))
	counter(s.IndexErrors, desc("evidence_index_errors_total", "Indexes that could not be written; searches read those packets instead."))
	counter(s.Errors, desc("evidence_errors_total", "Failures of the disk."))
	w := m.pipeline.engine.Stats()
	cut := desc("evidence_cut_packets_total", "Packets of encrypted flows of which only the headers are kept, and who cut them.", "by")
	counter(w.CutByKernel, cut, "kernel")
	counter(w.CutPackets-w.CutByKernel, cut, "worker")
	counter(w.CutBytes, desc("evidence_cut_octets_total", "Octets of payload of those packets."))
	m.cases(counter, gauge)
}

func (m *metrics) cases(counter, gauge func(uint64, *prometheus.Desc, ...string)) {
	keeper := m.pipeline.keeping.keeper
	if keeper == nil {
		return
	}
	s := keeper.Stats()
	gauge(uint64(s.Waiting), desc("cases_waiting", "Cases under way."))
	cases := desc("cases_total", "Cases made for alerts, by what became of them.", "what")
	counter(s.Complete, cases, "complete")
	counter(s.Incomplete, cases, "incomplete")
	counter(s.Quota, cases, "kept_less_for_quota")
	alerts := desc("cases_alerts_total", "Alerts by what the cases made of them.", "what")
	counter(s.Opened, alerts, "case_opened")
	counter(s.Joined, alerts, "joined_a_case")
	counter(s.Below, alerts, "not_wanted")
	counter(s.LostQueue+s.LostBusy+s.LostDay, alerts, "not_pinned_too_many")
	counter(s.LostError, alerts, "not_pinned_disk_failed")
}

// detectors are numbers of either kind: how full a table is, what it forgot.
func (m *metrics) detectors(gauge func(uint64, *prometheus.Desc, ...string)) {
	learning := m.pipeline.learning.Load()
	if learning == nil {
		return
	}
	d := desc("detector", "Bookkeeping of the detectors: how full their tables are and what they had to forget.", "detector", "what")
	site := desc("site", "Bookkeeping of who is who: how full its tables are, what they had to forget, what it joined.", "what")
	for _, c := range learning.counts {
		if c.detector == "" {
			gauge(c.value, site, c.name)
			continue
		}
		gauge(c.value, d, c.detector, c.name)
	}
}
