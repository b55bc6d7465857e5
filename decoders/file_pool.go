package decoders

import (
	"sync"
	"sync/atomic"
)

// What a file under way takes of FilesConfig.MaxMemory, in octets. Hash states
// and the like are in bodyCost; decoders' windows are in file_coding.go.
const (
	bodyCost = 1 << 10
	headCost = 3 << 10
)

// room is a limit that all workers share.
type room struct {
	limit int64
	taken atomic.Int64
}

func (r *room) take(n int64) bool {
	if r.taken.Add(n) > r.limit {
		r.taken.Add(-n)
		return false
	}
	return true
}

func (r *room) give(n int64) { r.taken.Add(-n) }

// fileHead holds a file's first octets.
type fileHead struct {
	n      int
	octets [sniffLen]byte
}

// bodyPool keeps what files need for the next ones.
type bodyPool struct{ bodies, heads sync.Pool }

func (p *bodyPool) get() *fileBody {
	if b, ok := p.bodies.Get().(*fileBody); ok {
		return b
	}
	return &fileBody{}
}

// put takes a body back. Its hashers stay with it.
func (p *bodyPool) put(b *fileBody) {
	*b = fileBody{sums: sums{hashers: b.sums.hashers}}
	p.bodies.Put(b)
}

func (p *bodyPool) head() *fileHead {
	if h, ok := p.heads.Get().(*fileHead); ok {
		h.n = 0
		return h
	}
	return &fileHead{}
}

func (p *bodyPool) freeHead(h *fileHead) { p.heads.Put(h) }
