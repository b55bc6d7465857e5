package sensor

import "kagami/packet"

// maxHistory bounds Flow.history; Zeek has no bound but writes letters that
// repeat only at powers of ten.
const maxHistory = 40

// The letters of Zeek's history (scripts/base/protocols/conn/main.zeek), in the
// order of the bits that remember which were written. Upper case is the
// originator's.
const (
	histSYN = iota
	histSYNACK
	histACK
	histData
	histFIN
	histRST
	histMulti // SYN with FIN or RST
	histBoth  // FIN with RST
	histZero  // zero window
	histRetrans
	histGap
	histBadSum
	numHist
)

const histLetters = "shadfrqiwtgc"

// history is what one direction has written.
type history struct {
	seen  uint16
	last  [4]uint32 // sequence number of the last s, h, f, r: a different one is written again
	count [3]uint32 // how often t, g, w happened: written at 1, 10, 100 ...
}

func (f *Flow) addHistory(p *packet.Packet, n int, retransmitted bool) {
	fl, s := p.Flags, p.Side
	syn, fin, rst := fl&packet.SYN != 0, fl&packet.FIN != 0, fl&packet.RST != 0
	switch {
	case syn && (fin || rst):
		f.historyOnce(s, histMulti)
	case fin && rst:
		f.historyOnce(s, histBoth)
	case syn && fl&packet.ACK != 0:
		f.historyFlag(s, histSYNACK, 1, p.Seq)
	case syn:
		f.historyFlag(s, histSYN, 0, p.Seq)
	}
	if n > 0 {
		f.historyOnce(s, histData)
	} else if fl&packet.ACK != 0 && !syn && !fin && !rst {
		f.historyOnce(s, histACK)
	}
	if fin && !syn && !rst {
		f.historyFlag(s, histFIN, 2, p.Seq+uint32(n))
	}
	if rst && !syn && !fin {
		f.historyFlag(s, histRST, 3, p.Seq)
	}
	if retransmitted {
		f.historyRepeated(s, histRetrans, 0)
	}
	if p.Window == 0 && !rst && !syn && fl&packet.ACK != 0 {
		f.historyRepeated(s, histZero, 2)
	}
}

func (f *Flow) historyOnce(s packet.Side, letter int) {
	h := &f.dir[s].hist
	if h.seen&(1<<letter) == 0 {
		h.seen |= 1 << letter
		f.write(s, letter)
	}
}

// historyFlag writes a letter again when it comes with another sequence number.
func (f *Flow) historyFlag(s packet.Side, letter, slot int, seq uint32) {
	h := &f.dir[s].hist
	if h.seen&(1<<letter) == 0 || h.last[slot] != seq {
		h.seen |= 1 << letter
		h.last[slot] = seq
		f.write(s, letter)
	}
}

// historyRepeated writes a letter the 1st, 10th, 100th ... time.
func (f *Flow) historyRepeated(s packet.Side, letter, slot int) {
	h := &f.dir[s].hist
	h.count[slot]++
	n := h.count[slot]
	for n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		f.write(s, letter)
	}
}

func (f *Flow) write(s packet.Side, letter int) {
	if int(f.histLen) == len(f.history) {
		return
	}
	c := histLetters[letter]
	if s == packet.FromA {
		c -= 'a' - 'A' // upper case while the flow lasts: A's; historyText turns it
	}
	f.history[f.histLen] = c
	f.histLen++
}

// historyText is the history with the originator's letters in upper case.
func (f *Flow) historyText() string {
	var b [maxHistory + 1]byte
	out := b[:0]
	if f.flipped {
		out = append(out, '^')
	}
	for _, c := range f.history[:f.histLen] {
		if f.Orig == packet.FromB {
			c ^= 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}
