// Package configs is the configuration: kagami.toml over built-in defaults. It
// owns reading, overriding and checking it; what the settings mean stands with
// the packages that use them, whose Config types it gathers.
//
// It imports every package that has settings; only cmd imports it.
package configs

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"kagami/capture"
	"kagami/decoders"
	"kagami/detectors"
	"kagami/evidence"
	"kagami/evidence/cases"
	"kagami/exporters"
	"kagami/sensor"
	"kagami/site"
)

// Config is the whole configuration; configs/default.toml shows every setting.
type Config struct {
	Capture  capture.Config          `toml:"capture"`
	Sensor   sensor.Config           `toml:"sensor"`
	Decode   decoders.Config         `toml:"decode"`
	Network  Network                 `toml:"network"`
	Site     site.Config             `toml:"site"`
	Detect   detectors.Config        `toml:"detect"`
	Evidence evidence.Config         `toml:"evidence"`
	Pin      cases.Config            `toml:"pin"`
	Log      Log                     `toml:"log"`
	Metrics  Metrics                 `toml:"metrics"`
	Security Security                `toml:"security"`
	Account  exporters.AccountConfig `toml:"account"`
	Output   Output                  `toml:"output"`
	Export   []exporters.Config      `toml:"export"`
}

// Network says which addresses are whose.
type Network struct {
	Zones   []sensor.Zone `toml:"zones"`   // the longest prefix wins
	Outside string        `toml:"outside"` // the zone of all other addresses
}

// Log is the sensor's own log, on stderr.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn, error
	Format string `toml:"format"` // text or json
}

// Metrics is the Prometheus endpoint of kagami run.
type Metrics struct {
	Listen string `toml:"listen"` // host:port, "" = none
}

// Security is what kagami run gives up once its packet sockets are open.
type Security struct {
	User string `toml:"user"` // that it becomes when started as root, "" = it stays who it is
}

// Output is what all formats share.
type Output struct {
	TimeZone   string `toml:"time_zone"`  // of formats that write local time: Local, UTC, Asia/Tokyo ...
	Device     string `toml:"device"`     // device name in NetScreen lines: letters, digits, "_"
	DirectTLS  bool   `toml:"direct_tls"` // HTTPS that goes straight out appears in access logs as a CONNECT
	ProxyLegs  bool   `toml:"proxy_legs"` // what a proxy fetches for a workstation has a line of its own in access logs
	QueueLines int    `toml:"queue_lines"`
	QueueBytes int    `toml:"queue_bytes"` // per export
	QueueDir   string `toml:"queue_dir"`   // of the exports with queue = "disk": a directory each
	MemoryMiB  int    `toml:"memory_mib"`  // soft limit for the whole program (GOMEMLIMIT), 0 = from the memory plan
}

// Default is the configuration when no file says otherwise: private networks
// are inside, all detectors on, packets and exports off.
func Default() Config {
	return Config{
		Capture:  capture.Default(),
		Sensor:   sensor.DefaultConfig(),
		Decode:   decoders.Default(),
		Network:  Network{Zones: sensor.DefaultZones(), Outside: "Untrust"},
		Site:     site.Default(),
		Detect:   detectors.Default(),
		Evidence: evidence.Default(),
		Pin:      cases.Default(),
		Account:  exporters.DefaultAccount(),
		Log:      Log{Level: "info", Format: "text"},
		Output: Output{TimeZone: "Local", Device: "kagami", DirectTLS: true,
			QueueLines: 8192, QueueBytes: 2 << 20, QueueDir: "/var/lib/kagami/queue"},
	}
}

var word = regexp.MustCompile(`^\w+$`)

// Validate returns every problem, one a line, or nil.
func (c *Config) Validate() error {
	var errs []error
	errs = append(errs, c.Capture.Validate()...)
	errs = append(errs, c.Sensor.Validate()...)
	errs = append(errs, c.Decode.Validate()...)
	errs = append(errs, c.Network.validate()...)
	errs = append(errs, c.Site.Validate()...)
	errs = append(errs, c.Detect.Validate()...)
	errs = append(errs, c.Evidence.Validate()...)
	errs = append(errs, c.Pin.Validate()...)
	errs = append(errs, oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")...)
	errs = append(errs, oneOf("log.format", c.Log.Format, "text", "json")...)
	if c.Metrics.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Metrics.Listen); err != nil {
			errs = append(errs, fmt.Errorf(`metrics.listen: got %q, want host:port such as "127.0.0.1:9779"`, c.Metrics.Listen))
		}
	}
	errs = append(errs, c.Account.Validate()...)
	errs = append(errs, c.Output.validate()...)
	for i, e := range c.Export {
		for _, err := range split(e.Validate()) {
			errs = append(errs, fmt.Errorf("export %d: %w", i+1, err))
		}
	}
	errs = append(errs, distinct(c.Export)...)
	return errors.Join(errs...)
}

// distinct tells of exports that would share a name, a queue on disk, or a file that is rotated.
func distinct(to []exporters.Config) (errs []error) {
	for i := range to {
		for j := range i {
			a, b := &to[j], &to[i]
			switch {
			case b.Name != "" && a.Name == b.Name:
				errs = append(errs, fmt.Errorf("export %d: export.name: got %q, as export %d has", i+1, b.Name, j+1))
			case a.Queue == exporters.QueueDisk && b.Queue == exporters.QueueDisk && a.SpoolDir("") == b.SpoolDir(""):
				errs = append(errs, fmt.Errorf("export %d: export.queue: the same format and place as export %d: give each a name of its own", i+1, j+1))
			case exporters.RotateOneFile(*a, *b):
				errs = append(errs, fmt.Errorf("export %d: export.to: the same file as export %d, which one of them rotates while the other still writes to it: give each its own", i+1, j+1))
			}
		}
	}
	return errs
}

func (n *Network) validate() (errs []error) {
	_, errs = sensor.NewNetworks(n.Zones, n.Outside)
	for i, err := range errs {
		errs[i] = fmt.Errorf("network.zones: %w", err)
	}
	for _, z := range n.Zones {
		if !word.MatchString(z.Name) {
			errs = append(errs, fmt.Errorf(`network.zones: got name %q, want letters, digits and "_"`, z.Name))
		}
	}
	if !word.MatchString(n.Outside) {
		errs = append(errs, fmt.Errorf(`network.outside: got %q, want letters, digits and "_"`, n.Outside))
	}
	return errs
}

func (o *Output) validate() (errs []error) {
	if _, err := o.Location(); err != nil {
		errs = append(errs, fmt.Errorf(`output.time_zone: got %q, want "Local", "UTC" or a name such as "Asia/Tokyo"`, o.TimeZone))
	}
	if !word.MatchString(o.Device) {
		errs = append(errs, fmt.Errorf(`output.device: got %q, want letters, digits and "_"`, o.Device))
	}
	if o.QueueLines < 16 || o.QueueLines > 1<<22 {
		errs = append(errs, fmt.Errorf("output.queue_lines: got %d, want 16..4194304", o.QueueLines))
	}
	if o.QueueBytes < 64<<10 || o.QueueBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("output.queue_bytes: got %d, want 65536..1073741824", o.QueueBytes))
	}
	if o.MemoryMiB != 0 && o.MemoryMiB < 32 {
		errs = append(errs, fmt.Errorf("output.memory_mib: got %d, want 0 (from the limits) or at least 32", o.MemoryMiB))
	}
	return errs
}

// Location is the time zone that TimeZone names.
func (o *Output) Location() (*time.Location, error) { return time.LoadLocation(o.TimeZone) }

func oneOf(key, got string, want ...string) []error {
	if slices.Contains(want, got) {
		return nil
	}
	return []error{fmt.Errorf("%s: got %q, want one of %s", key, got, strings.Join(want, ", "))}
}

// split takes joined errors apart, so that each problem is one line.
func split(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// Problems are the single problems that an error of Load or Validate holds.
func Problems(err error) []error { return split(err) }
