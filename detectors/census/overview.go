package census

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"kagami/detectors/table"
)

// listed is how many addresses one sentence names.
const listed = 16

// Overview tells in sentences what is learned of the network, and what is still
// being learned and until when, in English and Japanese. Nothing in them comes
// from the wire but addresses.
func (c *Census) Overview(say func(en, ja string)) {
	if c.clock.start == 0 {
		say("Nothing was seen yet.", "まだ何も観測していません。")
		return
	}
	c.tellClock(say)
	say(fmt.Sprintf("%s inside active within 14 days, %d of them with a proxy; %s outside known.", plural(uint64(c.Hosts()), "machine"), c.Users(), plural(uint64(c.dests.Len()), "destination")),
		fmt.Sprintf("過去14日間に内部の端末%d台が通信し、うち%d台がプロキシを使っています。外部の宛先は%d件を記憶しています。", c.Hosts(), c.Users(), c.dests.Len()))
	for i, name := range roleNames {
		if role := Role(1) << i; role != Server {
			c.tellRole(role, name.en, name.ja, say)
		}
	}
	c.tellSight(say)
	c.tellOutages(say)
}

// tellClock tells since when the census learns, and when that is enough.
func (c *Census) tellClock(say func(en, ja string)) {
	k := &c.clock
	enough := k.settled + day
	if c.Learned() {
		say(fmt.Sprintf("Learning since %s. What is new to the network is told from what is old.", stamp(k.start)),
			fmt.Sprintf("%sから学習しています。このネットワークにとって新しい宛先と以前からの宛先を区別できます。", stamp(k.start)))
		return
	}
	say(fmt.Sprintf("Learning since %s. Until %s every destination may be an old one, so that its age counts for nothing.", stamp(k.start), stamp(enough)),
		fmt.Sprintf("%sから学習中です。%sまでは、どの宛先も以前から使われていた可能性があるため、初出かどうかを判断に使いません。", stamp(k.start), stamp(enough)))
}

// tellRole names the machines of a role.
func (c *Census) tellRole(role Role, en, ja string, say func(en, ja string)) {
	var list []string
	more := 0
	for _, l := range c.addresses.All() {
		a := netip.AddrFrom16(l.addr).Unmap()
		if c.Roles(a)&role == 0 {
			continue
		}
		if len(list) == listed {
			more++
			continue
		}
		list = append(list, a.String())
	}
	if len(list) == 0 {
		return
	}
	names := strings.Join(list, ", ")
	if more == 0 {
		say(fmt.Sprintf("Taken for a %s: %s.", en, names), fmt.Sprintf("%sとみなす機器：%s。", ja, names))
		return
	}
	say(fmt.Sprintf("Taken for a %s: %s, and %d more.", en, names, more), fmt.Sprintf("%sとみなす機器：%s、ほか%d件。", ja, names, more))
}

// tellSight tells what the mirror port does not show, so that it is not judged by.
func (c *Census) tellSight(say func(en, ja string)) {
	if c.Blind() {
		say("Most TCP connections show one direction only: that nobody answered counts for nothing. Check the mirror port.",
			"TCP接続の大半が片方向しか見えていません。応答がないことは判断に使いません。ミラーポートの設定を確認してください。")
	}
	if c.named.Len() == 0 {
		say("No answer of DNS was seen: that an address has no name counts for nothing.",
			"DNSの応答を観測していません。名前のないアドレスであることは判断に使いません。")
	}
	if !c.neighbours.sees() {
		say("Answers to ARP are not visible, or too few were seen to tell: unanswered requests count for nothing.",
			"ARPの応答が見えていないか、まだ少なすぎます。応答のないARP要求は判断に使いません。")
	}
}

// tellOutages tells when the sensor saw nothing or too little.
func (c *Census) tellOutages(say func(en, ja string)) {
	n := len(c.clock.outages)
	if n == 0 {
		return
	}
	last := c.clock.outages[n-1]
	say(fmt.Sprintf("The sensor was off, or lost %d %% of the packets and more, %s, the last time from %s to %s: what did not come then counts for nothing.",
		lossy, plural(uint64(n)+c.clock.forgotten, "time"), stamp(last.from), stamp(last.to)),
		fmt.Sprintf("センサーの停止、または%d %%以上のパケット損失が%d回ありました（最後は%sから%sまで）。その間に通信がなかったことは判断に使いません。",
			lossy, uint64(n)+c.clock.forgotten, stamp(last.from), stamp(last.to)))
}

// About tells in sentences what is learned of the machine at an address inside,
// and what is still being learned and until when.
func (c *Census) About(src netip.Addr, say func(en, ja string)) {
	src = src.Unmap()
	h := c.Host(src)
	if h == nil {
		say(fmt.Sprintf("%s was not seen as a client inside.", src), fmt.Sprintf("%sは、内部のクライアントとして観測されていません。", src))
	} else {
		say(fmt.Sprintf("%s: first seen %s, last %s.", src, stamp(h.First), stamp(h.Last)),
			fmt.Sprintf("%s：初回観測%s、最終観測%s。", src, stamp(h.First), stamp(h.Last)))
	}
	if h != nil {
		c.tellIdentity(src, say)
	}
	if r := c.Roles(src); r != 0 {
		var en, ja []string
		for i, name := range roleNames {
			if r&(1<<i) != 0 {
				en, ja = append(en, name.en), append(ja, name.ja)
			}
		}
		say("It is taken for: "+strings.Join(en, ", ")+".", "役割："+strings.Join(ja, "、")+"。")
	}
	if h != nil {
		h.tell(c.clock.now, say)
	}
}

// tellIdentity tells how the machine is known again, and its other addresses.
func (c *Census) tellIdentity(src netip.Addr, say func(en, ja string)) {
	l := c.addresses.Get(table.Addr(src))
	if l == nil {
		return
	}
	bound := [...]struct{ en, ja string }{
		byAddress: {"by its address only, so that another address would be another machine to the sensor", "アドレスのみ（アドレスが変わると別の端末とみなします）"},
		byName:    {"by its name", "ホスト名"},
		byMAC:     {"by its MAC address", "MACアドレス"},
	}[l.bound]
	var other []string
	for _, x := range c.addresses.All() {
		if a := netip.AddrFrom16(x.addr).Unmap(); x.id == l.id && a != src && len(other) < listed {
			other = append(other, a.String())
		}
	}
	en, ja := "It is known again "+bound.en+".", "識別の根拠："+bound.ja+"。"
	if len(other) > 0 {
		en += " Its other addresses, now or before: " + strings.Join(other, ", ") + "."
		ja += "ほかに使った（使っている）アドレス：" + strings.Join(other, ", ") + "。"
	}
	say(en, ja)
}

// tell tells a machine's habits.
func (h *Host) tell(now int64, say func(en, ja string)) {
	say(fmt.Sprintf("Lately it turned to %s outside (domains and addresses); it made %s through a proxy, and followed %s.",
		plural(uint64(h.Destinations), "destination"), plural(uint64(h.ProxiedN), "connection"), plural(uint64(h.BrowsedN), "link")),
		fmt.Sprintf("最近の外部の宛先は%d件（ドメイン・アドレス単位）、プロキシ経由の接続は%d件、リンクをたどった要求は%d件です。", h.Destinations, h.ProxiedN, h.BrowsedN))
	if h.Usual(now) < 0 {
		until := stamp(h.First + week)
		say(fmt.Sprintf("Its usual hours are being learned until %s at the earliest.", until), fmt.Sprintf("普段の活動時間帯を学習中です（早くて%sまで）。", until))
		return
	}
	n := 0
	for _, share := range h.hours {
		if share >= 128 {
			n++
		}
	}
	say(fmt.Sprintf("It is active in %d of the 168 hours of most weeks.", n), fmt.Sprintf("ほとんどの週に、1週間168時間のうち%d時間で活動しています。", n))
}

// plural is "1 machine", "2 machines".
func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// stamp writes a moment for people, in UTC.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04Z") }
