package signing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "account", "signing.key")
	key, err := Open(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	public := strings.TrimSuffix(path, ".key") + ".pub"
	for name, want := range map[string]os.FileMode{path: 0o600, public: 0o644} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, mode %v; want %04o", name, err, st.Mode(), want)
		}
	}
	if again, err := Open(path, 0o644); err != nil || !key.Equal(again) {
		t.Errorf("opened again: another key (%v)", err)
	}
	pub, err := ReadPublic(public)
	if err != nil || !pub.Equal(Public(key)) {
		t.Errorf("public half: %v", err)
	}
	if err := os.WriteFile(public, []byte("foreign"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if pub, err := ReadPublic(public); err != nil || !pub.Equal(Public(key)) {
		t.Errorf("public half exchanged: not written again (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestOpenRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	whole, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		text []byte
		mode os.FileMode
		want string
	}{
		{"others may read", whole, 0o640, "others than its owner may use it"},
		{"others may read: what helps", whole, 0o604, "chmod 0600"},
		{"no PEM", []byte("nonsense"), 0o600, "is not a PEM private key"},
		{"empty", nil, 0o600, "is not a PEM private key"},
		{"a public key", encode("PUBLIC KEY", der), 0o600, "is not a PEM private key"},
		{"no key in it", encode("PRIVATE KEY", []byte{1, 2}), 0o600, "read signing key"},
		{"of another kind", encode("PRIVATE KEY", der), 0o600, "holds no ed25519 key"},
		{"longer than a key is", append(bytes.Repeat([]byte{'\n'}, maxFile), whole...), 0o600, "is not a PEM private key"},
	} {
		path := filepath.Join(t.TempDir(), "signing.key")
		if err := os.WriteFile(path, tt.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, 0o600); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, tt.text) {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
}

func TestReadPublicRefused(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"nonsense": "is not a PEM public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n": "read public key"} {
		path := filepath.Join(dir, "signing.pub")
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPublic(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, err := ReadPublic(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestFingerprint(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	// openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64
	if got, want := Fingerprint(Public(key)), "SHA256:/RENMB0vB33hQUuPmfRBsUA/qyB7IFL70sBl5O6OfcI"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := Fingerprint(ed25519.PublicKey("short")); got == "" {
		t.Error("a key that is none has no name")
	}
}

// TestGiveAway: what root makes belongs to the directory's owner.
func TestGiveAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4711, 4712); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(dir, "signing.key")
	if _, err := Open(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, filepath.Join(dir, "signing.pub")} {
		if uid, gid := owner(t, name); uid != 4711 || gid != 4712 {
			t.Errorf("%s belongs to %d:%d, want 4711:4712", name, uid, gid)
		}
	}
}

func owner(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}
