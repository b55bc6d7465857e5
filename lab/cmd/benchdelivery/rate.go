package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"kagami/exporters"
)

// rates prints what each place takes, by way.
func (b *bench) rates() error {
	all := ways()
	places, err := b.chosen()
	if err != nil {
		return err
	}
	got := make([][][]float64, len(places))
	for range b.runs {
		for i, p := range places {
			if got[i] == nil {
				got[i] = make([][]float64, len(all))
			}
			for k, w := range all {
				v, err := b.rate(p, w)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", p.name, w, err)
				}
				got[i][k] = append(got[i][k], v)
			}
		}
	}
	fmt.Fprintf(b.out, "\nECS records to a place, formatted, numbered, queued and sent: thousand lines a second of processor time\n%-32s", "queue:")
	for _, w := range all {
		fmt.Fprintf(b.out, "%16s", w)
	}
	fmt.Fprintln(b.out)
	for i, p := range places {
		fmt.Fprintf(b.out, "%-32s", p.name)
		least := 0.0
		for k := range all {
			v := median(got[i][k])
			fmt.Fprintf(b.out, "%16s", thousands(v))
			if k == 0 || v < least {
				least = v
			}
		}
		if p.want > 0 {
			fmt.Fprint(b.out, "   ", verdict(least, p.want))
		}
		fmt.Fprintln(b.out)
	}
	return nil
}

// rate delivers a run of lines and returns how many a second of processor time.
func (b *bench) rate(p place, w way) (float64, error) {
	dir, err := own(b.dir)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	o, end, err := b.open(p, w, dir)
	defer end.stop()
	if err != nil {
		return 0, err
	}
	if err := o.feed(b.all, feedBatch, true); err != nil { // connects
		return 0, err
	}
	if err := o.drain(); err != nil {
		return 0, err
	}
	runtime.GC()
	before, began := o.Stats(), cpuTime()
	if err := o.feed(b.all, before.Made+uint64(b.lines), true); err != nil {
		return 0, err
	}
	if err := o.beat(b.all[0].Meta().At); err != nil {
		return 0, err
	}
	if err := o.drain(); err != nil {
		return 0, err
	}
	for end := time.Now().Add(drainLimit); p.receiver == "" && !compressed(dir) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	used := cpuTime() - began
	if err := o.close(10 * time.Second); err != nil {
		return 0, err
	}
	s := o.Stats()
	if s.Sent != s.Made {
		return 0, fmt.Errorf("%d of %d lines were sent: %+v", s.Sent, s.Made, s)
	}
	return float64(s.Made-before.Made) / used.Seconds(), nil
}

// open starts the far end of a place, and an export to it.
func (b *bench) open(p place, w way, dir string) (*outlet, *farEnd, error) {
	var end *farEnd
	port := 0
	switch {
	case p.receiver == "kafka" && b.kafka != "":
		p.to = "kafka://" + b.kafka + "/kagami"
	case p.receiver != "":
		var err error
		if end, err = b.startFarEnd(p.receiver, 0); err != nil {
			return nil, nil, err
		}
		port = end.port
	}
	files := dir
	if p.receiver == "tls" {
		files = b.dir
	}
	o, err := openOutlet(exporters.Config{Format: "ecs", To: p.url(port, files)}, w, dir, exporters.Block)
	return o, end, err
}
