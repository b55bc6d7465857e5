package census

import (
	"fmt"
	"strings"
	"testing"
)

func tell(by func(func(en, ja string))) (en, ja string) {
	by(func(e, j string) { en, ja = en+e+"\n", ja+j+"\n" })
	return en, ja
}

func TestOverview(t *testing.T) {
	check := func(why, text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing in\n%s", why, w, text)
			}
		}
	}
	s := newStage()
	en, ja := tell(s.Overview)
	check("at first", en, "Nothing was seen yet")
	check("at first", ja, "まだ何も")
	s.feed(s.hello(monday, proxyAddr, "192.0.2.1", "a.test"))
	s.office(monday, 4)
	en, ja = tell(s.Overview)
	check("in the first hour", en, "Learning since 2026-03-02 00:00Z. Until 2026-03-03 00:00Z every destination may be an old one", "5 machines inside",
		"4 of them with a proxy", "Taken for a proxy: 10.0.0.250.", "No answer of DNS", "Answers to ARP are not visible")
	check("in the first hour", ja, "2026-03-03 00:00Zまで", "プロキシとみなす機器：10.0.0.250。")
	s, _ = lived()
	for i := range 20 {
		a := fmt.Sprintf("10.0.3.%d", i)
		s.feed(s.flow(monday+15*day, "10.0.1.1", a, 25, "SF"), s.flow(monday+15*day, "10.0.1.2", a, 25, "SF"))
	}
	en, ja = tell(s.Overview)
	check("later", en, "What is new to the network is told from what is old", "Taken for a resolver: 10.0.0.53.", "10.0.3.15, and 4 more", "more, 1 time, the last time from 2026-03-16 22:59Z to 2026-03-16 23:00Z")
	check("later", ja, "ほか4件", "リゾルバーとみなす機器：10.0.0.53。")
	if strings.Contains(en, "DNS was seen") || strings.Contains(en, "ARP") {
		t.Errorf("complains of what is visible:\n%s", en)
	}
	for _, r := range en {
		if r > '~' || r < ' ' && r != '\n' {
			t.Fatalf("not ASCII: %q in\n%s", r, en)
		}
	}
}

func TestAbout(t *testing.T) {
	s, _ := lived()
	s.machines["10.0.5.5"] = leased(macA)
	s.feed(s.hello(monday+15*day, "10.0.5.5", "192.0.2.1", "a.test"))
	for who, want := range map[string][]string{
		"10.0.5.5":  {"first seen 2026-03-02 09:00Z, last 2026-03-17", "by its MAC address. Its other addresses, now or before: 10.0.0.1.", "active in 40 of the 168 hours"},
		"10.0.0.2":  {"by its name", "usual hours are being learned until 2026-03-"},
		"10.0.0.53": {"not seen as a client", "taken for: resolver, server"},
		"10.0.1.1":  {"by its address only", "16 connections through a proxy"},
		"10.4.4.4":  {"not seen as a client"},
	} {
		en, ja := tell(func(say func(en, ja string)) { s.About(addr(who), say) })
		for _, w := range want {
			if !strings.Contains(en, w) {
				t.Errorf("%s: %q is missing in\n%s", who, w, en)
			}
		}
		if strings.Count(en, "\n") != strings.Count(ja, "\n") || ja == "" {
			t.Errorf("%s: the languages differ:\n%s%s", who, en, ja)
		}
	}
}
