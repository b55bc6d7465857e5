package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kagami/exporters/chain"
	"kagami/signing"
)

type verifyRecordsCmd struct {
	Key      []string `placeholder:"[SENSOR=]FILE" sep:"none" help:"A sensor's signing.pub, fetched from the sensor itself; repeatable, for several sensors with the id in front. Default: the key that the records name; that proves them whole, not whose they are."`
	Expect   []string `placeholder:"SENSOR[/EXPORT]" sep:"none" help:"Records of it must be there; repeatable."`
	Against  []string `placeholder:"FILE" sep:"none" help:"A record file of the sensor itself: must be what the records' heartbeats say of it; repeatable."`
	AnyOrder bool     `help:"The records are in no order, as a database gives them."`
	Since    string   `placeholder:"TIME" help:"Heartbeats must begin by then: 2026-06-01T08:15:00Z, or 24h for that long ago. What is missing before is only noted."`
	Until    string   `placeholder:"TIME" help:"Heartbeats must reach there: a time, 1h for that long ago, or now. What is missing behind is only noted."`
	Strict   bool     `help:"Every line must bear a stamp: nothing else writes there."`
	Lang     string   `default:"" enum:",en,ja" help:"en or ja; default: of the environment (LC_ALL, LC_MESSAGES, LANG)."`
	JSON     bool     `name:"json" help:"One JSON object instead of sentences."`
	Temp     string   `placeholder:"DIR" help:"For what memory is not taken for: 53 octets a record beyond 131,072. Default: the system's."`
	Args     []string `arg:"" name:"file" help:"What the SIEM received, or record files (plain, .gz, .zst; '-' is stdin): bare lines, behind syslog headers, or within strings of JSON or CSV. A log whose NAME.account lies beside it is held against that."`
}

// Run names what is missing, repeated, altered or vouched for by nobody; exit 0 or 2.
func (c *verifyRecordsCmd) Run() error {
	o, err := c.options(time.Now())
	if err != nil {
		return err
	}
	r, err := chain.Verify(o)
	if err != nil {
		return err
	}
	if c.JSON {
		err = verdictJSON(os.Stdout, r)
	} else {
		w := bufio.NewWriter(os.Stdout)
		verdictPage{w, language(c.Lang)}.write(r)
		err = w.Flush()
	}
	if err == nil && !r.Good() {
		return exitChanged
	}
	return err
}

func (c *verifyRecordsCmd) options(now time.Time) (chain.Options, error) {
	o := chain.Options{Inputs: c.Args, Against: c.Against, Expect: c.Expect, AnyOrder: c.AnyOrder, Strict: c.Strict, Now: now.UnixNano(), Stdin: os.Stdin, TempDir: c.Temp}
	for _, k := range c.Key {
		sensor, path, named := strings.Cut(k, "=")
		if !named {
			sensor, path = "", k
		}
		public, err := signing.ReadPublic(path)
		if err != nil {
			return o, err
		}
		o.Keys = append(o.Keys, chain.Key{Sensor: sensor, Public: public})
	}
	var err error
	if o.Since, err = askedTime("--since", c.Since, now); err != nil {
		return o, err
	}
	o.Until, err = askedTime("--until", c.Until, now)
	return o, err
}

// askedTime reads a time, a duration before now, or "now"; 0 when nothing is asked.
func askedTime(option, s string, now time.Time) (int64, error) {
	switch s {
	case "":
		return 0, nil
	case "now":
		return now.UnixNano(), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d).UnixNano(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, fmt.Errorf(`%s: want a time such as 2026-06-01T08:15:00Z, 24h for that long ago, or "now"`, option)
	}
	return t.UnixNano(), nil
}

// verdictJSON writes the report with each finding's sentence in both languages.
func verdictJSON(w io.Writer, r *chain.Report) error {
	type told struct {
		chain.Finding
		Text   string `json:"text"`
		TextJA string `json:"text_ja"`
	}
	tell := func(fs []chain.Finding) []told {
		out := make([]told, len(fs))
		for i := range fs {
			out[i] = told{fs[i], fs[i].Text("en"), fs[i].Text("ja")}
		}
		return out
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Good bool `json:"good"`
		*chain.Report
		Findings []told `json:"findings"`
		Notes    []told `json:"notes"`
	}{r.Good(), r, tell(r.Findings), tell(r.Notes)})
}

// verdictPage shows a report to a person. What comes from the inputs is escaped.
type verdictPage struct {
	w    io.Writer
	lang string
}

func (p verdictPage) say(en, ja string, args ...any) {
	if p.lang == "ja" {
		en = ja
	}
	fmt.Fprintln(p.w, printable(fmt.Sprintf(en, args...)))
}

func (p verdictPage) write(r *chain.Report) {
	for i := range r.Streams {
		p.stream(&r.Streams[i])
	}
	for i := range r.Notes {
		p.say("  note: %s%s", "  注記: %s%s", whose(&r.Notes[i]), r.Notes[i].Text(p.lang))
	}
	for i := range r.Findings {
		p.say("WRONG %s%s", "異常 %s%s", whose(&r.Findings[i]), r.Findings[i].Text(p.lang))
	}
	if r.More > 0 {
		p.say("WRONG: %s more", "異常: ほかに %s 件", thousands(r.More))
	}
	p.sum(r)
}

// whose is the export that a finding is about.
func whose(f *chain.Finding) string {
	if f.Sensor == "" {
		return ""
	}
	s := f.Sensor
	if f.Export != "" {
		s += "/" + f.Export
	}
	if f.Boot != "" {
		s += " " + f.Boot[:min(8, len(f.Boot))]
	}
	return s + ": "
}

func (p verdictPage) stream(s *chain.StreamReport) {
	p.say("%s/%s, start %d (%s): %s records %d–%d, %d missing; %d heartbeats, %s to %s",
		"%s/%s、起動 %d（%s）: レコード %s 件、番号 %d～%d、欠け %d; ハートビート %d 件、%s から %s",
		s.Sensor, s.Export, s.Start, s.Boot, thousands(s.Records), s.First, s.Last, s.Missing, s.Beats, orDash(s.From), orDash(s.To))
	if s.Lost > 0 {
		p.say("  the sensor itself says that it lost %s records (queue full, or refused by the place)", "  センサー自身が %s 件を失ったと報告しています（キューの溢れ、または送り先の拒否）", thousands(s.Lost))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (p verdictPage) sum(r *chain.Report) {
	p.say("%s lines, %s records: %s under a signature, %s with their own tag only, %s delivered more than once, %s missing, %s altered",
		"%s 行、レコード %s 件: 署名下 %s 件、タグのみ %s 件、重複配信 %s 件、欠け %s 件、改変 %s 件",
		thousands(r.Lines), thousands(r.Records), thousands(r.Vouched), thousands(r.Alone), thousands(r.Repeated), thousands(r.Missing), thousands(r.Altered))
	for _, k := range r.Keys {
		if k.Own {
			p.say("%s: key %s, as the records name it: compare it with the sensor's, or give --key", "%s: 鍵 %s（レコード自身の申告）: センサーの鍵と照合するか --key を指定してください", k.Sensor, k.Fingerprint)
		} else {
			p.say("%s: key %s", "%s: 鍵 %s", k.Sensor, k.Fingerprint)
		}
	}
	if r.Good() {
		p.say("OK: nothing is missing, nothing was altered", "正常: 欠けも改変もありません")
	} else {
		p.say("NOT as it was sent: %s findings", "送信時と違います: %s 件", thousands(uint64(len(r.Findings))+r.More))
	}
}
