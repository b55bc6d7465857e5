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
	NotJoined     Kind = "starts-do-not-join"
	StartMissing  Kind = "start-missing"
	EndMissing    Kind = "end-of-start-missing"
	Replayed      Kind = "replayed"
	Rewritten     Kind = "rewritten"
	CutShort      Kind = "cut-short"
	NeverNamed    Kind = "never-named"
)

// What a reader should know.
const (
	Begins      Kind = "begins"
	Fresh       Kind = "not-yet-vouched"
	Restart     Kind = "restart"
	Crash       Kind = "restart-without-farewell"
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

type sentence struct{ en, ja string }

// sentences say each kind. Words in braces are a finding's members; {numbers}
// is first to last, {span} from to to, {place} file and line.
var sentences = map[Kind]sentence{
	Missing:       {"missing: {numbers}{span}", "欠け: 番号 {numbers}{span}"},
	Altered:       {"altered: record {numbers}, at {place}{span}", "改変: レコード {numbers}、{place}{span}"},
	TwoOfOne:      {"two different records bear the number {first}: {place} and line {other_line} of {other}; one of them was made", "番号 {first} のレコードが内容の違うまま二つあります: {place} と {other} の {other_line} 行目。一方は偽造です"},
	Reordered:     {"out of order: record {numbers} at {place} stands behind later ones (line {other_line})", "順序の入れ替わり: レコード {numbers}（{place}）が後の番号（{other_line} 行目）より後ろにあります"},
	Inserted:      {"in no account: {count} lines from {place} on; put in, or written between the last heartbeat and a crash", "{place} から {count} 行は記録簿にありません: 挿入されたか、最後のハートビートの後、異常終了までに書かれた行です"},
	Damaged:       {"a stamp that cannot be read, at {place}", "読めない刻印: {place}"},
	Torn:          {"the last line is cut off, at {place}", "最後の行が途中で切れています: {place}"},
	Mismatch:      {"records {numbers}{span} are not those that were signed: one or several were altered and given new tags (heartbeat at {place})", "レコード {numbers}{span} は署名されたものと違います: 改変され、タグも付け直されています（ハートビートは {place}）"},
	Unvouched:     {"no heartbeat vouches for records {numbers}, from {place} on{span}", "どのハートビートも保証しないレコードが {count} 件: 番号 {numbers}、{place} から{span}"},
	NoHeartbeat:   {"no heartbeat at all vouches for these records", "これらのレコードを保証するハートビートがひとつもありません"},
	NoBeats:       {"heartbeats missing: {count}{span}", "ハートビートが {count} 件欠けています{span}"},
	Silent:        {"silent{span}: heartbeats missing: {count}; nothing tells what happened then", "沈黙{span}: ハートビートが {count} 件欠け、その間に何があったか分かりません"},
	SilentRestart: {"silent{span}: the sensor ended without farewell (power, kill -9) and came back later", "沈黙{span}: センサーは終了の通知なしに止まり（停電、kill -9 など）、後で再開しました"},
	SilentSince:   {"silent since {from}: no heartbeat, no farewell", "{from} から沈黙: ハートビートも終了の通知もありません"},
	Unlinked:      {"the heartbeat at {place} does not name the one before it: one of the two was exchanged", "{place} のハートビートは直前のものを指していません: どちらかが差し替えられています"},
	Contradiction: {"two different heartbeats {first}, both signed: {place} is the second", "番号 {first} の署名つきハートビートが二種類あります: 二つ目は {place}"},
	Forged:        {"a heartbeat that is not signed as it says, at {place}: {detail}", "署名の合わないハートビート: {place}: {detail}"},
	OtherKey:      {"a heartbeat signed by another key, at {place}: {detail}, not {other}", "別の鍵で署名されたハートビート: {place}: {detail}（正しい鍵は {other}）"},
	NotJoined:     {"the start at {to} does not join the one before it ({other}): a file was exchanged, or the sensor's state was", "{to} の起動は直前の起動（{other}）につながりません: ファイルかセンサーの状態が差し替えられています"},
	StartMissing:  {"starts of the sensor missing whole between {from} and {to}: {count}", "{from} と {to} の間のセンサーの起動 {count} 回分がまるごと欠けています"},
	EndMissing:    {"the end of start {other} is missing: the next start names its heartbeat {last}, the last one here is {first} of {from}", "起動 {other} の終わりが欠けています: 次の起動はハートビート {last} を指していますが、ここにあるのは {from} の {first} までです"},
	Replayed:      {"records of an earlier start stand behind those of a later one ({other}), at {place}: replayed, or files in the wrong order", "前の起動のレコードが後の起動（{other}）の後ろにあります: {place}: 再送による偽装か、ファイルの順序違いです"},
	Rewritten:     {"heartbeat {first} at {place} is not the one that export {other} told of at {from}: the file was written anew on the sensor", "{place} のハートビート {first} は、出力 {other} が {from} に伝えたものと違います: ファイルはセンサー上で書き直されています"},
	CutShort:      {"the file ends with heartbeat {first}, but export {other} told of heartbeat {last} at {from}: its end was cut off", "ファイルはハートビート {first} で終わりますが、出力 {other} は {from} にハートビート {last} を伝えています: 末尾が切り取られています"},
	NeverNamed:    {"no heartbeat of another export speaks of this file's records: exchanged, or not one of this sensor's", "このファイルのレコードに触れたハートビートが他の出力にありません: 差し替えか、別のセンサーのファイルです"},

	Begins:      {"begins with record {first}, at {place}; what came before is not among the inputs", "レコード {first}（{place}）から始まります。それより前は入力にありません"},
	Fresh:       {"{count} records are younger than the last heartbeat: not yet vouched for", "レコード {count} 件は最後のハートビートより新しく、まだ保証されていません"},
	Restart:     {"stopped in good order at {from}, started again at {to}", "{from} に正常終了し、{to} に再開しました"},
	Crash:       {"ended without farewell after {from} (crash, kill -9), started again by {to}", "{from} の後に終了の通知なしに止まり（異常終了、kill -9）、{to} までに再開しました"},
	ClockBack:   {"the sensor's clock was set back from {from} to {to}", "センサーの時計が {from} から {to} に戻されました"},
	Unmarked:    {"{count} lines bear no stamp and were not looked at", "刻印のない {count} 行は調べていません"},
	WrittenAnew: {"nearly every line differs from what was sent: something on the way writes them anew; keep the original line and verify that", "ほとんどの行が送ったものと違います: 途中で書き直されています。元の行を保存し、それを検証してください"},
}

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
		"{other}", f.Other, "{other_line}", strconv.FormatUint(f.OtherLine, 10), "{detail}", f.Detail)
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
