package decoders

import (
	"bytes"
	"strconv"

	"kagami/packet"
	"kagami/sensor"
)

// matchIMAP recognises IMAP by a greeting or untagged answer, or a tag and a
// command that need no more to be told from other protocols.
func matchIMAP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if first[0] == '*' {
		return matchIMAPAnswer(first, isIMAPPort(f.Key.Port(side)))
	}
	line, _, whole := bytes.Cut(first, []byte{'\n'})
	tag, rest, blank := bytes.Cut(trimEOL(line), []byte{' '})
	if !isMailText(first) || len(tag) > 16 || len(tag) == 0 || !isIMAPTag(tag) {
		return sensor.No
	}
	word, _, more := bytes.Cut(rest, []byte{' '})
	if !whole && !more {
		if blank && len(word) > 0 && !isIMAPStart(word) {
			return sensor.No
		}
		return sensor.Maybe
	}
	hasDigit := bytes.ContainsAny(tag, "0123456789") || isIMAPPort(f.Key.Port(side.Other()))
	if _, known := imapVerbOf(word); known && hasDigit {
		return sensor.FromClient
	}
	if isIMAPPort(f.Key.Port(side)) && (equalFold(word, "ok") || equalFold(word, "no") || equalFold(word, "bad")) {
		return sensor.FromServer
	}
	return sensor.No
}

// isIMAPTag tells whether a tag is such as clients use; RFC 3501 allows more.
func isIMAPTag(tag []byte) bool {
	for _, c := range tag {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isIMAPStart tells whether a command may begin with word.
func isIMAPStart(word []byte) bool {
	for _, v := range imapVerbs {
		if len(word) <= len(v.name) && equalFold(word, v.name[:len(word)]) {
			return true
		}
	}
	return len(word) <= 3 && (equalFold(word, "ok"[:min(2, len(word))]) || equalFold(word, "no"[:min(2, len(word))]) || equalFold(word, "bad"[:len(word)]))
}

func matchIMAPAnswer(b []byte, port bool) sensor.Match {
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	word := bytes.Fields(line)
	if len(b) > 1 && b[1] != ' ' || !isMailText(b) {
		return sensor.No
	}
	switch {
	case len(word) > 2 || whole && len(word) > 1:
		for _, w := range [...]string{"ok", "preauth", "bye", "capability"} {
			if equalFold(word[1], w) {
				return sensor.FromServer
			}
		}
		if _, err := strconv.Atoi(string(word[1])); err == nil && port {
			return sensor.FromServer
		}
		return sensor.No
	case whole:
		return sensor.No
	}
	return sensor.Maybe
}

func isIMAPPort(port uint16) bool { return port == 143 || port == 220 || port == 1143 || port == 8143 }
