package exporters

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// shedder makes lines fit by leaving fields out. What is left is a line of the
// same format, and says in a field of its own what it lacks:
//
//	JSON          "kagami":{"shed":["dns.answers"]}, in Zeek's flat "kagami.shed":["query"]
//	CEF           KagamiKagamiShed=request,cs5
//	LEEF          kagamiShed=url
//	access logs   the longest URLs are cut and end in #kagami-shed, a fragment,
//	              which no client sends
//
// The largest field goes first: of JSON first those of kagami.* and arrays (the
// last one keeps the elements that still fit), then the others; last those that
// tell who and when, and never those that say what record this is and which of the
// sensor's lines. Lines of other formats are never long and cannot be cut.
type shedder struct {
	parts []part
	order []int32 // of parts, in the order in which they go
	paths []byte  // of nested fields
}

// part is a field of a line.
type part struct {
	path     []byte // name, of JSON with those of the objects around it
	from, to int    // the field in the text, name included
	value    int    // where its value begins
	last     int    // of an object: one behind its last member in parts; else 0
	keep     int    // of a shortened array: where its elements end; 0 = whole
	gone     bool
	tier     tier
}

// tier tells when a field goes.
type tier uint8

const (
	optional  tier = iota
	usual          // when no optional one is left
	important      // when no usual one is left
	precious       // when nothing else helps: a heartbeat's signed text
	vital          // never
)

// shedNames is how many fields a marker names; it counts the others.
const shedNames = 8

// append appends the line within room octets; false: it cannot be made to fit,
// and dst is as it was.
func (s *shedder) append(dst, text []byte, room int) ([]byte, bool) {
	at := len(dst)
	var ok bool
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		dst, ok = s.appendJSON(dst, text, room)
	case bytes.HasPrefix(text, []byte("CEF:")):
		dst, ok = s.appendPairs(dst, text, room, cefPairs(text))
	case bytes.HasPrefix(text, []byte("LEEF:")):
		dst, ok = s.appendPairs(dst, text, room, leefPairs(text))
	default:
		dst, ok = appendCutURLs(dst, text, room)
	}
	if !ok || len(dst)-at > room {
		return dst[:at], false
	}
	return dst, true
}

// choose marks parts as gone until excess octets and the marker's are saved. The
// marker has overhead octets besides its names, which stand in quotes of so many.
// It returns what is left over; less than 0: all went that may, and the objects
// around it are yet to be counted.
func (s *shedder) choose(excess, overhead, quotes int) (slack int) {
	s.order = s.order[:0]
	for i := range s.parts {
		if p := &s.parts[i]; p.last == 0 && p.tier < vital {
			s.order = append(s.order, int32(i))
		}
	}
	slices.SortStableFunc(s.order, func(a, b int32) int {
		p, q := &s.parts[a], &s.parts[b]
		return cmp.Or(cmp.Compare(p.tier, q.tier), cmp.Compare(q.to-q.from, p.to-p.from))
	})
	slack = -excess - overhead
	for n, i := range s.order {
		p := &s.parts[i]
		p.gone = true
		slack += p.to - p.from + 1 // and a separator
		if n < shedNames {
			slack -= len(p.path) + quotes
		}
		if n == shedNames {
			slack -= len("and 10000 more") + quotes
		}
		if slack >= 0 {
			s.order = s.order[:n+1]
			break
		}
	}
	return slack
}

// appendNames appends the names of what is gone.
func (s *shedder) appendNames(dst []byte, quote string) []byte {
	for n, i := range s.order {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, quote...)
		if n == shedNames {
			dst = strconv.AppendInt(append(dst, "and "...), int64(len(s.order)-n), 10)
			return append(append(dst, " more"...), quote...)
		}
		dst = append(append(dst, s.parts[i].path...), quote...)
	}
	return dst
}

// pairFormat is how a line of pairs is read.
type pairFormat struct {
	start  int  // of the pairs
	sep    byte // between them
	marker string
	tiers  func(key []byte) tier
}

func cefPairs(text []byte) pairFormat {
	return pairFormat{start: fieldStart(text, 7), sep: ' ', marker: "KagamiKagamiShed=", tiers: cefTier}
}

func leefPairs(text []byte) pairFormat {
	if bytes.HasPrefix(text, []byte("LEEF:1.0|")) {
		return pairFormat{start: fieldStart(text, 5), sep: '\t', marker: "kagamiShed=", tiers: leefTier}
	}
	return pairFormat{start: fieldStart(text, 6), sep: '^', marker: "kagamiShed=", tiers: leefTier}
}

// fieldStart is where the text behind n bars begins that no backslash escapes, or
// its end.
func fieldStart(text []byte, n int) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '|':
			if n--; n == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

func cefTier(key []byte) tier {
	switch string(key) {
	case "rt", "externalId", "cat", "src", "dst":
		return vital
	case "dvchost", "c6a2", "c6a3", "spt", "dpt", "proto", "start", "end", "app", "act", "outcome":
		return important
	}
	return usual
}

func leefTier(key []byte) tier {
	switch string(key) {
	case "devTime", "cat", "sev", "eventId", "src", "dst":
		return vital
	case "sensor", "srcPort", "dstPort", "proto", "application":
		return important
	case leefHeartbeat:
		return precious
	}
	return usual
}

func (s *shedder) appendPairs(dst, text []byte, room int, f pairFormat) ([]byte, bool) {
	s.parts = s.parts[:0]
	for from := f.start; from < len(text); {
		to := pairEnd(text, from, f.sep)
		key, _, _ := bytes.Cut(text[from:to], []byte("="))
		t := f.tiers(key)
		if isStamp(key) {
			t = vital
		}
		if n := len(s.parts); n > 0 && bytes.HasSuffix(key, []byte("Label")) && bytes.Equal(key[:len(key)-5], s.parts[n-1].path) {
			s.parts[n-1].to = to // a custom field goes with its label
		} else {
			s.parts = append(s.parts, part{path: key, from: from, to: to, tier: t})
		}
		from = to + 1
	}
	s.choose(len(text)-room, 1+len(f.marker), 1)
	dst = append(dst, text[:f.start]...)
	marked := false
	for i := range s.parts {
		p := &s.parts[i]
		if !marked && isStamp(p.path) { // stays behind everything else
			marked = true
			dst = append(s.appendNames(append(dst, f.marker...), ""), f.sep)
		}
		if !p.gone {
			dst = append(append(dst, text[p.from:p.to]...), f.sep)
		}
	}
	if marked {
		return dst[:len(dst)-1], true
	}
	return s.appendNames(append(dst, f.marker...), ""), true
}

// isStamp tells whether a key says which sensor and which of its lines this is.
func isStamp(key []byte) bool { return bytes.HasPrefix(key, []byte("kagami")) }

// pairEnd is where the pair that begins at from ends. A CEF value may hold blanks,
// and equals signs only behind a backslash: the next key tells.
func pairEnd(text []byte, from int, sep byte) int {
	if sep != ' ' {
		if n := bytes.IndexByte(text[from:], sep); n >= 0 {
			return from + n
		}
		return len(text)
	}
	equals, blank := 0, 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ' ':
			blank = i
		case '=':
			if equals++; equals == 2 {
				return max(blank, from)
			}
		}
	}
	return len(text)
}

// shedURL ends a URL that was cut.
const shedURL = "#kagami-shed"

// appendCutURLs cuts the longest URLs of a plain line behind their authority.
func appendCutURLs(dst, text []byte, room int) ([]byte, bool) {
	at := len(dst)
	dst = append(dst, text...)
	for len(dst)-at > room {
		from, to := longestURL(dst[at:])
		if to == 0 {
			return dst[:at], false
		}
		url := dst[at+from : at+to]
		least := bytes.Index(url, []byte("://")) + 3
		if n := bytes.IndexByte(url[least:], '/'); n >= 0 {
			least += n + 1
		} else {
			least = len(url)
		}
		keep := max(least, len(url)-(len(dst)-at-room)-len(shedURL))
		if keep+len(shedURL) >= len(url) {
			return dst[:at], false
		}
		keep = wholeOctets(url, keep, least)
		rest := text[len(text)-(len(dst)-at-to):]
		dst = append(append(dst[:at+from+keep], shedURL...), rest...)
	}
	return dst, true
}

// wholeOctets moves a cut back to where it is in no escape and no rune.
func wholeOctets(url []byte, cut, least int) int {
	for i := 1; i <= 2 && cut-i >= least; i++ {
		if url[cut-i] == '%' {
			return cut - i
		}
	}
	for cut > least && !utf8.RuneStart(url[cut]) {
		cut--
	}
	return cut
}

// longestURL is where the longest run of octets lies that holds "://" and neither
// a blank nor a quotation mark.
func longestURL(text []byte) (from, to int) {
	for i := 0; i < len(text); {
		n := bytes.IndexAny(text[i:], " \"")
		if n < 0 {
			n = len(text) - i
		}
		if n > to-from && bytes.Contains(text[i:i+n], []byte("://")) && !bytes.HasSuffix(text[i:i+n], []byte(shedURL)) {
			from, to = i, i+n
		}
		i += n + 1
	}
	return from, to
}
