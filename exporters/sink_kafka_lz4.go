package exporters

import (
	"bytes"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lz4Compressor compresses in blocks of 64 KiB: those of franz-go have 4 MiB, and
// a few of them would take more memory than an export may have.
type lz4Compressor struct{ writers sync.Pool }

func newLZ4() *lz4Compressor {
	return &lz4Compressor{writers: sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		if w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ConcurrencyOption(1)) != nil {
			return nil
		}
		return w
	}}}
}

// Compress implements kgo.Compressor; what cannot be compressed goes as it is.
func (c *lz4Compressor) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w, ok := c.writers.Get().(*lz4.Writer)
	if !ok {
		return src, kgo.CodecNone
	}
	defer c.writers.Put(w)
	w.Reset(dst)
	_, err := w.Write(src)
	if w.Close() != nil || err != nil {
		return src, kgo.CodecNone
	}
	return dst.Bytes(), kgo.CodecLz4
}
