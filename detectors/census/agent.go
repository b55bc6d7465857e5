package census

import "kagami/detectors/table"

// AgentFamily is a hash of a User-Agent without what changes with each release
// and differs between machines that run one program: any version number is as
// good as another, languages, builds and letter case are left out. Firefox 128
// in English and Firefox 129 in Japanese are one family, as are curl/7.88.1 and
// curl/8.5.
func AgentFamily(agent string) uint64 {
	f := fingerprint{h: fnvOffset}
	for i := 0; i < len(agent); {
		if !alphanumeric(agent[i]) {
			f.separate(agent[i])
			i++
			continue
		}
		end := i + 1
		for end < len(agent) && alphanumeric(agent[end]) {
			end++
		}
		token := agent[i:end]
		i = end
		switch {
		case language(token):
		case fold(token, "build"): // Android: "Build/TQ3A.230805.001"
			for i < len(agent) && agent[i] != ')' && agent[i] != ';' && agent[i] != ' ' {
				i++
			}
		default:
			f.token(token)
		}
	}
	return table.Mix(f.h)
}

// fingerprint is the hash (FNV-1a) of the signs that make a family.
type fingerprint struct {
	h    uint64
	sep  byte // before the next token, 0 = none
	last byte // sign hashed
}

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

// separate notes a sign between tokens. Those inside of versions and languages
// do not separate.
func (f *fingerprint) separate(c byte) {
	switch c {
	case '.', ',', '_', '-':
	default:
		f.sep = c
	}
}

// token hashes letters in lower case up to the first digit, which stands for the
// whole version that begins there.
func (f *fingerprint) token(s string) {
	if digit(s[0]) && f.sep == 0 && f.last == '0' {
		return // a further part of the same version
	}
	if f.sep != 0 {
		f.sign(f.sep)
		f.sep = 0
	}
	for i := range len(s) {
		if digit(s[i]) {
			f.sign('0')
			return
		}
		f.sign(lower(s[i]))
	}
}

func (f *fingerprint) sign(c byte) { f.h, f.last = (f.h^uint64(c))*fnvPrime, c }

func digit(c byte) bool { return '0' <= c && c <= '9' }

func alphanumeric(c byte) bool { return digit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80 }

// language tells whether a token may be a language or a region ("en", "US": RFC
// 5646). Other words of two letters are rare in User-Agents.
func language(s string) bool {
	return len(s) == 2 && !digit(s[0]) && !digit(s[1]) && !fold(s, "nt") && !fold(s, "rv") && !fold(s, "os")
}

// fold tells whether a token is a word given in lower case.
func fold(token, word string) bool {
	if len(token) != len(word) {
		return false
	}
	for i := range len(token) {
		if lower(token[i]) != word[i] {
			return false
		}
	}
	return true
}

// AgentHosts is how many machines use a program that names itself like that,
// exact up to 10.
func (c *Census) AgentHosts(agent string) int { return members(c.agents.Get(AgentFamily(agent))) }

// JA4Hosts is how many machines shake hands like that, exact up to 10.
func (c *Census) JA4Hosts(ja4 string) int { return members(c.prints.Get(table.Name(ja4))) }

func members(crowd *table.Crowd) int {
	if crowd == nil {
		return 0
	}
	return crowd.Len()
}
