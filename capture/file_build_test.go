package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

// record is one packet as the tests write and expect it.
type record struct {
	Time  int64
	Data  string
	Wire  uint32
	Link  packet.LinkType
	Iface uint16
}

// order is both halves of encoding/binary's byte orders.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapFile writes a pcap file by hand.
func pcapFile(o order, magic uint32, link packet.LinkType, recs []record) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 65535)
	b = o.AppendUint32(b, uint32(link))
	for _, r := range recs {
		b = pcapRecord(b, o, magic, r)
	}
	return b
}

func pcapRecord(b []byte, o order, magic uint32, r record) []byte {
	frac := r.Time % 1e9
	if magic != magicNano {
		frac /= 1000
	}
	b = o.AppendUint32(b, uint32(r.Time/1e9))
	b = o.AppendUint32(b, uint32(frac))
	b = o.AppendUint32(b, uint32(len(r.Data)))
	b = o.AppendUint32(b, r.Wire)
	if magic == magicKuznetzov {
		b = append(b, make([]byte, 8)...)
	}
	return append(b, r.Data...)
}

// ng writes pcapng blocks by hand.
type ng struct {
	o order
	b []byte
}

func (n *ng) block(typ uint32, body ...[]byte) *ng {
	all := bytes.Join(body, nil)
	for len(all)%4 != 0 {
		all = append(all, 0)
	}
	length := uint32(len(all) + 12)
	n.b = n.o.AppendUint32(n.b, typ)
	n.b = n.o.AppendUint32(n.b, length)
	n.b = append(n.b, all...)
	n.b = n.o.AppendUint32(n.b, length)
	return n
}

func (n *ng) u32(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = n.o.AppendUint32(b, x)
	}
	return b
}

func (n *ng) option(code uint16, value []byte) []byte {
	b := n.o.AppendUint16(nil, code)
	b = n.o.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, (4-len(value)%4)%4)...)
}

func (n *ng) section() *ng {
	return n.block(blockSection, n.u32(byteOrderMagic), n.o.AppendUint16(nil, 1), n.o.AppendUint16(nil, 0), n.u32(0xffffffff, 0xffffffff))
}

func (n *ng) iface(link packet.LinkType, snap uint32, options ...[]byte) *ng {
	return n.block(blockInterface, n.o.AppendUint16(nil, uint16(link)), []byte{0, 0}, n.u32(snap), bytes.Join(options, nil))
}

func pad(s string) []byte {
	return append([]byte(s), make([]byte, (4-len(s)%4)%4)...)
}

func (n *ng) enhanced(iface uint32, ts uint64, data string, wire uint32, options ...[]byte) *ng {
	return n.block(blockEnhanced, n.u32(iface, uint32(ts>>32), uint32(ts), uint32(len(data)), wire), pad(data), bytes.Join(options, nil))
}

func (n *ng) obsolete(iface uint16, ts uint64, data string, wire uint32) *ng {
	return n.block(blockPacket, n.o.AppendUint16(nil, iface), n.o.AppendUint16(nil, 7), n.u32(uint32(ts>>32), uint32(ts), uint32(len(data)), wire), pad(data))
}

func (n *ng) simple(data string, wire uint32) *ng {
	return n.block(blockSimple, n.u32(wire), pad(data))
}

// randomRecords are n packets of 1 to most octets.
func randomRecords(n, most int) []record {
	rng := rand.New(rand.NewPCG(1, 2))
	recs := make([]record, n)
	for i := range recs {
		data := make([]byte, 1+rng.IntN(most))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		recs[i] = record{
			Time: 1_600_000_000_000_000_000 + int64(i)*1_000_000 + int64(rng.IntN(1000))*1000,
			Data: string(data), Wire: uint32(len(data) + rng.IntN(3)), Link: packet.LinkEthernet,
		}
	}
	return recs
}

// read reads a source to its end; batches are checked against the contract.
func read(t testing.TB, src sensor.Source) ([]record, error) {
	t.Helper()
	var out []record
	batches := make([]sensor.Batch, 3) // several under way at once
	for i := 0; ; i++ {
		b := &batches[i%len(batches)]
		err := src.Next(b)
		for _, f := range b.Frames {
			out = append(out, record{f.Time, string(f.Data), f.WireLen, f.Link, f.Iface})
			if cap(f.Data) != len(f.Data) {
				t.Fatalf("frame of %d octets has room for %d: an append would overwrite the next", len(f.Data), cap(f.Data))
			}
		}
		if err != nil {
			if len(b.Frames) != 0 {
				t.Fatalf("%d frames came with error %v", len(b.Frames), err)
			}
			if again := src.Next(b); again != err {
				t.Fatalf("Next after the end: %v, want %v again", again, err)
			}
			return out, err
		}
		if len(b.Frames) == 0 {
			t.Fatal("a batch without frames and without error: a file has no idle ticks")
		}
	}
}

// readBytes reads a capture file from memory.
func readBytes(t testing.TB, file []byte, o FileOptions) ([]record, *File, error) {
	t.Helper()
	o.Stdin = bytes.NewReader(file)
	f, err := Open("-", o)
	if err != nil {
		return nil, nil, err
	}
	recs, err := read(t, f)
	return recs, f, err
}

// mustRead reads a file that has nothing wrong with it.
func mustRead(t testing.TB, file []byte, o FileOptions) []record {
	t.Helper()
	recs, f, err := readBytes(t, file, o)
	if err != io.EOF {
		t.Fatalf("Next = %v, want io.EOF", err)
	}
	if n, first := f.Damage(); n != 0 {
		t.Fatalf("damage: %d, %s", n, first)
	}
	return recs
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func asRecordError(t testing.TB, err error) *RecordError {
	t.Helper()
	var e *RecordError
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want *RecordError", err, err)
	}
	return e
}
