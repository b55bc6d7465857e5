package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"kagami/configs"
	"kagami/detectors"
	"kagami/evidence/cases"
	"kagami/exporters"
	"kagami/records"
	"kagami/sensor"
)

// heart writes the heartbeats of a live run: the account of what every export was
// given, and of what the sensor saw. Its methods but watch belong to the goroutine
// that writes records; a nil heart does not beat.
type heart struct {
	account *exporters.Account
	ticker  *time.Ticker
	log     *slog.Logger
	every   time.Duration
	started time.Time // by the monotonic clock
	config  string    // hash
	boot    string    // of the kernel

	sources  atomic.Pointer[joined]
	learning *atomic.Pointer[learning]
	last     records.Heartbeat // the tallies of the sensor's part
	blind    time.Duration     // of the heartbeats at which the detectors said so
	failing  bool              // the last one could not be noted on disk
}

// learning is what the detectors say of themselves, for others to read.
type learning struct {
	sight  detectors.Sight
	counts []detectorCount
}

// newHeart opens the account; nil, nil if none is wanted.
func newHeart(c *configs.Config, host string, l *atomic.Pointer[learning], log *slog.Logger) (*heart, error) {
	if !c.Account.Enable {
		return nil, nil
	}
	account := c.Account
	if account.Sensor == "" {
		account.Sensor = host
	}
	a, err := exporters.OpenAccount(account, log)
	if err != nil {
		return nil, err
	}
	log.Info("records are accounted for", "sensor", a.Sensor(), "boot", a.Boot(), "key", a.Fingerprint())
	return &heart{account: a, ticker: time.NewTicker(account.Every), log: log, every: account.Every, started: time.Now(),
		config: hashOf(c), boot: kernelBoot(), learning: l}, nil
}

// hashOf tells configurations apart. It holds no secrets: the configuration has
// only the places where they are.
func hashOf(c *configs.Config) string {
	text, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// kernelBoot changes when the machine is started anew; "" = unknown.
func kernelBoot() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// name tells exports who the sensor is.
func (h *heart) name(e exporters.Env) exporters.Env {
	if h != nil {
		e.Account, e.SensorID, e.BootID = h.account, h.account.Sensor(), h.account.Boot()
	}
	return e
}

// watch tells whose packets are counted, once they are open.
func (h *heart) watch(sources joined) {
	if h != nil {
		h.sources.Store(&sources)
	}
}

// due is when to beat.
func (h *heart) due() <-chan time.Time {
	if h == nil {
		return nil
	}
	return h.ticker.C
}

// beat writes a heartbeat to every export; end says that none follows.
func (h *heart) beat(to []exporters.Output, end bool) {
	if h == nil {
		return
	}
	err := h.account.Beat(to, h.record(end))
	if err != nil && !h.failing {
		h.log.Error("the account of what was sent cannot be noted", "err", err)
	}
	h.failing = err != nil
}

func (h *heart) close() error {
	if h == nil {
		return nil
	}
	h.ticker.Stop()
	return h.account.Close()
}

// record is the sensor's part of a heartbeat.
func (h *heart) record(end bool) *records.Heartbeat {
	r := records.NewHeartbeat(records.Meta{At: time.Now().UnixNano()})
	r.Version, r.Config, r.KernelBoot, r.Uptime, r.End = version, h.config, h.boot, int64(time.Since(h.started)), end
	r.Packets, r.Dropped = h.packets()
	r.Detectors, r.TablesFull = h.detectors()
	r.Blind = uint64(h.blind / time.Minute)
	c := cases.ReadClock()
	r.Clock = records.Clock{Known: c.Known, Synchronised: c.Synchronised,
		Offset: int64(c.OffsetSeconds * 1e9), MaxError: int64(c.MaximumError * 1e9)}
	h.last = *r
	return r
}

func (h *heart) packets() (seen, dropped records.Tally) {
	var s sensor.SourceStats
	if src := h.sources.Load(); src != nil {
		s = src.Stats()
		shunted, _ := sensor.ShuntTotals(*src)
		s.Received += shunted
	}
	return h.last.Packets.To(s.Received), h.last.Dropped.To(s.Dropped)
}

// detectors tell how far they can be relied on, and what they had no room for.
func (h *heart) detectors() (state string, full uint64) {
	l := h.learning.Load()
	if l == nil {
		return "starting", 0
	}
	for _, c := range l.counts {
		if strings.HasSuffix(c.name, "evicted") || strings.HasSuffix(c.name, "refused") {
			full += c.value
		}
	}
	if l.sight.Blind {
		h.blind += h.every
	}
	if l.sight.Learned {
		return "learned", full
	}
	return "learning", full
}
