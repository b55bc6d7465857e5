// Package secret reads passwords and tokens from where they may stand: a file that
// others cannot read, or the environment. They stand in no URL and in no
// configuration, so they are in no log, no dump and no list of processes. No error
// of this package holds what it read, or a reference that may be the secret itself.
// It imports nothing of Kagami.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	envPrefix  = "env:"
	filePrefix = "file:"
	maxBytes   = 64 << 10 // of a secret
)

// errForm does not repeat what it got: that may be the secret.
var errForm = errors.New(`want "env:NAME" or "file:/absolute/path", never the secret itself`)

// ErrOwner is that the file is neither root's nor ours.
var ErrOwner = errors.New("belongs to user")

// Check tells whether ref has the form of a reference: "env:NAME" or
// "file:/absolute/path" ("file:///absolute/path" is the same). It reads nothing.
func Check(ref string) error {
	_, _, err := split(ref)
	return err
}

// split returns the name of a variable, or the path of a file.
func split(ref string) (name, path string, err error) {
	if name, ok := strings.CutPrefix(ref, envPrefix); ok {
		if !isVariable(name) {
			return "", "", errForm
		}
		return name, "", nil
	}
	path, ok := strings.CutPrefix(ref, filePrefix)
	if !ok || strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		return "", "", errForm
	}
	if path = filepath.Clean(strings.Replace(path, "///", "/", 1)); !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", "", errForm
	}
	return "", path, nil
}

// isVariable tells whether s is the name of an environment variable (POSIX.1-2017,
// chapter 8.1).
func isVariable(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Read returns the secret that ref tells of, without the line's end behind it.
func Read(ref string) (string, error) {
	name, path, err := split(ref)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if name != "" {
		s, ok := os.LookupEnv(name)
		if !ok || s == "" {
			return "", fmt.Errorf("read secret: the environment variable %s is not set, or empty", name)
		}
		return s, nil
	}
	s, err := readFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return s, nil
}

func readFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("%w; let the user that kagami runs as own it, or read it through its group", err)
		}
		return "", err
	}
	defer f.Close()
	info, err := f.Stat() // of the file that is open: nobody can change it for another
	if err != nil {
		return "", err
	}
	if err := checkFile(path, info); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxBytes {
		return "", fmt.Errorf("%q is longer than %d octets", path, maxBytes)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 {
		return "", fmt.Errorf("%q is empty", path)
	}
	return string(b), nil
}

// CheckFile tells whether others could read or replace the secret in a file that
// something else reads: a key of TLS. The error says what to do.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return checkFile(path, info)
}

// checkFile looks at who else could read or replace the secret.
func checkFile(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return fmt.Errorf("%q can be read or changed by others (mode %04o); run: chmod 600 %q", path, mode, path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%q %w %d; let root or the user that kagami runs as (%d) own it", path, ErrOwner, st.Uid, os.Geteuid())
	}
	return nil
}

// CheckURL refuses a URL that holds a password.
func CheckURL(u *url.URL) error {
	if _, ok := u.User.Password(); ok {
		return errors.New("a password in a URL ends up in logs and lists of processes; write it into a file of mode 600 and give the options user=NAME and password=file:/path (or password=env:NAME) behind a ?")
	}
	return nil
}
