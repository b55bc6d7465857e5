package decoders

import (
	"fmt"
	"slices"
	"strings"
)

// Config is the [decode] section.
type Config struct {
	Files FilesConfig `toml:"files"`
}

// FilesConfig is the [decode.files] section: what is said of files that cross in
// the clear.
type FilesConfig struct {
	// Enable makes a record of every file. Default true; false: files are only
	// recognised by their first octets, for the records of their transactions.
	Enable bool `toml:"enable"`
	// Hashes of every file: md5, sha1, sha256. Default [sha256].
	Hashes []string `toml:"hashes"`
	// RiskyHashes are added for programs, scripts, archives, documents and what
	// is not recognised. Default [md5, sha1].
	RiskyHashes []string `toml:"risky_hashes"`
	// MaxHashed is how many octets of a file are hashed at most; a longer one has
	// no hash. Default 128 MiB, 1 KiB to 1 TiB.
	MaxHashed int64 `toml:"max_hashed"`
	// MaxDecoded is how many octets are decoded at most of a file with content
	// codings. Default 64 MiB, 1 KiB to 1 TiB.
	MaxDecoded int64 `toml:"max_decoded"`
	// MaxRatio is how many octets one coded octet may become, after the first
	// MiB. Default 250, 10 to 100000.
	MaxRatio int `toml:"max_ratio"`
	// MaxMemory is how many octets the files under way may take, all workers
	// together; of what begins beyond, only the size is told. Default 16 MiB,
	// 64 KiB to 1 GiB.
	MaxMemory int `toml:"max_memory"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{Files: FilesConfig{
		Enable: true, Hashes: []string{"sha256"}, RiskyHashes: []string{"md5", "sha1"},
		MaxHashed: 128 << 20, MaxDecoded: 64 << 20, MaxRatio: 250, MaxMemory: 16 << 20,
	}}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() (errs []error) {
	count := func(key string, got, low, high int64) {
		if got < low || got > high {
			errs = append(errs, fmt.Errorf("decode.files.%s: got %d, want %d to %d", key, got, low, high))
		}
	}
	hashes := func(key string, names []string) {
		for _, name := range names {
			if !slices.Contains(hashNames[:], name) {
				errs = append(errs, fmt.Errorf("decode.files.%s: got %q, want one of %s", key, name, strings.Join(hashNames[:], ", ")))
			}
		}
	}
	f := &c.Files
	hashes("hashes", f.Hashes)
	hashes("risky_hashes", f.RiskyHashes)
	count("max_hashed", f.MaxHashed, 1<<10, 1<<40)
	count("max_decoded", f.MaxDecoded, 1<<10, 1<<40)
	count("max_ratio", int64(f.MaxRatio), 10, 1e5)
	count("max_memory", int64(f.MaxMemory), 64<<10, 1<<30)
	return errs
}

// Memory is an estimate in octets of what the limits allow.
func (c *Config) Memory() int64 { return int64(c.Files.MaxMemory) }
