package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"testing/iotest"

	"kagami/packet"
)

// FuzzFile: whatever the octets, reading ends, holds a bounded buffer, and says
// the same for every batch and block size and every way the octets arrive.
func FuzzFile(f *testing.F) {
	recs := randomRecords(5, 60)
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{magicMicro, magicNano, magicKuznetzov} {
			f.Add(pcapFile(o, magic, packet.LinkEthernet, recs))
		}
		n := &ng{o: o}
		n.section().iface(packet.LinkEthernet, 100, n.option(optTSResol, []byte{9}), n.option(optTSOffset, make([]byte, 8))).iface(packet.LinkRaw, 0)
		n.enhanced(0, 1, "enhanced", 8).simple("simple", 6).obsolete(1, 3, "obsolete", 8).block(blockStatistics, n.u32(1, 2, 3)).block(blockLocal, nil)
		f.Add(n.b)
		f.Add(slices.Concat(n.b, []byte("junk"), n.b))
		f.Add(slices.Concat(n.b[:len(n.b)-30], n.b))
		f.Add(gzipped(f, n.b))
		f.Add(zstded(f, n.b))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 64<<10 {
			return // unpacked, one octet at a time, it would only be slow
		}
		want, damage, wantErr := outcome(t, FileOptions{Stdin: bytes.NewReader(file)})
		for name, o := range map[string]FileOptions{
			"small":     {Stdin: bytes.NewReader(file), Frames: 1, Block: 16},
			"odd":       {Stdin: bytes.NewReader(file), Frames: 3, Block: 37},
			"trickling": {Stdin: iotest.OneByteReader(bytes.NewReader(file))},
		} {
			got, n, err := outcome(t, o)
			if !slices.Equal(got, want) || n != damage || err != wantErr {
				t.Fatalf("%s: %d records, %d damaged, %s\nwant %d, %d, %s", name, len(got), n, err, len(want), damage, wantErr)
			}
		}
	})
}

func outcome(t *testing.T, o FileOptions) ([]record, uint64, string) {
	f, err := Open("-", o)
	if err != nil {
		return nil, 0, err.Error()
	}
	defer f.Close()
	recs, err := read(t, f)
	n, _ := f.Damage()
	if cap(f.rest) > 4*maxBlock {
		t.Fatalf("holds %d octets", cap(f.rest))
	}
	return recs, n, err.Error()
}

// FuzzAgainstPcapgo: what pcapgo reads of a pcap file, we read too.
func FuzzAgainstPcapgo(f *testing.F) {
	recs := randomRecords(5, 60)
	for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
		f.Add(pcapFile(o, magicMicro, packet.LinkEthernet, recs))
		f.Add(pcapFile(o, magicNano, packet.LinkRaw, recs))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if !isPcap(file) || len(file) < pcapHeaderLen {
			return
		}
		file = slices.Clone(file)
		copy(file[16:], []byte{0, 0xff, 0xff, 0}) // the oracle allocates what the snap length allows
		// The oracle is stricter about versions and lengths, and reads records of zeros.
		want := pcapgoRecords(file)
		got, _, _ := readBytes(t, file, FileOptions{})
		i := 0
		for _, w := range want {
			if w.Data == "" && w.Wire == 0 && w.Time == 0 {
				continue
			}
			if i >= len(got) || !sameRecord(got[i], w) {
				t.Fatalf("record %d differs from pcapgo's %+v", i, w)
			}
			i++
		}
	})
}

// sameRecord allows for the oracle's narrow numbers: it multiplies the fraction
// of a second in 32 bits and keeps 8 bits of the link type.
func sameRecord(got, oracle record) bool {
	return (got.Time-oracle.Time)%(1<<32) == 0 && got.Data == oracle.Data && got.Wire == oracle.Wire && got.Link&0xff == oracle.Link
}
