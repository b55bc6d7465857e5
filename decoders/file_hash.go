package decoders

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"kagami/records"
)

// hashNames are the hashes there are; a hashSet has a bit for each.
var hashNames = [...]string{"md5", "sha1", "sha256"}

type hashSet uint8

const (
	hashMD5 hashSet = 1 << iota
	hashSHA1
	hashSHA256
)

func hashesNamed(names []string) (set hashSet) {
	for i, known := range hashNames {
		for _, name := range names {
			if name == known {
				set |= 1 << i
			}
		}
	}
	return set
}

// sums hashes one file. The hashers are kept for the next one.
type sums struct {
	which   hashSet
	n       int64 // octets hashed
	hashers [len(hashNames)]hash.Hash
}

func (s *sums) begin(which hashSet) {
	s.which, s.n = which, 0
	for i := range s.hashers {
		switch h := s.hashers[i]; {
		case which>>i&1 == 0:
		case h != nil:
			h.Reset()
		default:
			s.hashers[i] = newHash(1 << i)
		}
	}
}

func newHash(which hashSet) hash.Hash {
	switch which {
	case hashMD5:
		return md5.New()
	case hashSHA1:
		return sha1.New()
	}
	return sha256.New()
}

func (s *sums) write(p []byte) {
	s.n += int64(len(p))
	for i, h := range s.hashers {
		if s.which>>i&1 != 0 {
			h.Write(p)
		}
	}
}

func (s *sums) into(r *records.File) {
	for i, to := range [...]*string{&r.MD5, &r.SHA1, &r.SHA256} {
		if s.which>>i&1 != 0 {
			var b [sha256.Size]byte
			*to = hex.EncodeToString(s.hashers[i].Sum(b[:0]))
		}
	}
}
