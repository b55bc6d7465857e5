package download

import (
	"net/url"
	"strings"

	"kagami/detectors/census"
	"kagami/detectors/table"
	"kagami/records"
)

// visits are the last requests of one machine, by which a download is traced back
// through referrers and redirections to where the user was.
type visits struct {
	ring [remembered]visit
	n    int // ever
}

const (
	remembered = 32
	maxSteps   = 8
	maxShown   = 72 // octets of a URL that are kept
)

// visit is one remembered request. It holds no pointers.
type visit struct {
	at, end  int64 // first octet of the request, last of the response; nanoseconds since the epoch
	uid      uint64
	url      uint64 // hashes, 0 = none
	referrer uint64
	from     uint64 // host of the referrer
	origin   uint64 // registered domain of the referrer
	location uint64
	host     uint64
	domain   uint64 // registered domain, or the host where there is none
	agent    uint64
	risk     risk
	page     bool // a document that a person may look at
	post     bool
	textLen  uint8
	hostLen  uint8
	text     [maxShown]byte // of the URL, without its scheme, cut
}

// condense keeps of a transaction what leads on.
func (d *Detector) condense(v *visit, r *records.HTTP, k *census.Contact, g *goods) {
	*v = visit{at: r.Start, end: max(r.End, r.Start), uid: r.Meta().UID, risk: g.risk, agent: textKey(r.UserAgent),
		host: k.Destination(), domain: k.DomainKey(), url: textKey(withoutFragment(r.URL))}
	v.show(k, r.URL)
	if r.Referrer != "" {
		v.referrer = textKey(withoutFragment(r.Referrer))
		v.from, v.origin = d.domains.of(r.Referrer)
	}
	if r.Location != "" {
		v.location = textKey(withoutFragment(resolve(r.URL, r.Location)))
	}
	v.page = r.Status == 200 && (r.Magic == "html" || mediaType(r.ContentType) == "text/html")
	v.post = r.Method == "POST"
}

// show keeps the host and what follows it in the URL.
func (v *visit) show(k *census.Contact, raw string) {
	b := v.text[:0]
	if k.Name == "" {
		b = k.Addr.AppendTo(b)
	} else {
		for i := range min(len(k.Name), maxShown) {
			c := k.Name[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
	}
	v.hostLen = uint8(len(b))
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			b = append(b, rest[i:min(len(rest), i+maxShown-len(b))]...)
		}
	}
	v.textLen = uint8(len(b))
}

func (v *visit) hostName() string { return string(v.text[:v.hostLen]) }

// leaf tells what nothing follows from, so that it need not be remembered: a
// page's pictures would push out the page.
func leaf(r *records.HTTP, k risk) bool {
	if k != harmless || r.Location != "" || r.Method == "POST" {
		return false
	}
	t := mediaType(r.ContentType)
	switch kind, _, _ := strings.Cut(t, "/"); kind {
	case "image", "font", "audio", "video":
		return true
	}
	return t == "text/css" || r.Status == 304
}

// textKey is a hash of a string as it is, 0 for none.
func textKey(s string) uint64 {
	if s == "" {
		return 0
	}
	h := uint64(14695981039346656037) // FNV-1a
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return table.Mix(h)
}

func withoutFragment(s string) string {
	s, _, _ = strings.Cut(s, "#")
	return s
}

// domains remember which registered domain the hosts in URLs belong to: the list
// of public suffixes is slow to read. One slot a hash: a newcomer takes its place.
type domains [maxDomains]struct{ text, host, domain uint64 }

// of gives the keys of a URL's host and its domain, 0 if there is none.
func (d *domains) of(raw string) (host, domain uint64) {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return 0, 0
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	key := textKey(rest)
	slot := &d[key%maxDomains]
	if slot.text == key {
		return slot.host, slot.domain
	}
	t, err := census.ParseTarget(rest[strings.LastIndexByte(rest, '@')+1:])
	if err != nil {
		return 0, 0
	}
	k := census.Contact{Name: t.Name, Addr: t.Addr}
	slot.text, slot.host, slot.domain = key, k.Destination(), k.DomainKey()
	return slot.host, slot.domain
}

// resolve makes a Location absolute (RFC 9110 section 10.2.2).
func resolve(base, location string) string {
	if strings.Contains(location, "://") {
		return location
	}
	b, err := url.Parse(base)
	if err != nil {
		return location
	}
	l, err := b.Parse(location)
	if err != nil {
		return location
	}
	return l.String()
}

// next is the place of the next request: the oldest one's.
func (v *visits) next() *visit {
	v.n++
	return &v.ring[(v.n-1)%remembered]
}

// recent calls yield with the requests not older than since, youngest first,
// until it returns false.
func (v *visits) recent(since int64, yield func(*visit) bool) {
	for i := v.n - 1; i >= 0 && i >= v.n-remembered; i-- {
		if x := &v.ring[i%remembered]; x.at >= since && !yield(x) {
			return
		}
	}
}

// voices are the programs that a machine was heard to use, by the family of
// their User-Agent or their JA4; of too many, the oldest is forgotten.
type voices struct {
	heard [maxVoices]uint64
	n     int // ever
}

const maxVoices = 32

// hear reports whether a program was not heard before, and remembers it.
func (v *voices) hear(family uint64) bool {
	for _, have := range v.heard[:min(v.n, maxVoices)] {
		if have == family {
			return false
		}
	}
	v.heard[v.n%maxVoices] = family
	v.n++
	return true
}
