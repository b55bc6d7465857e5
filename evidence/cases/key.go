package cases

import (
	"crypto/ed25519"
	"path/filepath"

	"kagami/signing"
)

// Names of the key's files, the public half's in cases, too.
const (
	keyName = "signing.key"
	pubName = "signing.pub"
)

// loadKey reads the signing key of a store, making it at first use. The caller
// holds the journal's lock.
func loadKey(dir string) (ed25519.PrivateKey, error) {
	return signing.Open(filepath.Join(dir, keyName), 0o600)
}
