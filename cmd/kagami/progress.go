package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"kagami/sensor"
)

// progress shows how much of the files was read, on a terminal only, and only
// when it takes long enough for a person to wonder.
type progress struct {
	bar   *progressbar.ProgressBar
	out   *os.File
	begun time.Time
	off   bool
}

const patience = time.Second

func newProgress(out *os.File, quiet bool) *progress {
	return &progress{out: out, begun: time.Now(), off: quiet || !term.IsTerminal(int(out.Fd()))}
}

func (p *progress) update(s sensor.SourceStats) {
	if p.off || p.bar == nil && time.Since(p.begun) < patience {
		return
	}
	if p.bar == nil {
		size := int64(s.Size)
		if size == 0 {
			size = -1
		}
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(p.out), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("reading"), progressbar.OptionThrottle(200*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	_ = p.bar.Set64(int64(s.Bytes)) // a bar that cannot be drawn is no reason to stop
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
