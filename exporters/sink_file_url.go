package exporters

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fileOptions are what a file URL says behind its path.
type fileOptions struct {
	rotateBytes int64         // a file this long ends; 0 = never
	rotateEvery time.Duration // a file ends at multiples of this in UTC; 0 = never
	keep        int           // rotated files, the newest; 0 = all
	plain       bool          // they are not compressed
	sync        syncPolicy
	syncEvery   time.Duration
	mode        os.FileMode
}

// syncPolicy says when the disk has to have what was written.
type syncPolicy uint8

const (
	syncNever syncPolicy = iota
	syncRotate
	syncTimed
	syncAlways
)

const (
	defaultFileMode = 0o640
	leastRotate     = 64 << 10
)

func checkFile(u *url.URL) error {
	if u.Host != "" {
		return errors.New("a file URL has three slashes before its path, as in file:///var/log/kagami/access.log")
	}
	if u.Fragment != "" {
		return errors.New(`write "?" in a path as %3F and "#" as %23`)
	}
	if u.Opaque != "" || !filepath.IsAbs(u.Path) || filepath.Base(u.Path) == "/" {
		return errors.New("want the absolute path of a file, as in file:///var/log/kagami/access.log")
	}
	_, err := readFileOptions(u)
	return err
}

func readFileOptions(u *url.URL) (fileOptions, error) {
	o := fileOptions{mode: defaultFileMode}
	q, err := url.ParseQuery(u.RawQuery)
	err = errors.Join(err, readOptions(q, []string{"rotate_bytes", "rotate", "keep", "compress", "fsync", "mode"}, o.set))
	if !o.rotates() && (o.keep > 0 || o.plain || o.sync == syncRotate) {
		err = errors.Join(err, errors.New("keep, compress and fsync=rotate go with rotate_bytes or rotate"))
	}
	return o, err
}

func (o *fileOptions) rotates() bool { return o.rotateBytes > 0 || o.rotateEvery > 0 }

// set reads one option, whose name is known.
func (o *fileOptions) set(name, value string) (err error) {
	switch name {
	case "rotate_bytes":
		o.rotateBytes, err = octets(value)
	case "rotate":
		o.rotateEvery, err = time.ParseDuration(value)
		if err != nil || o.rotateEvery < time.Minute || (24*time.Hour)%o.rotateEvery != 0 {
			return fmt.Errorf("rotate: got %q, want a time from 1m to 24h of which a day is a multiple, as 1h or 24h", value)
		}
	case "keep":
		o.keep, err = number("keep", "files", value, 1, 1e6)
	case "compress":
		o.plain, err = choice("compress", value, "zstd", "no")
	case "fsync":
		return o.setSync(value)
	case "mode":
		n, e := strconv.ParseUint(value, 8, 16)
		if o.mode = os.FileMode(n); e != nil || n&^0o666 != 0 || n&0o600 != 0o600 {
			return fmt.Errorf("mode: got %q, want the owner's to read and write and others' as you like, as 0640", value)
		}
	}
	return err
}

func (o *fileOptions) setSync(value string) error {
	switch value {
	case "never":
		o.sync = syncNever
	case "rotate":
		o.sync = syncRotate
	case "always":
		o.sync = syncAlways
	default:
		d, err := time.ParseDuration(value)
		if err != nil || d < time.Second || d > time.Hour {
			return fmt.Errorf("fsync: got %q, want never, rotate, always, or a time from 1s to 1h, as 5s", value)
		}
		o.sync, o.syncEvery = syncTimed, d
	}
	return nil
}

// octets reads a number of octets, which may end in K, M or G (of 1024).
func octets(value string) (int64, error) {
	digits, shift := value, 0
	for i, unit := range []string{"K", "M", "G"} {
		if strings.HasSuffix(value, unit) {
			digits, shift = value[:len(value)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n<<shift < leastRotate {
		return 0, fmt.Errorf("rotate_bytes: got %q, want at least 64K, as 100M or 1G", value)
	}
	return n << shift, nil
}

// RotateOneFile tells whether two exports write to the same file, or directory, and
// one of them ends it by itself: what the other one writes to it then would be lost
// when it is compressed.
func RotateOneFile(a, b Config) bool {
	u, err1 := url.Parse(a.To)
	v, err2 := url.Parse(b.To)
	if err1 != nil || err2 != nil || u.Scheme != "file" || v.Scheme != "file" || filepath.Clean(u.Path) != filepath.Clean(v.Path) {
		return false
	}
	o, err1 := readFileOptions(u)
	p, err2 := readFileOptions(v)
	return err1 == nil && err2 == nil && (o.rotates() || p.rotates())
}
