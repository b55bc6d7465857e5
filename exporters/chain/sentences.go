package chain

type sentence struct{ en, ja string }

// sentences say each kind. Words in braces are a finding's members; {numbers}
// is first to last, {span} from to to, {place} file and line.
var sentences = map[Kind]sentence{
	Missing:       {"missing: {numbers}{span}", "欠け: 番号 {numbers}{span}"},
	Altered:       {"altered: record {numbers}, at {place}{span}", "改変: レコード {numbers}、{place}{span}"},
	Shortened:     {"not as it was: record {numbers}, at {place}{span}; it says that fields were left out to fit a syslog message, and cannot be checked", "元と違います: レコード {numbers}、{place}{span}。syslog メッセージに収めるため項目を省いたと記されており、検証できません"},
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
	NoKey:         {"no key was given for {other}: --key {other}=FILE (heartbeat at {place})", "{other} の鍵が指定されていません: --key {other}=ファイル（ハートビート: {place}）"},
	NotJoined:     {"the start at {to} does not join the one before it ({other}): a file or the sensor's state was exchanged, or two sensors bear one id", "{to} の起動は直前の起動（{other}）につながりません: ファイルかセンサーの状態が差し替えられたか、二台のセンサーが同じ ID を名乗っています"},
	StartMissing:  {"starts of the sensor missing whole between {from} and {to}: {count}", "{from} と {to} の間のセンサーの起動 {count} 回分がまるごと欠けています"},
	EndMissing:    {"the end of start {other} is missing: the next start names its heartbeat {last}, the last one here is {first} of {from}", "起動 {other} の終わりが欠けています: 次の起動はハートビート {last} を指していますが、ここにあるのは {from} の {first} までです"},
	Replayed:      {"records of an earlier start stand behind those of a later one ({other}), at {place}: replayed, or files in the wrong order", "前の起動のレコードが後の起動（{other}）の後ろにあります: {place}: 再送による偽装か、ファイルの順序違いです"},
	Rewritten:     {"heartbeat {first} at {place} is not the one that export {other} told of at {from}: the file was written anew on the sensor", "{place} のハートビート {first} は、出力 {other} が {from} に伝えたものと違います: ファイルはセンサー上で書き直されています"},
	CutShort:      {"the file ends with heartbeat {first}, but export {other} told of heartbeat {last} at {from}: its end was cut off", "ファイルはハートビート {first} で終わりますが、出力 {other} は {from} にハートビート {last} を伝えています: 末尾が切り取られています"},
	NeverNamed:    {"no heartbeat of another export speaks of this file's records: exchanged, or not one of this sensor's", "このファイルのレコードに触れたハートビートが他の出力にありません: 差し替えか、別のセンサーのファイルです"},

	LaterStart:  {"the file ends with this start, but export {other} told at {from} of a later one ({detail}): its end was cut off", "ファイルはこの起動で終わりますが、出力 {other} は {from} により新しい起動（{detail}）を伝えています: 末尾が切り取られています"},
	ClockJump:   {"the sensor's clock went from {from} to {to} while it ran for {detail}: it was set forward, or the machine was asleep", "センサーの時計が {detail} の稼働中に {from} から {to} へ進みました: 時計を進めたか、機器がスリープしていました"},
	SilentUntil: {"nothing{span}: begins later than asked", "{from} から {to} まで何もありません: 求めた時刻より後に始まっています"},
	EndedSince:  {"stopped in good order at {from}, and nothing since, until {to}: not started again, the export was taken out of the configuration, or what followed is missing", "{from} に正常終了し、{to} まで何もありません: 再開していないか、出力が設定から外されたか、続きが欠けています"},
	Future:      {"heartbeat {first} at {place} is dated {from}; it is {to} now: the sensor's clock is wrong", "{place} のハートビート {first} の時刻は {from} ですが、現在は {to} です: センサーの時計が狂っています"},
	NotThere:    {"expected, and no record of it is there", "あるはずのレコードがひとつもありません"},
	Unstamped:   {"{file}: no line bears a stamp, and no account (NAME.account) lies beside it", "{file}: 刻印のある行がなく、記録簿（NAME.account）も隣にありません"},

	Begins:      {"begins with record {first}, at {place}; what came before is not among the inputs", "レコード {first}（{place}）から始まります。それより前は入力にありません"},
	Fresh:       {"{count} records are younger than the last heartbeat ({from}): not yet vouched for", "レコード {count} 件は最後のハートビート（{from}）より新しく、まだ保証されていません"},
	Restart:     {"stopped in good order at {from}, started again at {to}", "{from} に正常終了し、{to} に再開しました"},
	Crash:       {"ended without farewell after {from} (crash, kill -9), started again by {to}", "{from} の後に終了の通知なしに止まり（異常終了、kill -9）、{to} までに再開しました"},
	Outside:     {"missing: {numbers}{span}, outside the time that was asked for", "欠け: 番号 {numbers}{span}、指定した期間の外"},
	Unheard:     {"started {count} times between {from} and {to} without coming as far as a heartbeat", "{from} と {to} の間に、ハートビートに至らない起動が {count} 回ありました"},
	Older:       {"{count} lines, from {place} on, are older than what their account still has: not looked at", "{place} からの {count} 行は記録簿に残る範囲より古く、調べていません"},
	ClockBack:   {"the sensor's clock was set back from {from} to {to}", "センサーの時計が {from} から {to} に戻されました"},
	Unmarked:    {"{count} lines bear no stamp and were not looked at, the first at {place}", "刻印のない {count} 行は調べていません（最初は {place}）"},
	WrittenAnew: {"nearly every line differs from what was sent: something on the way writes them anew; keep the original line and verify that", "ほとんどの行が送ったものと違います: 途中で書き直されています。元の行を保存し、それを検証してください"},
}
