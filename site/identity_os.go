package site

import "strings"

// votes weighs the signs for operating systems that come from one address. Many
// programs lie, or say what they said ten years ago: a guess needs two thirds of
// the weight for one family, falls when it has less than half, and makes way for
// one that weighs twice as much. So what is behind a NAT has none.
type votes struct {
	list   [maxVotes]vote
	n      uint8
	total  int
	last   string // of the agent read last
	weight int
}

type vote struct {
	os     string
	weight int
}

const (
	maxVotes   = 8
	maxWeight  = 1024 // sum at which all are halved: what is older counts less
	weightSaid = 1    // a browser says so
	weightSelf = 4    // a part of the system itself says so
	fairWeight = 16   // sum from which on a guess may fall
)

// add counts a sign and returns the best guess, "" if there is none; now is the
// guess so far.
func (v *votes) add(os string, weight int, now string) string {
	i := 0
	for i < int(v.n) && v.list[i].os != os {
		i++
	}
	if i == int(v.n) {
		if v.n == maxVotes {
			i = v.weakest()
			v.total -= v.list[i].weight
		} else {
			v.n++
		}
		v.list[i] = vote{os: os}
	}
	v.list[i].weight += weight
	if v.total += weight; v.total > maxWeight {
		v.total = 0
		for j := range v.list[:v.n] {
			v.list[j].weight /= 2
			v.total += v.list[j].weight
		}
	}
	return v.best(now)
}

func (v *votes) weakest() int {
	low := 0
	for i := range v.list[:v.n] {
		if v.list[i].weight < v.list[low].weight {
			low = i
		}
	}
	return low
}

// best weighs the guess so far against the strongest family. Within one, what
// says more than the family's name goes before it.
func (v *votes) best(now string) string {
	list := v.list[:v.n]
	of := func(kind string) (sum int) {
		for _, x := range list {
			if family(x.os) == kind {
				sum += x.weight
			}
		}
		return sum
	}
	kind, most := "", 0
	for _, x := range list {
		if sum := of(family(x.os)); sum > most {
			kind, most = family(x.os), sum
		}
	}
	switch {
	case now != "" && kind != family(now) && 2*of(family(now)) >= v.total:
		return now
	case 3*most >= 2*v.total:
		return v.detail(kind, now)
	case now == "" || v.total >= fairWeight && 2*of(family(now)) < v.total:
		return ""
	}
	return now
}

// detail is the strongest member of a family, a known one until another weighs
// twice as much.
func (v *votes) detail(kind, now string) string {
	best, current := vote{os: kind}, 0
	for _, x := range v.list[:v.n] {
		if x.os == now && now != kind && family(now) == kind {
			current = x.weight
		}
		if family(x.os) == kind && x.os != kind && x.weight > best.weight {
			best = x
		}
	}
	if current > 0 && best.weight < 2*current {
		return now
	}
	return best.os
}

// family is the kind of system that a guess belongs to.
func family(os string) string {
	first, _, _ := strings.Cut(os, " ")
	switch first {
	case "Ubuntu", "Debian", "Fedora", "Linux":
		return "Linux"
	}
	return first
}

// windows are the versions of the NT kernel as programs name them.
var windows = map[string]string{
	"10.0": "Windows 10 or later", "6.3": "Windows 8.1", "6.2": "Windows 8", "6.1": "Windows 7",
	"6.0": "Windows Vista", "5.2": "Windows XP", "5.1": "Windows XP", "5.0": "Windows 2000",
}

// osOf reads a User-Agent: the system, and how much to give on it. "" if it does
// not say. Browsers freeze what they say: Windows at NT 10.0, macOS at 10.15.7,
// Android at 10 (with the model "K").
func osOf(agent string) (os string, weight int) {
	for _, part := range [...]string{"Microsoft-CryptoAPI/", "Windows-Update-Agent/", "Microsoft-Delivery-Optimization/", "Microsoft-WNS/"} {
		if v, ok := version(agent, part, "."); ok {
			return windowsOf(v), weightSelf
		}
	}
	if strings.HasPrefix(agent, "Microsoft NCSI") || strings.HasPrefix(agent, "Microsoft BITS/") {
		return "Windows", weightSelf
	}
	if v, ok := version(agent, "Windows NT ", "."); ok {
		return windowsOf(v), weightSaid
	}
	if os, ok := apple(agent); ok {
		return os, weightSaid
	}
	if v, ok := version(agent, "Android ", "."); ok {
		if v == "10" && strings.Contains(agent, "; K)") {
			return "Android", weightSaid
		}
		return "Android " + v, weightSaid
	}
	return other(agent), weightSaid
}

func windowsOf(v string) string {
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if name, ok := windows[major+"."+minor]; ok {
		return name
	}
	return "Windows"
}

// apple reads the systems of one maker, which all say "Mac OS X".
func apple(agent string) (string, bool) {
	for _, x := range [...]struct{ mark, name string }{{"CPU iPhone OS ", "iOS "}, {"CPU OS ", "iPadOS "}, {"Mac OS X ", "macOS "}} {
		if v, ok := version(agent, x.mark, "_."); ok {
			v = strings.ReplaceAll(v, "_", ".")
			if x.name == "macOS " && v == "10.15.7" {
				return "macOS 10.15.7 or later", true
			}
			return x.name + v, true
		}
	}
	return "", false
}

// other finds a system by its name; the more telling ones go first.
func other(agent string) string {
	for _, x := range [...]struct{ mark, name string }{
		{"CrOS ", "ChromeOS"}, {"Debian APT-", "Debian or a descendant"}, {"Ubuntu", "Ubuntu"}, {"Fedora", "Fedora"}, {"Debian", "Debian"},
		{"Tizen", "Tizen"}, {"Web0S", "webOS"}, {"webOS", "webOS"}, {"PlayStation", "PlayStation"}, {"Nintendo", "Nintendo"},
		{"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"}, {"Android", "Android"}, {"Linux", "Linux"}, {"Windows", "Windows"}, {"Macintosh", "macOS"},
	} {
		if strings.Contains(agent, x.mark) {
			return x.name
		}
	}
	return ""
}

// version is the number behind a mark: digits and separators, at most 16.
func version(s, mark, separators string) (string, bool) {
	i := strings.Index(s, mark)
	if i < 0 {
		return "", false
	}
	s = s[i+len(mark):]
	n := 0
	for n < len(s) && n < 16 && ('0' <= s[n] && s[n] <= '9' || n > 0 && strings.IndexByte(separators, s[n]) >= 0) {
		n++
	}
	v := strings.TrimRight(s[:n], separators)
	return v, v != ""
}
