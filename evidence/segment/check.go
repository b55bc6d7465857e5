package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Crash tells what ended the writing of a file.
type Crash uint8

const (
	// ProcessDied: what was written is in the page cache, or on the disk.
	ProcessDied Crash = iota
	// PowerLost: of what was not synced, any part may be missing, in any order.
	PowerLost
)

// sector is the least that a disk writes or loses.
const sector = 512

// State is what a crash has left of a segment.
type State struct {
	Result
	Good    int64  // where the file should end: nothing before it is known to be wrong since the last sync
	Torn    int64  // octets behind Good
	Proven  int64  // every octet before it is what was written: marks vouch for it
	Trusted bool   // between Proven and Good there is no sign of damage
	Reason  string // what is wrong with the octets behind Proven, "" when nothing is
}

// Check scans a segment of ours after a crash, and tells where to cut it. v is told
// all that Scan tells, also what stands behind the place to cut, since that is known
// at the end only; it must not end the scan.
//
// After PowerLost, octets behind the last sync that a mark does not prove are good up
// to the first damage, or the first sector of zeros: that is what a lost write leaves
// in a preallocated file. A packet of zeros looks the same and is given up, too.
// Damage before the last sync is the disk's, not the crash's: it is told, and the
// file is not cut there.
func Check(r io.ReaderAt, size int64, c Crash, v Visitor) (State, error) {
	k := checker{v: v, bad: -1}
	v.Mark, v.Damage = k.mark, k.damage
	res, err := Scan(r, size, v)
	if errors.Is(err, ErrFormat) {
		return State{Result: res, Torn: size, Reason: "the beginning is missing"}, nil
	}
	if err != nil {
		return State{Result: res}, fmt.Errorf("check: %w", err)
	}
	st := State{Result: res, Good: res.End, Proven: k.proven, Trusted: true}
	if res.Torn > 0 {
		st.Reason = k.torn
	}
	if k.bad >= 0 && k.bad < st.Good {
		st.Trusted, st.Reason = false, fmt.Sprintf("octet %d: %s", k.bad, k.what)
		if c == PowerLost {
			st.Good, st.Trusted = k.bad, true
		}
	}
	if c == PowerLost {
		if err := st.cutZeros(r); err != nil {
			return st, fmt.Errorf("check: %w", err)
		}
	}
	st.Torn = size - st.Good
	return st, nil
}

// checker watches a scan for the first damage that no sync has followed.
type checker struct {
	v      Visitor
	proven int64
	bad    int64 // -1: none
	what   string
	torn   string // what is wrong with the end of the file
}

func (k *checker) mark(m *Mark, good bool) bool {
	switch behind := m.Pos + MarkLen; {
	case !good:
		k.note(m.From, "the octets up to the next mark are not what was written")
	case k.bad < 0 || m.Synced:
		k.bad, k.proven = -1, behind
	}
	return k.v.Mark == nil || k.v.Mark(m, good)
}

func (k *checker) damage(pos, length int64, what string) bool {
	k.torn = what
	k.note(pos, what)
	return k.v.Damage == nil || k.v.Damage(pos, length, what)
}

func (k *checker) note(pos int64, what string) {
	if k.bad < 0 || pos < k.bad {
		k.bad, k.what = pos, what
	}
}

// cutZeros cuts before the packet with the first sector of zeros behind Proven.
func (st *State) cutZeros(r io.ReaderAt) error {
	at, err := zeroSector(r, st.Proven, st.Good)
	if err != nil || at < 0 {
		return err
	}
	good := st.Proven
	_, err = st.Layout.Scan(r, st.Proven, st.Good, Visitor{Packet: func(p *Packet) bool {
		if behind := p.Pos + int64(p.Len); behind <= at {
			good = behind
		}
		return p.Pos < at
	}})
	st.Good, st.Reason = good, fmt.Sprintf("octet %d: a sector of zeros", at)
	return err
}

// zeroSector finds the first whole sector of zeros in [from, to), -1 if there is none.
func zeroSector(r io.ReaderAt, from, to int64) (int64, error) {
	zero := make([]byte, sector)
	b := make([]byte, 256<<10)
	for at := (from + sector - 1) / sector * sector; at+sector <= to; {
		n := int(min(int64(len(b)), (to-at)/sector*sector))
		if _, err := r.ReadAt(b[:n], at); err != nil && err != io.EOF {
			return -1, fmt.Errorf("read at octet %d: %w", at, err)
		}
		for i := 0; i < n; i += sector {
			if bytes.Equal(b[i:i+sector], zero) {
				return at + int64(i), nil
			}
		}
		at += int64(n)
	}
	return -1, nil
}
