package sensor

import (
	"fmt"
	"time"
)

// Config are the engine's limits and time-outs.
type Config struct {
	Workers     int      `toml:"-"`             // goroutines that decode, at least 1; capture.workers sets it
	MaxFlows    int      `toml:"max_flows"`     // flows in the tables of all workers together
	MaxHeld     int      `toml:"max_held"`      // octets of TCP payload held back for reordering, all workers together
	MaxHeldFlow int      `toml:"max_held_flow"` // the same for one direction of one flow
	MaxKept     int      `toml:"max_kept"`      // octets that decoders keep of what is not complete, all workers together
	Decode      bool     `toml:"decode"`        // false: flows only, no protocol is decoded
	Dedup       bool     `toml:"dedup"`         // leave out packets that the mirror port delivers twice
	Cutoff      int      `toml:"-"`             // octets of payload of a direction after which the store gets only the headers of an encrypted flow, 0 = never
	Timeouts    Timeouts `toml:"timeouts"`

	// AckedWait is how long, in capture time, a hole that the receiver has acknowledged
	// is left open: a mirror port may deliver the two directions, or one direction's
	// segments, out of order by that much. Who reads a file may wait longer, and waits
	// then for a direction of which nothing came yet, too.
	AckedWait time.Duration `toml:"-"`

	timeouts [numClasses]int64
}

// Timeouts end flows that are silent for so long.
type Timeouts struct {
	Established time.Duration `toml:"established"` // TCP that goes on
	Tunnel      time.Duration `toml:"tunnel"`      // the same, through a proxy's CONNECT or SOCKS
	HalfClosed  time.Duration `toml:"half_closed"` // TCP after the first FIN
	Attempt     time.Duration `toml:"attempt"`     // TCP SYN without an answer
	Closed      time.Duration `toml:"closed"`      // TCP after both FINs or a RST: waits for stragglers
	UDP         time.Duration `toml:"udp"`
	ICMP        time.Duration `toml:"icmp"`
	Other       time.Duration `toml:"other"` // other IP protocols
}

// DefaultConfig suits a small office on a 1 GB box.
func DefaultConfig() Config {
	return Config{
		MaxFlows: 30000, MaxHeld: 4 << 20, MaxHeldFlow: 1 << 20, MaxKept: 16 << 20, Decode: true, Dedup: true,
		AckedWait: mirrorWait,
		Timeouts: Timeouts{
			Established: 10 * time.Minute, Tunnel: 6 * time.Hour, HalfClosed: 5 * time.Minute, Attempt: 10 * time.Second,
			Closed: time.Second, UDP: time.Minute, ICMP: time.Minute, Other: time.Minute,
		},
	}
}

// Validate returns everything that is wrong.
func (c *Config) Validate() (errs []error) {
	check := func(key string, got, low, high int) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("sensor.%s: got %d, want %d..%d", key, got, low, high))
		}
	}
	check("max_flows", c.MaxFlows, 64, 1<<24)
	check("max_held", c.MaxHeld, 64<<10, 1<<30)
	check("max_held_flow", c.MaxHeldFlow, 4<<10, 1<<30)
	check("max_kept", c.MaxKept, 64<<10, 1<<30)
	t := &c.Timeouts
	for _, d := range []struct {
		key string
		v   time.Duration
	}{{"established", t.Established}, {"tunnel", t.Tunnel}, {"half_closed", t.HalfClosed}, {"attempt", t.Attempt}, {"closed", t.Closed},
		{"udp", t.UDP}, {"icmp", t.ICMP}, {"other", t.Other}} {
		if v := d.v; v < 100*time.Millisecond || v > 7*24*time.Hour {
			errs = append(errs, fmt.Errorf("sensor.timeouts.%s: got %v, want 100ms..168h", d.key, v))
		}
	}
	return errs
}

// Memory is an estimate in octets of what the limits allow.
func (c *Config) Memory() int64 {
	const perFlow = 960 // a Flow and its bucket, and what recognises its protocol
	return int64(c.MaxFlows)*perFlow + int64(c.MaxHeld) + int64(c.MaxKept)
}

func (c *Config) compile() {
	t := &c.Timeouts
	c.timeouts = [numClasses]int64{tcpClosed: int64(t.Closed), tcpAttempt: int64(t.Attempt), otherIP: int64(t.Other),
		icmp: int64(t.ICMP), udp: int64(t.UDP), tcpHalf: int64(t.HalfClosed), tcpOpen: int64(t.Established), tcpTunnel: int64(t.Tunnel)}
}
