// Command repeat writes a capture over and over to its standard output, one pass
// behind the other in time, each pass with hosts of its own: a long capture with
// the packets, flows and names of a short one.
//
//	go run ./lab/cmd/repeat -file day.pcap -gib 20 | kagami read --set evidence.enabled=true ... -
//
// In pass n the third octet of every private IPv4 address is moved on by n, but
// for the addresses of -keep, which are in every pass. Checksums of the IPv4
// header follow; those of TCP and UDP do not.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// frame is one frame of the short capture.
type frame struct {
	after time.Duration // since the first
	wire  int
	data  []byte
}

// capture is the short capture.
type capture struct {
	start  time.Time
	length time.Duration
	octets int64
	frames []frame
	keep   map[netip.Addr]bool
}

// between is the pause between two passes.
const between = time.Second

func main() {
	file := flag.String("file", "out/bench.pcap", "Ethernet capture `file` (pcap) to repeat")
	gib := flag.Float64("gib", 20, "stop behind so many GiB")
	keep := flag.String("keep", "", "comma-separated `addresses` that stay the same in every pass")
	flag.Parse()
	c, err := load(*file)
	if err == nil {
		if c.keep, err = addresses(*keep); err == nil {
			err = c.repeat(os.Stdout, int64(*gib*(1<<30)))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "repeat:", err)
		os.Exit(1)
	}
}

func addresses(list string) (map[netip.Addr]bool, error) {
	keep := map[netip.Addr]bool{}
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("read -keep: %w", err)
		}
		keep[a] = true
	}
	return keep, nil
}

func load(path string) (*capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("read %q: link type %v, want Ethernet", path, r.LinkType())
	}
	c := &capture{}
	for {
		data, ci, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", path, err)
		}
		if c.frames == nil {
			c.start = ci.Timestamp
		}
		after := ci.Timestamp.Sub(c.start)
		c.length, c.octets = max(c.length, after), c.octets+int64(len(data))
		c.frames = append(c.frames, frame{after, ci.Length, data})
	}
	if c.octets == 0 {
		return nil, fmt.Errorf("read %q: no frames", path)
	}
	return c, nil
}

func (c *capture) repeat(to io.Writer, octets int64) error {
	out := bufio.NewWriterSize(to, 1<<20)
	w := pcapgo.NewWriterNanos(out)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		return err
	}
	head := make([]byte, 16)
	for pass, written := 0, int64(0); written < octets; pass++ {
		at := c.start.Add(time.Duration(pass) * (c.length + between))
		for i := range c.frames {
			f := &c.frames[i]
			t := at.Add(f.after)
			binary.LittleEndian.PutUint32(head, uint32(t.Unix()))
			binary.LittleEndian.PutUint32(head[4:], uint32(t.Nanosecond()))
			binary.LittleEndian.PutUint32(head[8:], uint32(len(f.data)))
			binary.LittleEndian.PutUint32(head[12:], uint32(f.wire))
			out.Write(head)
			if _, err := c.write(out, f.data, byte(pass)); err != nil {
				return err
			}
		}
		written += c.octets
	}
	return out.Flush()
}

const (
	etherLen  = 14
	ipv4Len   = 20
	etherIPv4 = 0x0800
)

// write writes a frame with the addresses of its pass.
func (c *capture) write(out io.Writer, data []byte, pass byte) (int, error) {
	if len(data) < etherLen+ipv4Len || binary.BigEndian.Uint16(data[12:]) != etherIPv4 || pass == 0 {
		return out.Write(data)
	}
	var moved [etherLen + ipv4Len]byte
	copy(moved[:], data)
	ip := moved[etherLen:]
	for _, at := range []int{12, 16} {
		if a := netip.AddrFrom4([4]byte(ip[at:])); a.IsPrivate() && !c.keep[a] {
			ip[at+2] += pass
		}
	}
	if ip[0]&0xf == 5 {
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	}
	if _, err := out.Write(moved[:]); err != nil {
		return 0, err
	}
	return out.Write(data[len(moved):])
}

// checksum is that of an IPv4 header (RFC 791).
func checksum(h []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
