package decoders

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"kagami/capture"
	"kagami/packet"
	"kagami/sensor"
)

// conversation is what the two ends of a flow of a capture in testdata said, in the
// order of its packets; FromA is the end that began. It is what fuzzers start
// from, so nothing is put into order and nothing twice said is taken out.
type conversation []octets

// maxSeed bounds a conversation, octets: fuzzers are slow on long ones.
const maxSeed = 8 << 10

// captured are the conversations over a transport with any of some ports, from the
// captures that genuine programs made.
func captured(tb testing.TB, transport uint8, ports ...uint16) (all []conversation) {
	tb.Helper()
	paths, err := filepath.Glob("../testdata/*/in.pcap.zst")
	if err != nil || len(paths) == 0 {
		tb.Fatal("no captures", err)
	}
	for _, path := range paths {
		if filepath.Base(filepath.Dir(path)) != "office" { // made by the laboratory, and large
			all = append(all, capturedIn(tb, path, transport, ports)...)
		}
	}
	if len(all) == 0 {
		tb.Fatalf("no conversation with port %d in testdata", ports)
	}
	return all
}

func capturedIn(tb testing.TB, path string, transport uint8, ports []uint16) (all []conversation) {
	file, err := capture.Open(path, capture.FileOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	type open struct{ at, size int }
	flows := make(map[packet.Key]*open)
	began := make(map[packet.Key]packet.Side)
	var batch sensor.Batch
	for {
		err := file.Next(&batch)
		for i := range batch.Frames {
			var p packet.Packet
			frame := &batch.Frames[i]
			if p.Parse(frame.Data, frame.WireLen, frame.Link) != packet.OK || p.Key.Proto != transport || !slices.Contains(ports, p.Key.APort) && !slices.Contains(ports, p.Key.BPort) {
				continue
			}
			if flows[p.Key] == nil {
				flows[p.Key], began[p.Key] = &open{at: len(all)}, p.Side
				all = append(all, nil)
			}
			f := flows[p.Key]
			if b := p.Bytes(); len(b) > 0 && f.size+len(b) <= maxSeed {
				f.size += len(b)
				all[f.at] = append(all[f.at], octets{side: p.Side ^ began[p.Key], data: string(b)})
			}
		}
		if errors.Is(err, io.EOF) {
			return slices.DeleteFunc(all, func(c conversation) bool { return len(c) == 0 })
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// said is all that one end said.
func (c conversation) said(side packet.Side) (b []byte) {
	for _, s := range c {
		if s.side == side {
			b = append(b, s.data...)
		}
	}
	return b
}

// turns are what the ends said in turn, at least n, of which the last may be empty.
func (c conversation) turns(n int) (out [][]byte) {
	for i, s := range c {
		if i > 0 && s.side == c[i-1].side {
			out[len(out)-1] = append(out[len(out)-1], s.data...)
		} else {
			out = append(out, []byte(s.data))
		}
	}
	for len(out) < n {
		out = append(out, nil)
	}
	return out
}

// framed is the form in which the fuzzers of HTTP take a conversation: side and
// length in an octet each, then so many octets.
func (c conversation) framed() (in []byte) {
	for _, s := range c {
		for data := s.data; len(data) > 0; {
			n := min(len(data), 255)
			in = append(append(in, byte(s.side), byte(n)), data[:n]...)
			data = data[n:]
		}
	}
	return in
}

// addDatagrams seeds a fuzzer of datagrams.
func addDatagrams(f *testing.F, ports ...uint16) {
	f.Helper()
	for _, c := range captured(f, packet.ProtoUDP, ports...) {
		for _, s := range c {
			f.Add([]byte(s.data))
		}
	}
}
