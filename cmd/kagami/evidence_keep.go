package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"kagami/configs"
	"kagami/evidence"
	"kagami/evidence/cases"
	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/exporters"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// keeping is the pipeline's end where packets are kept: what an alert is about is
// noted beside the packets, kept whole from then on, and pinned.
type keeping struct {
	store   *evidence.Store
	keeper  *cases.Keeper // nil: alerts pin nothing
	writers []*evidence.Writer
	watchNS int64 // how long an alerted host's encrypted flows escape the cutoff, 0 = they do not
	snaplen uint32
	where   string // what a command needs to find the store, "" = nothing
}

// watchS is how long in seconds that is, at least: beacons and downloads go on.
const watchS = 3600

// newKeeping opens the store. live says that alerts may change what is kept from
// then on: of a capture file, the same packets are kept however many workers read it.
func newKeeping(c configs.Config, live bool, log *slog.Logger) (*keeping, error) {
	c.Evidence.Interface, c.Evidence.Wait = c.Capture.Interface, !live
	store, err := evidence.Open(c.Evidence, log)
	if err != nil {
		return nil, err
	}
	k := &keeping{store: store, snaplen: uint32(c.Capture.Snaplen)}
	if c.Evidence.Dir != evidence.Default().Dir {
		k.where = " --dir '" + strings.ReplaceAll(c.Evidence.Dir, "'", `'\''`) + "'"
	}
	if live {
		k.watchNS = int64(max(watchS, c.Pin.AfterS)) * 1e9
	}
	if c.Pin.Enabled {
		pin := c.Pin
		pin.StoreBytes, pin.Wait = c.Evidence.MaxBytes, !live
		if k.keeper, err = cases.NewKeeper(custody(c, log), pin); err != nil {
			store.Close()
			return nil, err
		}
	}
	return k, nil
}

// writer is the store of one worker.
func (k *keeping) writer(worker int) sensor.Store {
	w := k.store.Writer(worker, k.snaplen)
	k.writers = append(k.writers, w)
	return w
}

// alert remembers an alert that is about to be written.
func (k *keeping) alert(a *records.Alert) {
	id := a.Meta().ID()
	a.Fetch = fmt.Sprintf("kagami evidence get -o %s.pcapng alert %s", id, id) + k.where
	k.store.Alert(alertNote(a))
	if k.watchNS > 0 && a.Severity > records.Low { // what is only kept in view keeps no more packets
		for _, addr := range []netip.Addr{a.Source, a.DestAddr} {
			if addr.IsValid() {
				k.store.Watch(addr, a.Meta().At+k.watchNS)
			}
		}
	}
	if k.keeper != nil {
		k.keeper.Alert(a)
	}
}

// alertNote is an alert as it stands beside its packets: what it says, and the query
// that finds what it is about.
func alertNote(a *records.Alert) segment.Note {
	n := segment.Note{Kind: segment.Alert, At: a.Meta().At, Name: a.Meta().ID(), From: a.Since, To: a.Until,
		Text: a.Rule + ": " + printable(a.Title) + "\n" + alertQuery(a)}
	n.Key, n.Client = packet.PairKey(a.Source, a.DestAddr, a.DestPort)
	return n
}

const (
	alertFlows  = 8               // sample flows that a query names
	alertMargin = 60 * int64(1e9) // flows begin before what they carry, and end behind it
)

// alertQuery is what an alert is about: its sample flows, and what its source had
// to do with the destination, which behind a proxy is a name only.
func alertQuery(a *records.Alert) string {
	var terms []string
	for _, id := range a.Communities[:min(len(a.Communities), alertFlows)] {
		terms = append(terms, "flow "+id)
	}
	host, _, err := net.SplitHostPort(a.Destination)
	if err != nil {
		host = a.Destination
	}
	_, network := netip.ParsePrefix(host)
	switch from := fmt.Sprintf("client %s and ", a.Source); {
	case a.DestAddr.IsValid():
		terms = append(terms, from+"server "+a.DestAddr.String())
	case network == nil:
		terms = append(terms, from+"net "+host)
	case isName(host):
		terms = append(terms, from+"host "+host)
	}
	if len(terms) == 0 {
		terms = append(terms, "client "+a.Source.String())
	}
	q, err := query.Parse(fmt.Sprintf("from %s to %s and (%s)", unixTime(a.Since-alertMargin), unixTime(a.Until+alertMargin), strings.Join(terms, " or ")), query.Options{})
	if err != nil {
		return "client " + a.Source.String()
	}
	return q.String()
}

// isName tells a host's name from the wire that may stand in a query.
func isName(s string) bool {
	return strings.Contains(s, ".") && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

func unixTime(ns int64) string { return fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9) }

// follow looks at the records that are about to be written, and adds the alerts
// that keeping itself raises.
func (k *keeping) follow(rs []records.Record) []records.Record {
	for _, r := range rs {
		if a, ok := r.(*records.Alert); ok {
			k.alert(a)
		}
	}
	if k.keeper != nil && len(rs) > 0 {
		k.keeper.Advance(rs[len(rs)-1].Meta().At)
		for _, a := range k.keeper.TakeAlerts() {
			rs = append(rs, a)
		}
	}
	return rs
}

// close ends the writers first: what the keeper copies is then on disk.
func (k *keeping) close() []error {
	for _, w := range k.writers {
		w.Close()
	}
	var errs []error
	if k.keeper != nil {
		errs = append(errs, k.keeper.Close())
	}
	return append(errs, k.store.Close())
}

// lineOf writes a record as one line of ECS.
func lineOf(log *slog.Logger) func(records.Record) []byte {
	var line bytes.Buffer
	x, err := exporters.Open(exporters.Config{Format: "ecs", To: "stdout:"}, exporters.Env{Version: version, Stdout: &line, Logger: log})
	return func(r records.Record) []byte {
		line.Reset()
		if err != nil || x.Write([]records.Record{r}) != nil {
			return nil
		}
		return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
	}
}

// report says what could not be kept, and why.
func (k *keeping) report(w io.Writer) {
	s := k.store.Stats()
	for _, lost := range []struct {
		n    uint64
		text string
	}{
		{s.LostSlow, "packets not kept: the disk was too slow for evidence.buffer_mib"},
		{s.LostFull, "packets not kept: the disk was full"},
		{s.LostError, "packets not kept: the disk failed"},
		{s.LeftOut, "packets of encrypted flows not kept: for want of room, or evidence.max_bytes_per_day"},
		{s.Ignored, "packets not kept: of more interfaces than a segment describes"},
	} {
		if lost.n > 0 {
			fmt.Fprintf(w, "%10s  %s\n", thousands(lost.n), lost.text)
		}
	}
	if k.keeper == nil {
		return
	}
	if c := k.keeper.Stats(); c.Opened > 0 {
		fmt.Fprintf(w, "%10d  cases of packets: kagami evidence pins\n", c.Complete+c.Incomplete)
	}
}
