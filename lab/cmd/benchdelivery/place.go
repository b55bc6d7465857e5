package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kagami/configs"
	"kagami/exporters"
	"kagami/exporters/spool"
	"kagami/records"
)

// place is somewhere that lines go.
type place struct {
	name     string
	receiver string  // of receivers; "" = a file
	to       string  // with PORT and DIR to be filled in
	want     float64 // lines a second of processor time; 0 = nothing is asked
}

const (
	wantFile   = 50_000
	wantSyslog = 20_000
)

// places are all places that are measured. A UDP export is paced at 1,000 datagrams
// a second as it ships; here it is not.
func places() []place {
	return []place{
		{"file", "", "file://DIR/" + fileName, wantFile},
		{"file, rotated, zstd, fsync=5s", "", "file://DIR/" + fileName + "?rotate_bytes=8M&fsync=5s", wantFile},
		{"syslog/UDP, rate=0", "udp", "syslog+udp://127.0.0.1:PORT?rate=0", 0},
		{"syslog/TCP", "tcp", "syslog+tcp://127.0.0.1:PORT", wantSyslog},
		{"syslog/TLS", "tls", "syslog+tls://127.0.0.1:PORT?ca=DIR/" + certFile, 0},
		{"Kafka", "kafka", "kafka://127.0.0.1:PORT/kagami", 0},
		{"NATS JetStream", "nats", "nats://127.0.0.1:PORT/kagami.{kind}", 0},
		{"OpenSearch", "opensearch", "opensearch+http://127.0.0.1:PORT/logs-kagami-default", 0},
		{"ClickHouse", "clickhouse", "clickhouse+http://127.0.0.1:PORT/kagami.raw", 0},
	}
}

// chosen are those to be measured.
func (b *bench) chosen() (out []place, err error) {
	only, err := regexp.Compile(b.only)
	if err != nil {
		return nil, fmt.Errorf("read -only: %w", err)
	}
	for _, p := range places() {
		if only.MatchString(p.name) {
			out = append(out, p)
		}
	}
	return out, nil
}

func placeOf(name string) (place, error) {
	for _, p := range places() {
		if p.name == name {
			return p, nil
		}
	}
	return place{}, fmt.Errorf("there is no place %q", name)
}

// url is where the place is; files are in dir.
func (p *place) url(port int, dir string) string {
	return strings.NewReplacer("PORT", strconv.Itoa(port), "DIR", dir).Replace(p.to)
}

// freePort is one that nobody listens on.
func freePort() (int, error) {
	l, port, err := listen(0)
	if err != nil {
		return 0, err
	}
	return port, l.Close()
}

// way is how lines get to a place.
type way struct {
	queue   queue
	account bool // lines bear numbers
}

type queue string

const (
	noQueue  queue = "none" // the sink is written to at once
	inMemory queue = "memory"
	onDisk   queue = "disk"
)

func (w way) String() string {
	if w.account {
		return string(w.queue) + ", account"
	}
	return string(w.queue)
}

// ways are those that a live sensor has.
func ways() []way { return []way{{inMemory, false}, {inMemory, true}, {onDisk, false}, {onDisk, true}} }

// outlet is an export in use.
type outlet struct {
	exporters.Output
	account *exporters.Account
	spool   *spool.Spool // nil: the queue is in memory
}

const hostName = "sensor"

// openOutlet opens an export with its queue in dir. policy is that of a queue in
// memory.
func openOutlet(c exporters.Config, w way, dir string, policy exporters.Policy) (*outlet, error) {
	env := exporters.Env{HostName: hostName, Version: "bench", Logger: slog.New(slog.DiscardHandler)}
	o := &outlet{}
	var err error
	if w.account {
		if o.account, err = exporters.OpenAccount(exporters.AccountConfig{Dir: dir, Sensor: hostName}, env.Logger); err != nil {
			return nil, err
		}
		env.Account, env.SensorID, env.BootID = o.account, o.account.Sensor(), o.account.Boot()
	}
	if w.queue == onDisk {
		if o.spool, err = spool.Open(spool.Config{Dir: filepath.Join(dir, "queue"), MaxBytes: 16 << 30}, env.Logger); err != nil {
			return nil, err
		}
		env.SeqID = o.spool.ID()
	}
	e, err := exporters.Open(c, env)
	if err != nil {
		return nil, err
	}
	switch w.queue {
	case onDisk:
		o.Output = exporters.NewDurable(e, o.spool)
	case inMemory:
		d := configs.Default().Output
		o.Output = exporters.NewQueue(e, exporters.Limits{Lines: d.QueueLines, Bytes: d.QueueBytes}, policy)
	default:
		o.Output = e
	}
	return o, nil
}

const (
	feedBatch = 128  // lines handed over at a time
	feedAhead = 2048 // lines that wait for a place that keeps up, so that none goes to the disk

	// feedMemory is how much waits for the disk at most. With more than that the
	// queue would write without this, too: it begins when half of its memory is used.
	feedMemory = exporters.SpoolMemory / 2
)

// feed writes records, over and over, until so many lines were made. A queue on disk
// never makes its writer wait; with keepUp the feeder waits for the place, as if
// records came no faster than it takes them, else for the disk.
func (o *outlet) feed(all []records.Record, lines uint64, keepUp bool) error {
	for at := 0; o.Stats().Made < lines; at = (at + feedBatch) % len(all) {
		if err := o.Write(all[at:min(at+feedBatch, len(all))]); err != nil {
			return err
		}
		if o.spool == nil {
			continue
		}
		for s := o.spool.Stats(); keepUp && s.Lines > feedAhead || !keepUp && s.Bytes-s.OnDisk > feedMemory; s = o.spool.Stats() {
			time.Sleep(200 * time.Microsecond)
		}
	}
	return nil
}

const drainLimit = 5 * time.Minute

// drain waits until nothing is queued.
func (o *outlet) drain() error {
	for end := time.Now().Add(drainLimit); o.Stats().QueuedLines > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s: %d lines are left after %s: %+v", o.Name(), o.Stats().QueuedLines, drainLimit, o.Stats())
		}
	}
	return nil
}

// close ends the export within the time given; what it holds is not asked for.
func (o *outlet) close(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := o.Close(ctx)
	if o.account != nil {
		err = errors.Join(err, o.account.Close())
	}
	return err
}

// beat writes a heartbeat, if there are any.
func (o *outlet) beat(at int64) error {
	if o.account == nil {
		return nil
	}
	return o.account.Beat([]exporters.Output{o.Output}, records.NewHeartbeat(records.Meta{At: at}))
}

// fileName is the file of places that are files.
const fileName = "records.jsonl"

// own makes a directory of its own below dir.
func own(dir string) (string, error) { return os.MkdirTemp(dir, "p-") }

// compressed tells whether no ended file in dir waits for it.
func compressed(dir string) bool {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), fileName+"."); ok && filepath.Ext(rest) != ".zst" {
			return false
		}
	}
	return err == nil
}
