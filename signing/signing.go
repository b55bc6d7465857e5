// Package signing keeps an ed25519 key in a file: the private half as PEM
// (PKCS #8), readable by its owner only, and the public half (SubjectPublicKeyInfo)
// beside it, for whoever checks what was signed.
//
// It is a leaf: it imports nothing of Kagami.
package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kagami/atomicfile"
)

const (
	privateType = "PRIVATE KEY"
	publicType  = "PUBLIC KEY"
	maxFile     = 64 << 10 // octets; more than any PEM file with one key has
)

// Open reads the key at path, making it at first use, and keeps its public half
// beside it: as NAME.pub for NAME.key, with the given mode. Two programs that make
// the same key at the same time are for the caller to keep apart.
func Open(path string, public os.FileMode) (ed25519.PrivateKey, error) {
	key, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path); err == nil {
			key, err = read(path)
		}
	}
	if err != nil {
		return nil, err
	}
	return key, publish(strings.TrimSuffix(path, ".key")+".pub", Public(key), public)
}

// Public is the public half.
func Public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// read refuses a key that others could have read: what it signs proves nothing.
func read(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if p := info.Mode().Perm(); p&0o077 != 0 || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read signing key: %q has mode %04o: others than its owner may use it, so it is not trusted; "+
			"if nobody did, `chmod 0600 %s` makes it good again, else move it away and a new one is made", path, p, path)
	}
	der, err := block(f, privateType)
	if errors.Is(err, errForm) {
		return nil, fmt.Errorf("read signing key: %q is not a PEM private key; move it away and a new one is made", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key %q: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read signing key: %q holds no ed25519 key", path)
	}
	return key, nil
}

// ReadPublic reads a public key.
func ReadPublic(path string) (ed25519.PublicKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open public key: %w", err)
	}
	defer f.Close()
	der, err := block(f, publicType)
	if errors.Is(err, errForm) {
		return nil, fmt.Errorf("read public key: %q is not a PEM public key", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read public key %q: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read public key: %q holds no ed25519 key", path)
	}
	return key, nil
}

// errForm: not PEM, or PEM of something else.
var errForm = errors.New("not the PEM that was wanted")

// block is what the first PEM block holds.
func block(r io.Reader, want string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != want {
		return nil, errForm
	}
	return b.Bytes, nil
}

func create(path string) error {
	text, err := newKey()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o750)
	}
	if err == nil {
		err = atomicfile.Write(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	return nil
}

func newKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: der}), nil
}

// EncodePublic is what ReadPublic reads.
func EncodePublic(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), nil
}

// publish writes the public half unless it is there already.
func publish(path string, key ed25519.PublicKey, mode os.FileMode) error {
	text, err := EncodePublic(key)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := atomicfile.Write(path, text, mode); err != nil {
		return fmt.Errorf("write public key: %w", err)
	}
	return nil
}

// Fingerprint names a public key by the SHA-256 of its DER form:
// openssl pkey -pubin -in signing.pub -outform DER | openssl dgst -sha256 -binary | base64
func Fingerprint(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "unusable key"
	}
	h := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(h[:])
}
