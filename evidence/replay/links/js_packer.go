package links

// unpack does what Dean Edwards' packer's function does with its own arguments:
// eval(function(p,a,c,k,e,d){…}('payload', radix, count, 'words'.split('|'), …)).
// Every word of the payload is a number in the radix; where the list has a word of
// that index, it stands there.
func (m *machine) unpack(callee value, args []value) (value, bool) {
	if len(args) < 4 || args[0].kind != valueString || args[1].kind != valueNumber || args[3].kind != valueArray {
		return value{}, false
	}
	payload, radix, words := args[0], int(args[1].number), args[3].list
	if radix < 2 || radix > 62 {
		return value{}, false
	}
	if !m.room(len(payload.b), callee.at) {
		return value{}, false
	}
	n := unpackedLen(payload.b, radix, words)
	payload.at = callee.at
	return m.decode(payload, n, func() []byte {
		out := make([]byte, 0, n)
		eachWord(payload.b, radix, words, func(piece []byte) { out = append(out, piece...) })
		return out
	}), true
}

func unpackedLen(payload []byte, radix int, words []value) int {
	n := 0
	eachWord(payload, radix, words, func(piece []byte) { n += len(piece) })
	return n
}

// eachWord calls with each piece of the unpacked text.
func eachWord(payload []byte, radix int, words []value, call func([]byte)) {
	for i := 0; i < len(payload); {
		start := i
		for i < len(payload) && (isLetter(payload[i]) || isDigit(payload[i]) || payload[i] == '_') {
			i++
		}
		if i == start {
			for i < len(payload) && !isLetter(payload[i]) && !isDigit(payload[i]) && payload[i] != '_' {
				i++
			}
			call(payload[start:i])
			continue
		}
		word := payload[start:i]
		if n := wordIndex(word, radix); n >= 0 && n < len(words) && len(words[n].b) > 0 {
			word = words[n].b
		}
		call(word)
	}
}

// wordIndex reads a number with the digits 0-9a-zA-Z; -1 if it is none.
func wordIndex(word []byte, radix int) int {
	n := 0
	for _, c := range word {
		d := -1
		switch {
		case isDigit(c):
			d = int(c - '0')
		case 'a' <= c && c <= 'z':
			d = int(c-'a') + 10
		case 'A' <= c && c <= 'Z':
			d = int(c-'A') + 36
		}
		if d < 0 || d >= radix || n > maxValues {
			return -1
		}
		n = n*radix + d
	}
	return n
}
