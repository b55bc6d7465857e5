package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kagami/configs"
	"kagami/exporters"
)

// classNames are the classes of lines, as exporters.Line.Class counts them.
func classNames() [exporters.NumClasses]string {
	return [...]string{exporters.ClassFlow: "flow", exporters.ClassProtocol: "protocol", exporters.ClassState: "state", exporters.ClassAlert: "alert"}
}

func (m *metrics) exports(counter, gauge func(uint64, *prometheus.Desc, ...string)) {
	lines := desc("export_lines_total", "Lines by export and what became of them: made and resumed are sent, dropped, failed, unreadable or queued.", "export", "what")
	dropped := desc("export_dropped_lines_total", "Lines that found no room, by what they are.", "export", "class")
	errs := desc("export_errors_total", "Attempts of the place that failed.", "export")
	queued := desc("export_queued_lines", "Lines that wait.", "export")
	octets := desc("export_queued_octets", "Octets of the lines that wait.", "export")
	disk := desc("export_disk_octets", "Octets of the queue's files.", "export")
	oldest := desc("export_oldest_seconds", "How old the oldest line is that waits; 0 when none does.", "export")
	now := time.Now()
	for i, x := range m.pipeline.exports {
		s, name := x.Stats(), exportName(i, x)
		counter(s.Made, lines, name, "made")
		counter(s.Resumed, lines, name, "resumed")
		counter(s.Sent, lines, name, "sent")
		counter(s.Dropped, lines, name, "dropped")
		counter(s.Failed, lines, name, "failed")
		counter(s.Unreadable, lines, name, "unreadable")
		for class, n := range s.DroppedBy {
			counter(n, dropped, name, classNames()[class])
		}
		counter(s.Errors, errs, name)
		gauge(uint64(s.QueuedLines), queued, name)
		gauge(uint64(s.QueuedBytes), octets, name)
		gauge(uint64(s.DiskBytes), disk, name)
		gauge(uint64(age(&s, now)/time.Second), oldest, name)
	}
}

// age is that of the oldest line that waits, by this machine's clock.
func age(s *exporters.Stats, now time.Time) time.Duration {
	if s.Oldest == 0 {
		return 0
	}
	return max(0, now.Sub(time.Unix(0, s.Oldest)))
}

// exportName is unique even when two exports look alike. A name of the configuration
// is so by itself, and holds no blank: it stays the same wherever its table stands.
func exportName(i int, x exporters.Output) string {
	if name := x.Name(); !strings.Contains(name, " ") {
		return name
	}
	return fmt.Sprintf("%d %s", i+1, x.Name())
}

// reportExports names the exports that lost lines, or leave some for the next run.
func (p *pipeline) reportExports(w io.Writer) {
	for _, x := range p.exports {
		s := x.Stats()
		if lost := s.Dropped + s.Failed + s.Unreadable; lost > 0 {
			fmt.Fprintf(w, "%10s  lines lost by export %s (%s)\n", thousands(lost), printable(x.Name()), lossesOf(&s))
		}
		if s.QueuedLines > 0 {
			fmt.Fprintf(w, "%10s  lines wait in the queue of export %s for the next run\n", thousands(uint64(s.QueuedLines)), printable(x.Name()))
		}
	}
}

// warnQueues names the queues on disk that will soon drop lines, or do: what their
// places do not take has filled most of disk_bytes. A sensor may be running.
func warnQueues(c *configs.Config, log *slog.Logger) {
	for _, e := range c.Export {
		if e.Queue != exporters.QueueDisk {
			continue
		}
		used, most := int64(0), e.DiskBytes
		if most == 0 {
			most = exporters.DefaultDiskBytes
		}
		segments, _ := filepath.Glob(filepath.Join(e.SpoolDir(c.Output.QueueDir), "*.spool"))
		for _, path := range segments {
			if info, err := os.Stat(path); err == nil {
				used += info.Size()
			}
		}
		if used >= most/4*3 {
			log.Warn("the queue of an export is nearly full: its place takes nothing, or too little; flows are dropped first",
				"export", e.Title(), "octets", used, "disk_bytes", most)
		}
	}
}

// lossesOf says what they were lost for.
func lossesOf(s *exporters.Stats) string {
	room := fmt.Sprintf("%d for want of room", s.Dropped)
	var by []string
	for class, n := range s.DroppedBy {
		if n > 0 {
			by = append(by, fmt.Sprintf("%s %d", classNames()[class], n))
		}
	}
	if len(by) > 0 {
		room += ": " + strings.Join(by, ", ")
	}
	room += fmt.Sprintf("; %d not taken", s.Failed)
	if s.Unreadable > 0 {
		room += fmt.Sprintf("; %d unreadable on disk", s.Unreadable)
	}
	return room
}
