package tlskeys

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// pcapng (draft-ietf-opsawg-pcapng sections 3.1, 4.1 and 4.7):
//
//	 0               1               2               3
//	+---------------------------------------------------------------+
//	| block type                                                    |
//	| block total length                                            |
//	+---------------------------------------------------------------+
//	| body; of a Decryption Secrets Block: secrets type,            |
//	|   secrets length, secrets, padding to 4 octets, options       |
//	+---------------------------------------------------------------+
//	| block total length                                            |
//	+---------------------------------------------------------------+
const (
	blockSection = 0x0A0D0D0A
	blockSecrets = 10
	// SecretsTLS is the secrets type of a key log in a Decryption Secrets Block.
	SecretsTLS = 0x544c534b
	byteOrder  = 0x1A2B3C4D
	// maxBlock bounds a Decryption Secrets Block; those of other types are skipped.
	maxBlock = 64 << 20
)

var (
	errNotBlocks = errors.New("not a pcapng file")
	errBlock     = errors.New("block with a wrong length")
)

// ReadBlock adds the key log of a Decryption Secrets Block, given its body from
// the secrets type on and the byte order of its section. Secrets of other types
// are passed over.
func (l *Log) ReadBlock(body []byte, order binary.ByteOrder) error {
	if len(body) < 8 {
		return fmt.Errorf("read secrets block: %w", errBlock)
	}
	kind, n := order.Uint32(body), order.Uint32(body[4:])
	if uint64(n) > uint64(len(body)-8) {
		return fmt.Errorf("read secrets block: %w", errBlock)
	}
	if kind != SecretsTLS {
		return nil
	}
	return l.Read(bytes.NewReader(body[8 : 8+n]))
}

// ReadCapture adds the key logs of all Decryption Secrets Blocks of a pcapng file.
// The error says where the file cannot be read on; secrets before it are kept.
func (l *Log) ReadCapture(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var order binary.ByteOrder
	var head [12]byte
	for at := int64(0); ; {
		if _, err := io.ReadFull(in, head[:8]); err != nil {
			if errors.Is(err, io.EOF) && at > 0 {
				return nil
			}
			return fmt.Errorf("read block at octet %d: %w", at, err)
		}
		used := uint32(8)
		if binary.BigEndian.Uint32(head[:]) == blockSection {
			if _, err := io.ReadFull(in, head[8:]); err != nil {
				return fmt.Errorf("read block at octet %d: %w", at, err)
			}
			order, used = orderOf(head[8:]), 12
		}
		if order == nil {
			return fmt.Errorf("read block at octet %d: %w", at, errNotBlocks)
		}
		kind, total := order.Uint32(head[:]), order.Uint32(head[4:])
		if total < used+4 || total%4 != 0 {
			return fmt.Errorf("read block at octet %d: %w", at, errBlock)
		}
		if err := l.block(in, order, kind, int64(total-used)); err != nil {
			return fmt.Errorf("read block at octet %d: %w", at, err)
		}
		at += int64(total)
	}
}

// block reads the rest of a block: body and the length at the end.
func (l *Log) block(in io.Reader, order binary.ByteOrder, kind uint32, rest int64) error {
	if kind != blockSecrets {
		_, err := io.CopyN(io.Discard, in, rest)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if rest > maxBlock {
		return errBlock
	}
	// ReadAll grows with what is there: a length alone takes no memory.
	body, err := io.ReadAll(io.LimitReader(in, rest))
	if err != nil {
		return err
	}
	if int64(len(body)) < rest {
		return io.ErrUnexpectedEOF
	}
	return l.ReadBlock(body[:rest-4], order)
}

func orderOf(magic []byte) binary.ByteOrder {
	switch {
	case binary.LittleEndian.Uint32(magic) == byteOrder:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(magic) == byteOrder:
		return binary.BigEndian
	}
	return nil
}
