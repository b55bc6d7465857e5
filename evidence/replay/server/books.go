package server

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"
)

// Miss is a request without an answer: a line of misses.jsonl.
type Miss struct {
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	URL     string    `json:"url"`
	Reason  string    `json:"reason"`
	Nearest string    `json:"nearest,omitempty"` // URL that was recorded
	Referer string    `json:"referer,omitempty"`
}

// maxNoise bounds the hosts that noise is counted of.
const maxNoise = 256

// books count, and write misses down. They are not safe for concurrent use.
type books struct {
	out   io.Writer
	most  int // lines
	lines int
	err   error // the first of out; nothing is written from then on
	stats Stats
}

func (b *books) hit() {
	b.stats.Requests++
	b.stats.Hits++
}

func (b *books) sentBack() {
	b.stats.Requests++
	b.stats.SentBack++
}

func (b *books) malformed() {
	b.stats.Requests++
	b.stats.Malformed++
}

func (b *books) noise(host string) {
	b.stats.Requests++
	if _, ok := b.stats.Noise[host]; !ok && len(b.stats.Noise) >= maxNoise {
		host = "" // some other
	}
	b.stats.Noise[host]++
}

func (b *books) miss(m Miss) {
	b.stats.Requests++
	b.stats.Misses++
	if b.out == nil || b.err != nil || b.lines >= b.most {
		b.stats.Unwritten++
		return
	}
	line, err := json.Marshal(m)
	if err == nil {
		_, err = b.out.Write(append(line, '\n'))
	}
	if err != nil {
		b.err = fmt.Errorf("write misses: %w", err)
		b.stats.Unwritten++
		return
	}
	b.lines++
}

func (b *books) copy() Stats {
	s := b.stats
	s.Noise = maps.Clone(s.Noise)
	return s
}
