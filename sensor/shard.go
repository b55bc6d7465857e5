package sensor

import (
	"context"
	"sync"
	"sync/atomic"

	"kagami/packet"
)

// batchesPerWorker is how many batches may be under way: enough that neither
// the reader nor a worker waits for the other's last frame.
const batchesPerWorker = 3

// shared is a batch that all workers read; the last one gives it back.
type shared struct {
	Batch
	clock int64
	epoch uint32
	users atomic.Int32
}

// readSharded reads in one goroutine, works in one a worker, and merges in the
// caller's.
func (e *Engine) readSharded(ctx context.Context, src Source) error {
	n := len(e.workers)
	free := make(chan *shared, batchesPerWorker*n)
	for range cap(free) {
		free <- new(shared)
	}
	queues := make([]chan *shared, n)
	results := make(chan result, 4*n)
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan *shared, cap(free))
		wg.Add(1)
		go func() {
			defer wg.Done()
			e.work(i, queues[i], free, results)
		}()
	}
	readErr := make(chan error, 1)
	go func() {
		readErr <- e.distribute(ctx, src, free, queues)
		for _, q := range queues {
			close(q)
		}
		wg.Wait()
		close(results)
	}()
	for r := range results {
		e.merger.add(r.worker, r.records, r.to)
	}
	return <-readErr
}

// sharder says which worker a frame belongs to. Fragments are joined before,
// since only the whole datagram shows its flow's addresses when it is a tunnel's.
type sharder struct {
	workers   uint64
	fragments packet.Reassembler
	pkt, out  packet.Packet
}

// joined is a datagram made of fragments.
type joined struct {
	packet packet.Packet
	frames int
}

func (s *sharder) assign(frames []Frame) {
	for i := range frames {
		f := &frames[i]
		h, out := packet.Shard(&s.pkt, f.Data, f.WireLen, f.Link)
		f.Joined = nil
		if out == packet.Fragment {
			if n, o := s.fragments.Add(&s.pkt, f.Clock, &s.out); o == packet.OK {
				f.Joined = &joined{s.out, n}
				f.Joined.packet.Data = append([]byte(nil), s.out.Data...)
				h = s.out.Key.Pair()
			}
		}
		f.Shard = uint32(uint64(h) * s.workers >> 32)
	}
}

// distribute reads batches, stamps them and gives each to every worker.
func (e *Engine) distribute(ctx context.Context, src Source, free <-chan *shared, queues []chan *shared) error {
	s := sharder{workers: uint64(len(queues))}
	for ctx.Err() == nil {
		b := <-free
		err := src.Next(&b.Batch)
		b.clock, b.epoch = e.stamp(&b.Batch)
		s.assign(b.Frames)
		e.mu.Lock()
		e.joinStats = s.fragments.Stats
		e.mu.Unlock()
		b.users.Store(int32(len(queues)))
		for _, q := range queues {
			q <- b
		}
		e.progress(src)
		if err != nil {
			return ended(err)
		}
	}
	return ctx.Err()
}

// work is one worker's loop over the batches: it takes its own frames.
func (e *Engine) work(i int, queue <-chan *shared, free chan<- *shared, results chan<- result) {
	w := e.workers[i]
	for b := range queue {
		for j := range b.Frames {
			if f := &b.Frames[j]; f.Shard == uint32(i) {
				w.frame(f)
				if len(w.out) >= outRoom {
					rs, to := e.take(i, w.clock, w.epoch)
					results <- result{i, rs, to}
				}
			}
		}
		clock, epoch := b.clock, b.epoch
		if b.users.Add(-1) == 0 {
			free <- b
		}
		rs, to := e.take(i, clock, epoch)
		results <- result{i, rs, to}
	}
}
