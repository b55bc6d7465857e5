package decoders

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// splitDomain cuts a name in presentation format along the Public Suffix List
// (ICANN and private part): "www.Example.co.jp" is "www", "example.co.jp",
// "co.jp". A part that does not exist is "".
func splitDomain(name string) (subdomain, registered, suffix string) {
	lower := strings.ToLower(name)
	// An escaped dot does not end a label; keep the list from seeing it.
	plain := strings.ReplaceAll(lower, `\.`, `\_`)
	if plain == "" || plain == "." || plain[0] == '.' {
		return "", "", ""
	}
	suffix, _ = publicsuffix.PublicSuffix(plain)
	suffix = lower[len(lower)-len(suffix):]
	rest, ok := strings.CutSuffix(plain, "."+plain[len(plain)-len(suffix):])
	if !ok {
		return "", "", suffix
	}
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		return lower[:i], lower[i+1:], suffix
	}
	return "", lower, suffix
}
