package incident

import (
	"strconv"

	"kagami/detectors/census"
)

// Weights are what surrounds a contact, for and against, before anything is put
// into words. It is a value: making one costs no allocation.
type Weights struct {
	list  [maxWeights]weight
	n     int
	known census.Familiarity
	now   int64
	port  uint16
}

type weight struct {
	kind string
	nats float64
}

const (
	maxWeights = 8
	rareUnder  = 10 // active machines under which a rare program says nothing
)

// Weigh looks at what surrounds a contact: how many machines know its destination
// and since when, whether it has a name, whether it goes around the proxy or
// through it to an odd port, whether its program is rare, whether the hour is
// unusual, and whether it asks for the status of certificates.
//
// What needs more than one contact is the detector's: a Reason of the kind "hours"
// for several contacts out of hours replaces that of one, "size" is for requests of
// one size, "service" for names on a list of known services.
func Weigh(c *census.Census, k *census.Contact) Weights {
	w := Weights{known: c.Familiar(k), now: c.Now(), port: k.Port}
	w.add("prevalence", prevalence(&w.known))
	w.add("age", age(&w.known))
	if c.Nameless(k) {
		w.add("nameless", 2)
	}
	h := c.HostOf(k.Source)
	switch {
	case k.How == census.ByProxyConnect && k.Port != 443 && k.Port != 80:
		w.add("tunnel-port", 1.5)
	case !k.Proxied() && k.How != census.OverDNS && h != nil && h.ProxiedN >= census.UsesProxy:
		w.add("around-proxy", 2)
	}
	if w.known.Total >= rareUnder && c.Learned() &&
		(k.JA4 != "" && c.JA4Hosts(k.JA4) == 1 || k.Agent != "" && c.AgentHosts(k.Agent) == 1) {
		w.add("program", 1.5)
	}
	if h != nil && h.Attended(interactive) {
		if share := h.Usual(k.Start); share >= 0 && share < unusualHour {
			w.add("hours", 0.5)
		}
	}
	if k.Status {
		w.add("service", -8)
	}
	return w
}

const (
	interactive = 6    // destinations of a machine that a person uses
	unusualHour = 0.02 // share of weeks in which a machine is active in that hour
)

func (w *Weights) add(kind string, nats float64) {
	if nats != 0 && w.n < maxWeights {
		w.list[w.n] = weight{kind, nats}
		w.n++
	}
}

// Nats is the sum.
func (w *Weights) Nats() float64 {
	total := 0.0
	for _, x := range w.list[:w.n] {
		total += x.nats
	}
	return total
}

// Known is how well the destination is known inside.
func (w *Weights) Known() census.Familiarity { return w.known }

// Reasons puts the weights into words.
func (w *Weights) Reasons() []Reason {
	reasons := make([]Reason, 0, w.n+4) // room for the detector's own
	for _, x := range w.list[:w.n] {
		reasons = append(reasons, Reason{x.kind, x.nats, w.text(x.kind)})
	}
	return reasons
}

// Context is what surrounds a contact, in words.
func Context(c *census.Census, k *census.Contact) []Reason {
	w := Weigh(c, k)
	return w.Reasons()
}

// prevalence is the evidence in nats of the number of machines that know a
// destination: what infects one machine is known to one machine.
func prevalence(f *census.Familiarity) float64 {
	switch {
	case f.Common():
		return -6
	case f.Hosts <= 1:
		return 2.5
	case f.Hosts == 2:
		return 1.5
	}
	return 0
}

// age is the evidence in nats of when a destination was first seen; the first
// day of a sensor knows nothing about age.
func age(f *census.Familiarity) float64 {
	switch {
	case f.Old:
		return -1.5
	case f.New:
		return 1.5
	}
	return 0
}

func (w *Weights) text(kind string) Text {
	switch kind {
	case "prevalence":
		return Prevalence(&w.known)
	case "age":
		return Say("first contacted by anyone here %s ago", "この環境での初回接続は%s前", Span(max(w.now-w.known.Since, 0)))
	case "nameless":
		return Say("an address that no DNS answer gave out", "DNS応答に現れたことのないIPアドレスへの接続")
	case "tunnel-port":
		return Say("a proxy tunnel (CONNECT) to port %d, not 443", "プロキシのCONNECTトンネルの宛先が443番でなく%d番ポート", w.port)
	case "around-proxy":
		return Say("goes around the proxy that this machine otherwise uses", "普段プロキシを使う端末が、プロキシを通らずに接続")
	case "program":
		return Say("a program (User-Agent or TLS fingerprint) that only this machine has", "この端末だけで見られるプログラム（User-AgentまたはTLSフィンガープリント）")
	case "hours":
		return Say("at an hour at which this machine is hardly ever active", "この端末が普段ほとんど動いていない時間帯")
	case "service":
		return Say("asks for the status of certificates, as every system does", "証明書の失効確認（どのシステムでも行う通信）")
	}
	return Text{}
}

// Prevalence says how many machines know a destination, and since when.
func Prevalence(f *census.Familiarity) Text {
	who, of, since := hosts(max(f.Hosts, 1)), Plural(f.Total, "known machine", "known machines", "既知の端末%d台"), Clock(f.Since)
	switch {
	case f.Common():
		return Say("%s of %s contact this destination, the first on %s: it belongs to this place",
			"%[2]sのうち%[1]sがこの宛先に接続（初回%[3]s、この環境では一般的）", who, of, since)
	case f.Hosts <= 1:
		return Say("%s of %s contacts this destination, first on %s", "%[2]sのうち、この宛先に接続したのは%[1]sのみ（初回%[3]s）", who, of, since)
	}
	return Say("%s of %s contact this destination, the first on %s", "%[2]sのうち、この宛先に接続したのは%[1]s（初回%[3]s）", who, of, since)
}

// hosts is a number that is exact up to the size of a crowd.
func hosts(n int) Text {
	if n >= mostCounted {
		return Say("at least %d", "%d台以上", n)
	}
	return Text{strconv.Itoa(n), strconv.Itoa(n) + "台"}
}

// mostCounted is how many machines a census counts exactly (table.Crowd).
const mostCounted = 10
