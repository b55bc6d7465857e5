package main

import (
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// garbage sets how much garbage may lie about before it is collected, in percent
// of what is in use. While little is in use, much may: collecting takes its time
// from the records. The detectors' full tables are another matter: they hold no
// pointers, so that collecting is cheap, and twice their size would not fit a
// small box.
type garbage struct {
	percent int
	live    [1]runtimemetrics.Sample
}

const (
	mostGarbage  = 40 << 20 // octets
	leastPercent = 75
	mostPercent  = 200 // more saves no processor time that could be measured
)

func (c *garbage) start() {
	c.live[0].Name = "/gc/heap/live:bytes"
	c.set(mostPercent)
}

// adjust follows the heap that the last collection found in use.
func (c *garbage) adjust() {
	runtimemetrics.Read(c.live[:])
	if c.live[0].Value.Kind() != runtimemetrics.KindUint64 {
		return
	}
	live := max(c.live[0].Value.Uint64(), 1<<20)
	percent := min(max(int(mostGarbage*100/live), leastPercent), mostPercent)
	if percent < c.percent-9 || percent > c.percent+9 { // each change stops the program for a moment
		c.set(percent)
	}
}

func (c *garbage) set(percent int) {
	c.percent = percent
	debug.SetGCPercent(percent)
}
