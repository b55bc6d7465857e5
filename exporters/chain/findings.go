package chain

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Kind names what a finding is about.
type Kind string

// What is wrong.
const (
	Missing       Kind = "missing"
	Altered       Kind = "altered"
	Shortened     Kind = "shortened"
	TwoOfOne      Kind = "two-of-one-number"
	Reordered     Kind = "reordered"
	Inserted      Kind = "inserted"
	Damaged       Kind = "damaged-stamp"
	Torn          Kind = "torn-line"
	Mismatch      Kind = "digest-mismatch"
	Unvouched     Kind = "unvouched"
	NoHeartbeat   Kind = "no-heartbeat-at-all"
	NoBeats       Kind = "heartbeats-missing"
	Silent        Kind = "silent"
	SilentRestart Kind = "silent-restart"
	SilentSince   Kind = "silent-since"
	Unlinked      Kind = "heartbeats-do-not-join"
	Contradiction Kind = "two-heartbeats-of-one-number"
	Forged        Kind = "wrong-signature"
	OtherKey      Kind = "other-key"
	NoKey         Kind = "no-key-given"
	NotJoined     Kind = "starts-do-not-join"
	StartMissing  Kind = "start-missing"
	EndMissing    Kind = "end-of-start-missing"
	Replayed      Kind = "replayed"
	Rewritten     Kind = "rewritten"
	CutShort      Kind = "cut-short"
	NeverNamed    Kind = "never-named"
	LaterStart    Kind = "later-start-missing"
	ClockJump     Kind = "clock-jump"
	SilentUntil   Kind = "silent-until"
	EndedSince    Kind = "ended-and-not-back"
	Future        Kind = "dated-in-the-future"
	NotThere      Kind = "not-there"
	Unstamped     Kind = "nothing-to-verify"
)

// What a reader should know.
const (
	Begins      Kind = "begins"
	Fresh       Kind = "not-yet-vouched"
	Restart     Kind = "restart"
	Crash       Kind = "restart-without-farewell"
	Outside     Kind = "missing-outside-what-was-asked"
	Unheard     Kind = "starts-without-heartbeat"
	Older       Kind = "older-than-account"
	Elsewhere   Kind = "of-an-export-that-is-not-here"
	ClockBack   Kind = "clock-set-back"
	Unmarked    Kind = "lines-without-stamp"
	WrittenAnew Kind = "written-anew-on-the-way"
)

// Finding is one thing that Verify has to say. What does not belong to its kind is
// empty.
type Finding struct {
	Kind      Kind   `json:"kind"`
	Sensor    string `json:"sensor,omitempty"`
	Export    string `json:"export,omitempty"`
	Boot      string `json:"boot,omitempty"`
	First     uint64 `json:"first,omitempty"` // numbers of records, or of heartbeats
	Last      uint64 `json:"last,omitempty"`
	Count     uint64 `json:"count,omitempty"`
	From      string `json:"from,omitempty"` // RFC 3339
	To        string `json:"to,omitempty"`
	File      string `json:"file,omitempty"`
	Line      uint64 `json:"line,omitempty"`
	Other     string `json:"other,omitempty"` // file, boot, key or export
	OtherLine uint64 `json:"other_line,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

func (f *Finding) of(s Stream) { f.Sensor, f.Export, f.Boot = s.Sensor, s.Name, s.Boot }

// Text is the finding as a sentence, in Japanese if lang is "ja".
func (f *Finding) Text(lang string) string {
	s := sentences[f.Kind]
	text, to := s.en, "–"
	if lang == "ja" {
		text, to = s.ja, "～"
	}
	numbers := strconv.FormatUint(f.First, 10)
	if f.Last > f.First {
		numbers += to + strconv.FormatUint(f.Last, 10)
	}
	r := strings.NewReplacer("{count}", strconv.FormatUint(f.Count, 10), "{numbers}", numbers, "{span}", f.span(lang), "{place}", f.place(lang),
		"{first}", strconv.FormatUint(f.First, 10), "{last}", strconv.FormatUint(f.Last, 10), "{from}", f.From, "{to}", f.To,
		"{other}", f.Other, "{file}", filepath.Base(f.File), "{other_line}", strconv.FormatUint(f.OtherLine, 10), "{detail}", f.Detail)
	return r.Replace(text)
}

func (f *Finding) span(lang string) string {
	switch {
	case lang == "ja" && f.From != "" && f.To != "":
		return "（" + f.From + " から " + f.To + " の間）"
	case lang == "ja" && f.To != "":
		return "（" + f.To + " より前）"
	case lang == "ja" && f.From != "":
		return "（" + f.From + " より後）"
	case f.From != "" && f.To != "":
		return " (between " + f.From + " and " + f.To + ")"
	case f.To != "":
		return " (before " + f.To + ")"
	case f.From != "":
		return " (after " + f.From + ")"
	}
	return ""
}

func (f *Finding) place(lang string) string {
	n := strconv.FormatUint(f.Line, 10)
	file := filepath.Base(f.File)
	if f.File == "-" {
		file = "stdin"
	}
	if lang == "ja" {
		return file + " の " + n + " 行目"
	}
	return "line " + n + " of " + file
}
