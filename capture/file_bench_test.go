package capture

import (
	"encoding/binary"
	"io"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

func benchmarkFile(b *testing.B, octets int, file func([]record) []byte) {
	recs := make([]record, 200_000)
	data := string(make([]byte, octets))
	for i := range recs {
		recs[i] = record{Time: 1e18 + int64(i)*1000, Data: data, Wire: uint32(octets)}
	}
	path := writeFile(b, "x", file(recs))
	var batch sensor.Batch
	n := 0
	b.ReportAllocs()
	b.ResetTimer()
	for n < b.N {
		f, err := Open(path, FileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			err := f.Next(&batch)
			if n += len(batch.Frames); err == io.EOF || n >= b.N {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
	}
	b.SetBytes(int64(octets))
}

func little(recs []record) []byte {
	return pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs)
}

func ngLittle(recs []record) []byte { return ngFile(binary.LittleEndian, recs) }

// One operation is one packet.
func BenchmarkPcap64(b *testing.B)    { benchmarkFile(b, 64, little) }
func BenchmarkPcap700(b *testing.B)   { benchmarkFile(b, 700, little) }
func BenchmarkPcapng64(b *testing.B)  { benchmarkFile(b, 64, ngLittle) }
func BenchmarkPcapng700(b *testing.B) { benchmarkFile(b, 700, ngLittle) }

func TestNoAllocationPerPacket(t *testing.T) {
	recs := randomRecords(20_000, 100)
	for name, file := range map[string][]byte{"pcap": little(recs), "pcapng": ngLittle(recs)} {
		path := writeFile(t, "x", file)
		var batch sensor.Batch
		perFile := testing.AllocsPerRun(3, func() {
			f, err := Open(path, FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = f.Next(&batch)
			}
			f.Close()
		})
		// Opening costs a few dozen allocations; 20,000 packets must add none.
		if perFile > 100 {
			t.Errorf("%s: %.0f allocations in a file of 20,000 packets", name, perFile)
		}
	}
}
