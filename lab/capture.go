package lab

import (
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"
)

const snapLen = 262144 // as tcpdump writes it

// Capture is what the mirror port delivered, in time order.
type Capture struct {
	Start  time.Time
	Frames []Frame
}

// WritePcap writes a classic pcap file with microsecond times, link type
// Ethernet.
func (c *Capture) WritePcap(w io.Writer) error {
	pw := pcapgo.NewWriter(w)
	if err := pw.WriteFileHeader(snapLen, layers.LinkTypeEthernet); err != nil {
		return fmt.Errorf("write pcap header: %w", err)
	}
	for i, f := range c.Frames {
		ci := gopacket.CaptureInfo{Timestamp: c.Start.Add(f.Time), CaptureLength: len(f.Data), Length: max(f.Wire, len(f.Data))}
		if err := pw.WritePacket(ci, f.Data); err != nil {
			return fmt.Errorf("write packet %d: %w", i+1, err)
		}
	}
	return nil
}

// WriteZstd writes the pcap file compressed. The window stays at 8 MiB, which
// every decoder accepts (RFC 8878 section 3.1.1.1.2).
func (c *Capture) WriteZstd(w io.Writer) error {
	zw, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return fmt.Errorf("open zstd writer: %w", err)
	}
	if err := c.WritePcap(zw); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("close zstd writer: %w", err)
	}
	return nil
}
