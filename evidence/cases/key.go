package cases

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
)

// Names of the key's files, the public half's in cases, too.
const (
	keyName = "signing.key"
	pubName = "signing.pub"
)

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

// loadKey reads the signing key of a store, making it at first use. The caller
// holds the journal's lock.
func loadKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, keyName)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(path); err == nil {
			key, err = readKey(path)
		}
	}
	if err != nil {
		return nil, err
	}
	return key, publish(filepath.Join(dir, pubName), key.Public().(ed25519.PublicKey))
}

// readKey refuses a key that others could have read: what it signs proves nothing.
func readKey(path string) (ed25519.PrivateKey, error) {
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
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("read signing key: %q is not a PEM private key; move it away and a new one is made", path)
	}
	any, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read signing key %q: %w", path, err)
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read signing key: %q holds no ed25519 key", path)
	}
	return key, nil
}

func makeKey(path string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+keyName+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	defer os.Remove(f.Name())
	if err := fill(f, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// publish writes the public half unless it is there already.
func publish(path string, key ed25519.PublicKey) error {
	text, err := publicText(key)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := writeFile(path, text); err != nil {
		return fmt.Errorf("write public key: %w", err)
	}
	return nil
}

func publicText(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ReadPublicKey reads a signing.pub.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	text, err := readBounded(path, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("read public key: %q is not a PEM public key", path)
	}
	any, err := x509.ParsePKIXPublicKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read public key %q: %w", path, err)
	}
	key, ok := any.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read public key: %q holds no ed25519 key", path)
	}
	return key, nil
}
