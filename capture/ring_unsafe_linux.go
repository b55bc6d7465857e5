package capture

import (
	"sync/atomic"
	"unsafe"
)

// status is the word by which kernel and program hand a block to each other
// (tpacket_hdr_v1.block_status in linux/if_packet.h, Linux 6.1). The kernel
// writes it last and reads it first, so it needs acquire and release order: on
// arm and arm64 plain loads would let packets be read before they are there.
//
// block is a block of the mapped ring; the mapping is aligned to a page.
func status(block []byte) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&block[offStatus : offStatus+4][0]))
}
