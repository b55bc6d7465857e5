package capture

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/net/bpf"

	"kagami/packet"
)

// Config is the section [capture]: where frames come from.
type Config struct {
	// Interface is the mirror port's network interface, for example "eth1".
	// Unset by default; `kagami run -i` names it too. Ignored for files.
	Interface string `toml:"interface"`
	// Workers is the number of rings, each with its own goroutine; flows are
	// spread over them by hash. Default: the number of CPUs, at most 4. Range 1..64.
	Workers int `toml:"workers"`
	// RingMiB is the size of each worker's ring in MiB of kernel memory: it holds
	// the packets while the worker is busy. Default 8. Range 1..1024.
	RingMiB int `toml:"ring_mib"`
	// BlockKiB is the size of a ring's blocks in KiB, a power of two; packets
	// reach the worker a block at a time. Default 256. Range 64..4096.
	BlockKiB int `toml:"block_kib"`
	// BatchFrames is the number of frames that workers get at a time from a
	// capture file. Default 4096. Range 1..65536.
	BatchFrames int `toml:"batch_frames"`
	// ShuntFlows is for how many flows at a time the kernel counts and drops the
	// packets once nothing more is to be decoded (eBPF; 256 octets of kernel
	// memory each). 0 turns it off. Default 16384. Range 0..1048576.
	ShuntFlows int `toml:"shunt_flows"`
	// OffloadOff turns off the interface's receive and segmentation offloads,
	// which merge packets before the sensor sees them. Default true.
	OffloadOff bool `toml:"offload_off"`
	// RetireMS is how long, in milliseconds, a block that is not full may wait.
	// Default 100. Range 1..1000.
	RetireMS int `toml:"retire_ms"`
	// Snaplen is the number of octets kept of each frame. Default 65535, so that
	// whole frames are kept. Range 128..262144.
	Snaplen int `toml:"snaplen"`
	// Promiscuous makes the interface take frames that are for other hosts, as a
	// mirror port needs. Default true.
	Promiscuous bool `toml:"promiscuous"`
	// IgnoreOutgoing leaves out the frames that this machine itself sends.
	// Default true.
	IgnoreOutgoing bool `toml:"ignore_outgoing"`
	// Filter is a capture filter in the syntax of tcpdump, for example
	// "not port 3260". Unset by default: all frames.
	Filter string `toml:"filter"`
}

// Limits of the settings.
const (
	maxWorkers  = 64
	maxRingMiB  = 1024
	minBlockKiB = 64
	maxBlockKiB = 4096
	maxRetireMS = 1000
	minSnaplen  = 128
	maxSnaplen  = 256 << 10
	maxIfName   = 15 // IFNAMSIZ less the final zero
)

// Default is the configuration of a small box.
func Default() Config {
	return Config{
		Workers:        min(runtime.NumCPU(), 4),
		RingMiB:        8,
		BlockKiB:       256,
		BatchFrames:    4096,
		RetireMS:       100,
		ShuntFlows:     16384,
		OffloadOff:     true,
		Snaplen:        65535,
		Promiscuous:    true,
		IgnoreOutgoing: true,
	}
}

// Validate returns every problem.
func (c Config) Validate() []error {
	var errs []error
	within := func(key string, got, low, high int) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("capture.%s: got %d, want %d..%d", key, got, low, high))
		}
	}
	if len(c.Interface) > maxIfName {
		errs = append(errs, fmt.Errorf("capture.interface: got %q, want a name of at most %d octets", c.Interface, maxIfName))
	}
	within("workers", c.Workers, 1, maxWorkers)
	within("ring_mib", c.RingMiB, 1, maxRingMiB)
	within("block_kib", c.BlockKiB, minBlockKiB, maxBlockKiB)
	within("batch_frames", c.BatchFrames, 1, 1<<16)
	within("shunt_flows", c.ShuntFlows, 0, 1<<20)
	within("retire_ms", c.RetireMS, 1, maxRetireMS)
	within("snaplen", c.Snaplen, minSnaplen, maxSnaplen)
	if c.BlockKiB&(c.BlockKiB-1) != 0 {
		errs = append(errs, fmt.Errorf("capture.block_kib: got %d, want a power of two", c.BlockKiB))
	}
	if c.BlockKiB > c.RingMiB<<10/2 {
		errs = append(errs, fmt.Errorf("capture.block_kib: got %d, want at least two blocks in capture.ring_mib = %d", c.BlockKiB, c.RingMiB))
	}
	return errs
}

// MemoryBytes is the kernel memory that the rings take, for the memory plan.
func (c Config) MemoryBytes() int64 { return int64(c.Workers) * int64(c.RingMiB) << 20 }

// LiveOptions say how OpenRings opens an interface. Config.Live makes them.
type LiveOptions struct {
	Interface      string
	Rings          int           // 1..64
	RingBytes      int           // of each ring; a multiple of BlockBytes
	BlockBytes     int           // a power of two, at least a page
	Retire         time.Duration // how long a block that is not full may wait
	Snaplen        int           // octets kept of each frame
	Promiscuous    bool
	IgnoreOutgoing bool
	// Filter makes the program that runs in the kernel, for the interface's link
	// type; nil keeps all frames.
	Filter func(packet.LinkType) ([]bpf.RawInstruction, error)
	Shunt  ShuntProgram  // nil: no shunting
	Fanout FanoutProgram // nil: PACKET_FANOUT_HASH
}

// Live makes the options of OpenRings. The filter text is compiled elsewhere.
func (c Config) Live(filter func(packet.LinkType) ([]bpf.RawInstruction, error)) LiveOptions {
	return LiveOptions{
		Interface:      c.Interface,
		Rings:          c.Workers,
		RingBytes:      c.RingMiB << 20,
		BlockBytes:     c.BlockKiB << 10,
		Retire:         time.Duration(c.RetireMS) * time.Millisecond,
		Snaplen:        c.Snaplen,
		Promiscuous:    c.Promiscuous,
		IgnoreOutgoing: c.IgnoreOutgoing,
		Filter:         filter,
	}
}
