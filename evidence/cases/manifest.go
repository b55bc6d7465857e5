package cases

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"kagami/atomicfile"
	"kagami/evidence/segment"
)

const manifestName = "manifest.jsonl"

// Facts of a manifest, in this order: begin, alert …, source …, counters, gap …,
// file …, end. Every line has a kind.
type (
	beginFact struct {
		Kind      string   `json:"kind"` // "begin"
		Format    int      `json:"format"`
		Case      string   `json:"case"`
		Tool      string   `json:"tool"`
		Version   string   `json:"version"`
		Host      string   `json:"host"`
		Interface string   `json:"interface"`
		Made      string   `json:"made"`   // wall clock: when the case was asked for
		Sealed    string   `json:"sealed"` // and when this manifest was written
		Clock     Clock    `json:"clock"`
		Who       Who      `json:"who"`
		Reason    string   `json:"reason,omitempty"`
		Query     string   `json:"query"`           // what was taken
		Asked     string   `json:"asked,omitempty"` // as it was asked for
		Early     string   `json:"early_query,omitempty"`
		At        string   `json:"at,omitempty"`
		From      string   `json:"from,omitempty"` // packet time
		To        string   `json:"to"`
		Scope     Scope    `json:"scope"`
		Alerts    int      `json:"alerts"` // all, those beyond the listed ones included
		Key       string   `json:"key"`    // fingerprint
		Journal   Mark     `json:"journal"`
		About     []string `json:"about"`
	}
	alertFact struct {
		Kind string `json:"kind"` // "alert"
		Alert
	}
	sourceFact struct {
		Kind      string `json:"kind"` // "source"
		Segment   string `json:"segment"`
		From      string `json:"from"`
		To        string `json:"to"`
		Bytes     int64  `json:"bytes"`
		Packets   uint64 `json:"packets"`
		Recovered bool   `json:"recovered,omitempty"` // its end was cut off by a crash
		Torn      int64  `json:"torn_bytes,omitempty"`
	}
	countersFact struct {
		Kind string `json:"kind"` // "counters"
		Of   string `json:"of"`   // what they count
		Accounts
	}
	gapFact struct {
		Kind    string  `json:"kind"` // "gap"
		What    string  `json:"what"`
		From    string  `json:"from"`
		To      string  `json:"to"`
		Minutes float64 `json:"minutes"`
		Packets uint64  `json:"packets,omitempty"`
		Bytes   uint64  `json:"bytes,omitempty"`
		Text    string  `json:"text,omitempty"`
	}
	fileFact struct {
		Kind   string   `json:"kind"` // "file"
		Name   string   `json:"name"`
		SHA256 string   `json:"sha256"`
		Size   int64    `json:"size"`
		MiB    []string `json:"sha256_of_each_mib"`
	}
	endFact struct {
		Kind    string `json:"kind"`  // "end"
		State   State  `json:"state"` // complete or incomplete
		Why     string `json:"why,omitempty"`
		Files   int    `json:"files"`
		Bytes   int64  `json:"bytes"`
		Packets uint64 `json:"packets"`
		Lines   int    `json:"lines"` // of the manifest, this one included
	}
)

// Accounts are what became of the packets of the time in question. Seen = Stored +
// the three kinds of loss + LeftOut + Ignored.
type Accounts struct {
	Seen          uint64 `json:"seen"`
	Stored        uint64 `json:"stored"`
	StoredBytes   uint64 `json:"stored_bytes"`
	Cut           uint64 `json:"cut"`
	CutBytes      uint64 `json:"cut_bytes"`
	LeftOut       uint64 `json:"left_out"`
	LostSlow      uint64 `json:"lost_disk_slow"`
	LostFull      uint64 `json:"lost_disk_full"`
	LostError     uint64 `json:"lost_disk_error"`
	Ignored       uint64 `json:"ignored"`
	KernelDropped uint64 `json:"dropped_by_kernel"`
}

// add counts what happened between two readings of one writer.
func (a *Accounts) add(start, end *segment.Counters) {
	diff := func(to *uint64, from, until uint64) {
		if until > from { // counters of a damaged file may run backwards
			*to += until - from
		}
	}
	diff(&a.Stored, start.Stored, end.Stored)
	diff(&a.StoredBytes, start.StoredBytes, end.StoredBytes)
	diff(&a.Cut, start.Cut, end.Cut)
	diff(&a.CutBytes, start.CutBytes, end.CutBytes)
	diff(&a.LeftOut, start.LeftOut, end.LeftOut)
	diff(&a.LostSlow, start.LostSlow, end.LostSlow)
	diff(&a.LostFull, start.LostFull, end.LostFull)
	diff(&a.LostError, start.LostError, end.LostError)
	diff(&a.Ignored, start.Ignored, end.Ignored)
	diff(&a.KernelDropped, start.KernelDropped, end.KernelDropped)
	// Not the difference of what was seen, which counts packets that waited in
	// memory at one of the two moments: of those here the sum is exact.
	a.Seen = a.Stored + a.LostSlow + a.LostFull + a.LostError + a.LeftOut + a.Ignored
}

// about explains the manifest to someone who finds it alone.
var about = []string{
	"Each line begins with the SHA-256 of the line before it, newline included.",
	"The last line's signature is ed25519 over the text \"" + useManifest + " \" and the SHA-256, in hexadecimal, of that line up to its signature.",
	"Times are UTC and come from the captured packets, except made, sealed and who.",
}

// writeManifest writes and signs the manifest and returns its SHA-256.
func writeManifest(path string, facts []any, end endFact, key ed25519.PrivateKey) (string, error) {
	c := chain{head: origin}
	var out []byte
	var err error
	for _, f := range facts {
		if out, err = c.appendLine(out, f); err != nil {
			return "", err
		}
	}
	end.Kind, end.Lines = "end", len(facts)+1
	if out, err = c.appendSigned(out, end, useManifest, key); err != nil {
		return "", err
	}
	if err := atomicfile.Write(path, out, 0o600); err != nil {
		return "", fmt.Errorf("write manifest: %w", err)
	}
	back, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read manifest back: %w", err)
	}
	if !bytes.Equal(back, out) {
		return "", fmt.Errorf("read manifest back: the disk returned something else")
	}
	return sum(out), nil
}

// sums hashes a file as a whole and in pieces of 1 MiB, by which a changed octet
// can be found.
type sums struct {
	size  int64
	whole hash.Hash
	piece hash.Hash
	mib   []string
}

func newSums() *sums { return &sums{whole: sha256.New(), piece: sha256.New()} }

const pieceSize = 1 << 20

// Write implements io.Writer.
func (s *sums) Write(b []byte) (int, error) {
	s.whole.Write(b)
	for rest := b; len(rest) > 0; {
		n := min(len(rest), int(pieceSize-s.size%pieceSize))
		s.piece.Write(rest[:n])
		s.size += int64(n)
		rest = rest[n:]
		if s.size%pieceSize == 0 {
			s.cut()
		}
	}
	return len(b), nil
}

func (s *sums) cut() {
	s.mib = append(s.mib, hex.EncodeToString(s.piece.Sum(nil)))
	s.piece.Reset()
}

// fact ends the hashing.
func (s *sums) fact(name string) fileFact {
	if s.size%pieceSize != 0 {
		s.cut()
	}
	return fileFact{Kind: "file", Name: name, Size: s.size, SHA256: hex.EncodeToString(s.whole.Sum(nil)), MiB: s.mib}
}

// hashFile hashes what the disk has of a file.
func hashFile(path string) (fileFact, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileFact{}, err
	}
	defer f.Close()
	forget(f)
	s := newSums()
	if _, err := io.Copy(s, f); err != nil {
		return fileFact{}, err
	}
	return s.fact(filepath.Base(path)), nil
}

// timeText is a packet's time; "" for the open end of a window.
func timeText(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

func (l Loss) fact() gapFact {
	minutes := float64((l.To-l.From)/int64(time.Second)) / 60
	return gapFact{Kind: "gap", What: l.What, From: timeText(l.From), To: timeText(l.To), Minutes: round(minutes, 10),
		Packets: l.Packets, Bytes: l.Bytes, Text: cut(l.Text, maxText)}
}

// round keeps a number short: it is for people.
func round(v, steps float64) float64 { return float64(int64(v*steps+0.5)) / steps }
