package sealedzip

import (
	"archive/zip"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// ErrPassword is a password that is not the one an entry was sealed with.
var ErrPassword = errors.New("wrong password")

// ErrForged is an entry that was changed after it was sealed.
var ErrForged = errors.New("the authentication code does not match")

// Open reads a sealed entry of a ZIP file that archive/zip reads. Nothing is given
// out before all of it is found to be authentic, so f is read twice. What it
// decompresses to is not bounded, as with zip.File.Open.
func Open(f *zip.File, password string) (io.ReadCloser, error) {
	method, err := sealedMethod(f)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", f.Name, err)
	}
	keys, err := verify(f, password)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", f.Name, err)
	}
	raw, n, err := content(f)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", f.Name, err)
	}
	plain := &unsealer{r: io.LimitReader(raw, n), ctr: newCounterMode(keys.block)}
	if method == zip.Store {
		return io.NopCloser(plain), nil
	}
	return flate.NewReader(plain), nil
}

// sealedMethod is how the content was compressed before it was sealed.
func sealedMethod(f *zip.File) (uint16, error) {
	if f.Method != methodAES || f.Flags&flagEncrypted == 0 {
		return 0, errors.New("not encrypted by AES")
	}
	for b := f.Extra; len(b) >= 4; {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if b = b[4:]; n > len(b) {
			break
		}
		if id != extraAES || n < 7 {
			b = b[n:]
			continue
		}
		method := binary.LittleEndian.Uint16(b[5:])
		switch {
		case string(b[2:4]) != "AE" || b[4] != 3:
			return 0, errors.New("not encrypted by AES-256")
		case method != zip.Store && method != zip.Deflate:
			return 0, fmt.Errorf("compression method %d is not known", method)
		}
		return method, nil
	}
	return 0, errors.New("how it is encrypted is not said")
}

// verify reads an entry for its authentication code.
func verify(f *zip.File, password string) (*keys, error) {
	if f.CompressedSize64 < overhead {
		return nil, io.ErrUnexpectedEOF
	}
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, err
	}
	var front [saltSize + checkSize]byte
	if _, err := io.ReadFull(raw, front[:]); err != nil {
		return nil, err
	}
	k, err := deriveKeys(password, front[:saltSize])
	if err != nil {
		return nil, err
	}
	if [checkSize]byte(front[saltSize:]) != k.check {
		return nil, ErrPassword
	}
	if _, err := io.CopyN(k.mac, raw, int64(f.CompressedSize64)-overhead); err != nil {
		return nil, err
	}
	var mac [macSize]byte
	if _, err := io.ReadFull(raw, mac[:]); err != nil {
		return nil, err
	}
	if !hmac.Equal(mac[:], k.mac.Sum(nil)[:macSize]) {
		return nil, ErrForged
	}
	return k, nil
}

// content is an entry's encrypted content and its length.
func content(f *zip.File) (io.Reader, int64, error) {
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, 0, err
	}
	_, err = io.CopyN(io.Discard, raw, saltSize+checkSize)
	return raw, int64(f.CompressedSize64) - overhead, err
}

// unsealer decrypts.
type unsealer struct {
	r   io.Reader
	ctr *counterMode
}

func (u *unsealer) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	u.ctr.xor(b[:n], b[:n])
	return n, err
}
