package spool

import (
	"errors"
	"hash/crc32"
	"io"
)

const (
	stateName  = "state"
	stateMagic = "KGSTATE1"
	slotBytes  = 8 + 8 + 8 + 8 + 8 + NumClasses*24 + 4
	slotApart  = 4096 // so that a torn write harms one of the two only
)

// state is what a spool knows besides its segments.
type state struct {
	gen      uint64 // of two slots the one with the greater one counts
	id       uint64 // random
	reserved uint64 // a number above this one was never given
	acked    uint64
	holes    [NumClasses]hole // that nobody was told of
}

// encode is one slot:
//
//	0 "KGSTATE1" | 8 gen u64 | 16 id u64 | 24 reserved u64 | 32 acked u64
//	40 for each class first, last, lines, u64 each | 136 CRC-32C of what is before
func (st *state) encode() []byte {
	b := append(make([]byte, 0, slotBytes), stateMagic...)
	b = le.AppendUint64(b, st.gen)
	b = le.AppendUint64(b, st.id)
	b = le.AppendUint64(b, st.reserved)
	b = le.AppendUint64(b, st.acked)
	for _, h := range st.holes {
		b = le.AppendUint64(b, h.first)
		b = le.AppendUint64(b, h.last)
		b = le.AppendUint64(b, h.lines)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseState(b []byte) (st state, ok bool) {
	if len(b) < slotBytes || string(b[:8]) != stateMagic || le.Uint32(b[slotBytes-4:]) != crc32.Checksum(b[:slotBytes-4], castagnoli) {
		return state{}, false
	}
	st = state{gen: le.Uint64(b[8:]), id: le.Uint64(b[16:]), reserved: le.Uint64(b[24:]), acked: le.Uint64(b[32:])}
	for i := range st.holes {
		h := b[40+24*i:]
		st.holes[i] = hole{le.Uint64(h), le.Uint64(h[8:]), le.Uint64(h[16:])}
	}
	return st, true
}

// readState is the newer of the two slots; damaged tells that there was something
// else than slots.
func readState(f file) (st state, ok, damaged bool, err error) {
	b := make([]byte, slotApart+slotBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return state{}, false, false, err
	}
	clear(b[n:])
	for _, slot := range [][]byte{b[:slotBytes], b[slotApart:]} {
		one, good := parseState(slot)
		if good && (!ok || one.gen > st.gen) {
			st, ok = one, true
		}
	}
	return st, ok, n > 0 && !ok, nil
}

// write writes the slot whose turn it is.
func (st *state) write(f file) error {
	next := *st
	next.gen++
	_, err := f.WriteAt(next.encode(), int64(next.gen%2)*slotApart)
	if err == nil {
		*st = next
	}
	return err
}
