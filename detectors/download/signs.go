package download

import (
	"strings"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
)

// A download that an attack brings is told from one that a person wanted by the
// way: foreign sites lead there, by themselves, past an object that attacks the
// browser; by the place, which nobody knows; and by what comes after: a program
// that was not heard before calls a place that nobody contacted before.

const (
	hour = int64(time.Hour)
	day  = 24 * hour

	// unattended is how soon nobody clicks.
	unattended = int64(4 * time.Second)
	// repeats is how long exploits that all work take to fetch the same program.
	repeats = int64(time.Minute)
	// convicts is for how long a domain that attacked one machine is a sign
	// against it.
	convicts = 7 * day
)

// reasons collects signs for and against.
type reasons []incident.Reason

func (s *reasons) add(kind string, nats float64, t incident.Text) {
	if nats != 0 {
		*s = append(*s, incident.Reason{Kind: kind, Nats: nats, Text: t})
	}
}

// past is what the machine did before a download.
type past struct {
	attacked  risk  // the worst object that can attack a browser, from the trail
	elsewhere risk  // the same, from anywhere
	visited   int64 // first request to the place, 0 = none
	changed   bool  // by another program
	repeated  bool  // the place sent a program just before
}

func (v *visits) past(x *visit, t *trail, since int64) (p past) {
	v.recent(since, func(y *visit) bool {
		if y == x || y.at > x.at {
			return true
		}
		if y.risk.attack() {
			p.elsewhere = max(p.elsewhere, y.risk)
			if t.knows(y.domain) {
				p.attacked = max(p.attacked, y.risk)
			}
		}
		if y.domain == x.domain && y.risk.payload() && x.at-y.at < repeats {
			p.repeated = true
		}
		if y.host == x.host {
			p.changed = p.changed || y.agent != x.agent && y.agent != 0
			p.visited = y.at
		}
		return true
	})
	return p
}

// way weighs how the machine got there, and what it met.
func (p *past) way(x *visit, t *trail) (s reasons) {
	switch {
	case t.domains >= 3:
		s.add("way", 2.5, incident.Say("the way there leads through %d domains: %s", "経路は%dつのドメインを経由：%s", t.domains, t.hosts()))
	case t.domains == 2:
		s.add("way", 1, incident.Say("the way there leads through 2 domains: %s", "経路は2つのドメインを経由：%s", t.hosts()))
	}
	if t.redirected() {
		s.add("redirect", 0.5, incident.Say("a redirection leads from one site to another", "別サイトへのリダイレクトがある"))
	}
	if x.risk.payload() {
		p.before(&s)
	}
	if y := t.page(); y != nil && x.at-y.end < unattended && x.risk != container && x.risk != document {
		nats := 2.5
		if x.risk == exploit { // advertisements come so, too
			nats = 2
		}
		s.add("unclicked", nats, incident.Say("it came %s after a page of another site, without time to click",
			"別サイトのページの%s後に届いた（クリックする間がない）", incident.Span(max(x.at-y.end, 0))))
	}
	return s
}

// before weighs what came before a payload.
func (p *past) before(s *reasons) {
	switch {
	case p.attacked == exploit:
		s.add("attack", 3, incident.Say("an object that can attack the browser came the same way just before", "直前に同じ経路から、ブラウザーを攻撃し得るオブジェクトが届いている"))
	case p.elsewhere == exploit:
		s.add("attack", 1.5, incident.Say("an object that can attack the browser came from elsewhere just before", "直前に別の場所から、ブラウザーを攻撃し得るオブジェクトが届いている"))
	case p.attacked == document:
		s.add("attack", 1, incident.Say("a document that can attack came the same way just before", "直前に同じ経路から、攻撃に使われ得る文書が届いている"))
	}
	if p.repeated {
		s.add("repeated", 1.5, incident.Say("the same place sent one just before", "直前にも同じ場所から届いている"))
	}
}

// manner weighs how it was fetched.
func (p *past) manner(x *visit, agent string) (s reasons) {
	if p.visited != 0 && x.at-p.visited < unattended {
		s.add("unread", 1, incident.Say("it came %s after the first request to the place, without time to read",
			"その場所への最初の要求から%s後に届いた（読む間がない）", incident.Span(x.at-p.visited)))
	}
	if p.changed {
		s.add("agent", 1.5, incident.Say("another program than the one that visited the place fetched it", "その場所を訪れたものとは別のプログラムが取得した"))
	}
	switch a := strings.ToLower(agent); {
	case strings.Contains(a, "java/"):
		s.add("fetcher", 2, incident.Say("the browser's Java plug-in fetched it", "ブラウザーのJavaプラグインが取得した"))
	case strings.Contains(a, "powershell") || strings.Contains(a, "certutil") || strings.Contains(a, "wscript"):
		s.add("fetcher", 1.5, incident.Say("a script interpreter fetched it: %s", "スクリプトの実行環境が取得した：%s", incident.Quote(agent)))
	}
	return s
}

// place weighs where it came from. That many machines know a guilty place does
// not speak for it.
func (d *Detector) place(k *census.Contact, guilty bool) (s reasons) {
	known := d.census.Familiar(k)
	age := d.census.Now() - known.Since
	if inside(k) {
		s.add("inside", -1, incident.Say("it is a machine inside", "内部の端末からの配信"))
		known.Hosts = max(known.Hosts, d.census.Serves(k.Addr, k.Port))
	} else if k.Name == "" {
		s.add("nameless", 3, incident.Say("it has no name, only an address", "ホスト名がなくIPアドレスのみ"))
	}
	if nats := prevalence(known, age); nats > 0 || !guilty {
		s.add("prevalence", nats, incident.Prevalence(&known))
	}
	switch {
	case age > day:
		s.add("age", -1.5, incident.Say("it is known for %s", "%s前から知られている", incident.Span(age)))
	case age < int64(d.config.Chain) && d.census.Now()-d.census.Start() > hour:
		s.add("age", 1, incident.Say("it was first contacted %s ago", "初回接続は%s前", incident.Span(age)))
	}
	return append(s, d.around(k)...)
}

// inside tells whether the server is a machine of this network.
func inside(k *census.Contact) bool { return k.Meta.ServerInternal && !k.Proxied() }

// prevalence is the evidence of how many machines know a place, in nats. In the
// first hour three are no sign of honesty: what attacks one attacks the next.
func prevalence(f census.Familiarity, age int64) float64 {
	young := age < hour
	switch {
	case f.Hosts >= 10 || f.Common() && !young:
		return -6
	case f.Hosts <= 1:
		return 2.5
	case f.Hosts == 2 && young:
		return 2
	case f.Hosts == 2:
		return 1.5
	}
	return 0
}

// around is the part of the usual context that a download has no own sign for.
func (d *Detector) around(k *census.Contact) (s reasons) {
	if inside(k) {
		return nil
	}
	w := incident.Weigh(d.census, k)
	for _, r := range w.Reasons() {
		switch r.Kind {
		case "around-proxy", "program", "hours":
			s = append(s, r)
		}
	}
	return s
}

// guilt is when a domain attacked which machine.
type guilt struct {
	at     int64
	source uint64
}

// convicted weighs that the domain attacked another machine.
func (d *Detector) convicted(x *visit, k *census.Contact) (s reasons) {
	g := d.guilty.Get(x.domain)
	now := k.Meta.At
	if g == nil || g.source == k.Source || now-g.at > convicts {
		return nil
	}
	s.add("convicted", 5, incident.Say("another machine received what was alerted from the same domain %s ago",
		"別の端末も%s前に同じドメインから受信し、通知済み", incident.Span(max(now-g.at, 0))))
	return s
}

// convict notes that a domain attacked. Its first victim stays the witness.
func (d *Detector) convict(x *visit, k *census.Contact) {
	now := k.Meta.At
	if g, fresh := d.guilty.At(x.domain); fresh || now-g.at > convicts || now < g.at {
		*g = guilt{now, k.Source}
	}
}

// call is a request or handshake that may follow a download.
type call struct {
	x       *visit
	k       *census.Contact
	tls     bool
	unheard bool   // the machine did not use that program before
	by      string // what tells the program: "User-Agent", "JA4"
	program string
}

// after weighs a call that follows a download: another program comes, or a program
// that was not heard before calls a place that nobody contacted before. What a
// user installs does so, too; it tells less.
func (d *Detector) after(e *episode, c *call) (s reasons) {
	switch known := d.census.Familiar(c.k); {
	case c.x.referrer != 0 || c.k.Status || houseKeeping(c.program) || e.knows(c.x.domain) || inside(c.k):
		return nil
	case known.Since < e.at || known.Hosts > 1:
		return nil
	}
	part := 1.0
	if !e.payload || e.finding.Rule != ruleDriveBy {
		part = 0.5
	}
	then, by := incident.Span(c.x.at-e.at), c.by+" "+incident.Quote(c.program)
	switch {
	case c.x.risk.payload() && e.payload: // else it is what the attack was for, and judged as that
		s.add("after", 4.5*part, incident.Say("%s later another program came from a place that nobody contacted before: %s",
			"%s後、これまで誰も接続していない場所から別のプログラムが届いた：%s", then, c.x.where()))
	case c.unheard && c.tls:
		s.add("after", 3.5*part, incident.Say("%s later a program that was not heard before opened TLS to a place that nobody contacted before: %s, %s",
			"%s後、これまで見られなかったプログラムが、誰も接続していない場所へTLSで接続した：%s、%s", then, c.x.where(), by))
	case c.unheard && c.x.post:
		s.add("after", 5*part, incident.Say("%s later a program that was not heard before sent a POST to a place that nobody contacted before: %s, %s",
			"%s後、これまで見られなかったプログラムが、誰も接続していない場所へPOSTした：%s、%s", then, c.x.where(), by))
	case c.unheard:
		s.add("after", 4.5*part, incident.Say("%s later a program that was not heard before called a place that nobody contacted before: %s, %s",
			"%s後、これまで見られなかったプログラムが、誰も接続していない場所へ接続した：%s、%s", then, c.x.where(), by))
	case c.x.post && c.k.Name == "":
		s.add("after", 3*part, incident.Say("%s later came a POST to an address without a name that nobody contacted before: %s",
			"%s後、誰も接続していないIPアドレスへのPOSTがあった：%s", then, c.x.where()))
	}
	return s
}

// houseKeeping tells what operating systems send whatever happens: they check the
// signature of a program that has just come, and whether there is a network.
func houseKeeping(agent string) bool {
	return strings.HasPrefix(agent, "Microsoft-CryptoAPI/") || agent == "Microsoft NCSI"
}
