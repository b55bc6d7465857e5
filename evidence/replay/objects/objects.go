// Package objects hands on what was transferred: every distinct body of a capture in
// an encrypted zip, with a list of where each came from. Nothing of a body is written
// before it is encrypted, and nothing is executed or opened.
package objects

import (
	"fmt"
	"io"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/sealedzip"
)

// Options say how the zip is written.
type Options struct {
	Password     string    // "" = infected, by custom
	Salt         io.Reader // nil = crypto/rand
	PlainListing bool      // anybody may read the lists; the objects stay encrypted
}

// Names of the lists in the zip.
const (
	ListingCSV  = "listing.csv"
	ListingJSON = "listing.json"
)

// Write writes the zip: the lists, then each distinct body of responses, requests and
// joined ranges once, named by its SHA-256. Bodies that are not complete are there up
// to the first hole, and the lists say so.
func Write(w io.Writer, r *replay.Reading, o Options) error {
	if o.Password == "" {
		o.Password = "infected"
	}
	z, err := sealedzip.NewWriter(w, o.Password, o.Salt)
	if err != nil {
		return err
	}
	all := found(r)
	if err := list(z, all, r.Last, o.PlainListing); err != nil {
		return fmt.Errorf("list objects: %w", err)
	}
	written := make(map[string]bool)
	for i := range all {
		f := &all[i]
		if written[f.SHA256] {
			continue
		}
		written[f.SHA256] = true
		to, err := z.Seal(f.SHA256, time.Unix(0, f.at))
		if err == nil {
			_, err = to.Write(f.data)
		}
		if err != nil {
			return fmt.Errorf("write object %s: %w", f.SHA256, err)
		}
	}
	return z.Close()
}

// list writes both lists.
func list(z *sealedzip.Writer, all []Row, at int64, plain bool) error {
	begin := z.Seal
	if plain {
		begin = z.Plain
	}
	for _, l := range []struct {
		name  string
		write func(io.Writer, []Row) error
	}{{ListingCSV, writeCSV}, {ListingJSON, writeJSON}} {
		w, err := begin(l.name, time.Unix(0, at))
		if err == nil {
			err = l.write(w, all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
