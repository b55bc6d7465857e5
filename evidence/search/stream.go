package search

import (
	"errors"
	"fmt"
	"io"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
)

const (
	chunkLen     = 1 << 20   // octets that are read at a time
	firstBatch   = 16 << 10  // octets of packets in a stream's first batch
	maxBatch     = 512 << 10 // and in a later one
	batchPackets = 4096
)

// Filter makes the filter of frames of a link type.
type Filter func(link packet.LinkType) (func(frame []byte, wire uint32) bool, error)

// picked is a packet of a batch.
type picked struct {
	segment.Packet
	flow   int32  // among batch.flows, -1 for none
	behind string // the damage it comes behind
}

// batch is what a stream hands over at a time. Its memory goes back to the stream.
type batch struct {
	packets []picked
	data    []byte
	flows   []Flow
}

// stream reads the wanted packets of one segment in a goroutine of its own, in the
// order in which they are stored.
type stream struct {
	view *view
	out  chan *batch
	free chan *batch
	err  error // read it when out is closed

	run     *run
	filter  Filter
	filters map[packet.LinkType]func([]byte, uint32) bool
	refused error // by a filter
	pick    pick
	in      *reader
	chunk   []byte
	chunkAt int64
	keyer   index.Keyer
	checked bool // the index tells the time of all packets
	cur     *batch
	limit   int
	behind  string
	parts   uint64
}

// stream begins to read a view's packets: those that choose picks, or all if it is nil.
func (r *run) stream(v *view, filter Filter, choose func(*view) (pick, error)) *stream {
	s := &stream{
		view: v, run: r, filter: filter, filters: map[packet.LinkType]func([]byte, uint32) bool{}, limit: firstBatch,
		out: make(chan *batch, 1), free: make(chan *batch, 3),
	}
	go func() {
		defer close(s.out)
		s.err = s.read(choose)
	}()
	return s
}

func (s *stream) read(choose func(*view) (pick, error)) error {
	if choose != nil {
		var err error
		if s.pick, err = choose(s.view); err != nil {
			return err
		}
		s.pick.settle()
		if s.parts = uint64(len(s.pick.flows)); s.parts == 0 {
			return nil
		}
	}
	f, err := s.view.open()
	if err != nil {
		s.run.missing(s.view, err)
		return nil
	}
	defer f.Close()
	s.view.opened = true
	s.in = &reader{run: s.run, file: f}
	if choose == nil {
		err = s.all()
	} else {
		s.checked = s.view.known
		err = s.spans()
	}
	if err == nil {
		err = s.refused
	}
	if err == nil && s.cur != nil && len(s.cur.packets) > 0 {
		err = s.send()
	}
	return err
}

// spans reads the picked spans.
func (s *stream) spans() error {
	for i := range s.pick.spans {
		if err := s.span(i); err != nil {
			return err
		}
	}
	return nil
}

// span reads the packets in a span. Damage in it is passed over.
func (s *stream) span(i int) error {
	o, flow := s.pick.spans[i], s.pick.exact[i]
	l := s.view.layout()
	var p segment.Packet
	for pos := o.from; pos < o.to; pos += int64(p.Len) {
		need, err := packetHead, error(nil)
		for asked := 0; need > asked && err == nil; { // first its length, then all of it
			asked = need
			b, unread := s.at(pos, need, i)
			if unread != nil {
				return s.unread(unread)
			}
			if need, err = l.Packet(b, pos, &p); len(b) < asked {
				break
			}
		}
		switch {
		case errors.Is(err, segment.ErrNotPacket):
			continue
		case err != nil:
			return s.resync(pos, o.to, flow, err)
		case need > 0:
			s.damage(pos, o.to-pos, "the file ends before")
			return nil
		}
		if !s.take(&p, flow) {
			return s.refused
		}
	}
	return nil
}

// packetHead is as much of a block as tells its length.
const packetHead = 32

// resync reads the rest of a span in which something is damaged.
func (s *stream) resync(pos, to int64, flow int32, cause error) error {
	told := false
	_, err := s.view.layout().Scan(s.in, pos, to, segment.Visitor{
		Packet: func(p *segment.Packet) bool { return s.take(p, flow) },
		Damage: func(at, length int64, what string) bool {
			told = true
			s.damage(at, length, what)
			return true
		},
	})
	if !told {
		s.damage(pos, 0, cause.Error())
	}
	return s.unread(err)
}

// unread is an error of reading: damage, unless the search was told to stop.
func (s *stream) unread(err error) error {
	if stop := s.run.stopped(); stop != nil {
		return stop
	}
	if s.refused != nil {
		return s.refused
	}
	if err != nil {
		s.run.gap(Gap{From: s.view.info.First, To: s.view.info.Last, Kind: Damaged, Text: s.view.name + ": " + err.Error()})
		s.behind = err.Error()
	}
	return nil
}

// damage notes octets that had to be passed over.
func (s *stream) damage(pos, length int64, what string) {
	i := &s.view.info
	text := damageText(s.view.name, index.Span{Pos: pos})
	s.run.gap(Gap{From: i.First, To: i.Last, Kind: Damaged, Bytes: uint64(length), Text: text})
	s.behind = fmt.Sprintf("damaged: %s (%s)", text, what)
}

// at is the file from pos on, which is in span i: need octets at least, unless it
// ends before.
func (s *stream) at(pos int64, need, i int) ([]byte, error) {
	if off := pos - s.chunkAt; off >= 0 && off+int64(need) <= int64(len(s.chunk)) {
		return s.chunk[off:], nil
	}
	length := max(int(s.pick.reach(i, pos)-pos), need)
	if cap(s.chunk) < length {
		s.chunk = make([]byte, length)
	}
	n, err := s.in.ReadAt(s.chunk[:length], pos)
	s.chunk, s.chunkAt = s.chunk[:n], pos
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s.chunk, nil
}

// take puts a packet into the batch, if it is wanted; false ends the scan.
func (s *stream) take(p *segment.Packet, flow int32) bool {
	if s.checked && (p.Time < s.view.info.First || p.Time > s.view.info.Last) {
		s.damage(p.Pos, int64(p.Len), "a packet with a time that the segment has not")
		return true
	}
	if flow == byKey {
		k, _, _ := s.keyer.Key(p)
		n, ok := s.pick.keys[k]
		if !ok {
			return true
		}
		flow = n
	}
	return s.add(p, flow)
}

// add puts a packet into the batch, if it is in the window and passes the filter.
func (s *stream) add(p *segment.Packet, flow int32) bool {
	if p.Time < s.run.q.From || s.run.q.To != 0 && p.Time >= s.run.q.To {
		return true
	}
	if s.filter != nil && !s.passes(p) {
		return s.refused == nil
	}
	b := s.cur
	if b == nil {
		b = s.fresh()
	}
	at := len(b.data)
	if cap(b.data)-at < len(p.Data) && at > 0 {
		if s.send() != nil {
			return false
		}
		b, at = s.fresh(), 0
	}
	b.data = append(b.data, p.Data...)
	x := picked{Packet: *p, flow: flow, behind: s.behind}
	x.Data = b.data[at:len(b.data):len(b.data)]
	s.behind = ""
	b.packets = append(b.packets, x)
	if len(b.data) >= s.limit || len(b.packets) >= batchPackets {
		s.limit = min(4*s.limit, maxBatch)
		return s.send() == nil
	}
	return true
}

// fresh begins a batch. Its memory does not move: packets point into it.
func (s *stream) fresh() *batch {
	select {
	case s.cur = <-s.free:
		s.cur.packets, s.cur.data = s.cur.packets[:0], s.cur.data[:0]
	default:
		s.cur = &batch{}
	}
	if cap(s.cur.data) < s.limit {
		s.cur.data = make([]byte, 0, s.limit+s.limit/4)
	}
	s.cur.flows = s.pick.flows
	return s.cur
}

// send hands the batch over.
func (s *stream) send() error {
	select {
	case s.out <- s.cur:
		s.cur = nil
		return nil
	case <-s.run.ctx.Done():
		s.refused = s.run.ctx.Err()
		return s.refused
	}
}

// passes asks the filter of the packet's link type.
func (s *stream) passes(p *segment.Packet) bool {
	f, ok := s.filters[p.Link]
	if !ok {
		var err error
		if f, err = s.filter(p.Link); err != nil {
			s.refused = fmt.Errorf("filter packets of link type %d: %w", p.Link, err)
			return false
		}
		s.filters[p.Link] = f
	}
	return f(p.Data, p.WireLen)
}
