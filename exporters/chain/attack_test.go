package chain

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestX(t *testing.T) {
	show := func(name string, o Options) {
		o.TempDir = t.TempDir()
		r, err := Verify(o)
		if err != nil {
			t.Log(name, "ERR", err)
			return
		}
		t.Logf("%s: good=%v findings=%q notes=%q missing %d", name, r.Good(), said(r.Findings), said(r.Notes), r.Missing)
	}
	l := newLogger(t).minutes(50, true)
	dir := filepath.Dir(l.path)
	write(t, dir, "access.log", l.lines)
	all, _ := filepath.Glob(l.path + "*")
	show("glob", Options{Inputs: all})
	write(t, dir, "access.log", nil)
	show("emptied", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", l.lines[:250])
	show("half", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", l.lines[250:])
	show("second half", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", append(slices.Clone(l.lines[:250]), "x"))
	show("half and x", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", append(slices.Clone(l.lines), "x", "y", "z"))
	show("put in behind the end", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", append([]string{"a", "b"}, l.lines...))
	show("put in before", Options{Inputs: []string{l.path}})
	write(t, dir, "access.log", l.lines)
	s := newSensor(forms[0]).minutes(5)
	in := write(t, dir, "siem", s.lines)
	acc, _ := os.ReadFile(l.path + ".account")
	os.Remove(l.path + ".account")
	show("account gone", Options{Inputs: []string{in}, Against: []string{l.path}})
	os.WriteFile(l.path+".account", acc, 0o600)
	// claims removed from the account
	var keep []string
	for _, x := range strings.SplitAfter(string(acc), "\n") {
		if !strings.HasPrefix(x, "kagami") || strings.Contains(x, " n:1 ") {
			keep = append(keep, x)
		}
	}
	os.WriteFile(l.path+".account", []byte(strings.Join(keep, "")), 0o600)
	show("claims gone", Options{Inputs: []string{l.path}})
	p := newSensor(forms[0]).minutes(5).stop()
	show("until after farewell", Options{Inputs: []string{write(t, dir, "p", p.lines)}, Until: p.at + 600*minute})
	p = newSensor(forms[0]).minutes(5)
	p.at += 24 * 60 * minute
	p.minutes(5)
	show("clock forward", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
	p = newSensor(forms[0]).minutes(5)
	p.at -= 24 * 60 * minute
	p.minutes(5)
	show("clock back", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
	p = newSensor(forms[0]).minutes(5).stop()
	p.boot()
	p.records(5)
	p.boot()
	p.minutes(5)
	show("crash in the first minute", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
	p = newSensor(forms[0]).minutes(2)
	p.put(strings.Replace(jsonLine(7), "a.example", strings.Replace(string(p.previousText), "packets:17", "packets:18", 1), 1))
	p.minutes(2)
	show("wire claim", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
	cef := forms[9]
	p = newSensor(cef).minutes(2)
	p.put(`CEF:0|Kagami|Kagami|1|flow-end|Network flow|1|rt=1 request=http://a/{{"x":1,"kagami.export":{"sensor":"a","boot":"b","name":"c","seq":4,"tag":"0123456789abcdef"}}}}`)
	p.minutes(2)
	show("wire stamp in CEF", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
	p = newSensor(cef).minutes(2)
	p.put(`CEF:0|Kagami|Kagami|1|flow-end|Network flow|1|rt=1 request=http://a/[kagami@32473 sensor="a" boot="b" name="c" seq="4" tag="0123456789abcdef"]`)
	p.minutes(2)
	show("wire structured in CEF", Options{Inputs: []string{write(t, dir, "p", p.lines)}})
}
