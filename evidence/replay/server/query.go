package server

import (
	"slices"
	"strings"
)

// minScore is the least part of a query that has to be the same.
const minScore = 0.5

// maxParameters bounds the parameters of a query that are compared.
const maxParameters = 256

// busters are the names of parameters that are there to be different each time. Those
// of numbers only are if their value is a number.
func busters() (any, numbers []string) {
	return []string{"_", "cachebuster", "cachebust", "cache_buster", "cb", "nocache", "no_cache", "uncache", "rnd", "rand", "random", "correlator", "ord", "timestamp", "zx"},
		[]string{"t", "ts", "_t", "_ts", "time", "tm", "dc", "_dc", "r", "z", "n", "nc", "ver", "utmn", "j", "now", "date"}
}

// parameter is one of a query; whole is it as written.
type parameter struct{ name, whole string }

// parameters are those of a query, in the order of their names and values.
func parameters(query string) []parameter {
	var all []parameter
	for s := range strings.FieldsFuncSeq(strings.TrimPrefix(query, "?"), func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(s, "=")
		all = append(all, parameter{name, s})
		if len(all) == maxParameters {
			break
		}
	}
	slices.SortFunc(all, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.whole, b.whole)
	})
	return all
}

// isBuster tells a parameter that is there to be different each time.
func (p parameter) isBuster() bool {
	any, numbers := busters()
	name := strings.ToLower(p.name)
	value := strings.TrimPrefix(p.whole[len(p.name):], "=")
	switch {
	case slices.Contains(any, name):
		return true
	case slices.Contains(numbers, name):
		return isNumber(value)
	}
	const seconds = 10 // digits of a time in seconds since the epoch
	return len(p.whole) == len(p.name) && len(name) >= seconds && isNumber(name)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// withoutBusters is what a query has besides, in order.
func withoutBusters(query string) string {
	var b strings.Builder
	for _, p := range parameters(query) {
		if !p.isBuster() {
			b.WriteByte('&')
			b.WriteString(p.whole)
		}
	}
	return b.String()
}

// overlap is the part of two queries that is the same: 1 for a parameter in both, one
// half if its values differ, of the number of parameters of the longer.
func overlap(a, b []parameter) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	same, names := 0, 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].name < b[j].name:
			i++
		case a[i].name > b[j].name:
			j++
		default:
			k, l := run(a, i), run(b, j)
			equal := common(a[i:k], b[j:l])
			same += equal
			names += min(k-i, l-j) - equal
			i, j = k, l
		}
	}
	return (float64(same) + float64(names)/2) / float64(max(len(a), len(b)))
}

// run is where parameters of another name begin.
func run(ps []parameter, from int) int {
	to := from
	for to < len(ps) && ps[to].name == ps[from].name {
		to++
	}
	return to
}

// common counts what both have.
func common(a, b []parameter) (n int) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := strings.Compare(a[i].whole, b[j].whole); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			n++
			i++
			j++
		}
	}
	return n
}
