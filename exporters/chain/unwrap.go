package chain

import (
	"bytes"
	"encoding/json"
)

// Of several strings that hold something like a stamp the longest is the line: it
// holds what the others, fields made of it, have.

// leastLine is shorter than any line with a stamp: a name has none in it, it would
// be that of another line, cut short.
const leastLine = 40

// jsonString appends the longest string value of a JSON line that holds something
// like a stamp, unescaped; nil if there is none.
func jsonString(dst, line []byte) []byte {
	if bytes.IndexByte(line, '{') < 0 || !hasMark(line) {
		return nil
	}
	var best []byte
	for i := 0; i < len(line); i++ {
		if line[i] != '"' {
			continue
		}
		end := i + 1
		for end < len(line) && line[end] != '"' {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(line) {
			break
		}
		if raw := line[i : end+1]; len(raw) > max(len(best), leastLine) && hasMark(raw) {
			best = raw
		}
		i = end
	}
	var text string
	if best == nil || json.Unmarshal(best, &text) != nil {
		return nil
	}
	return append(dst, text...)
}

// csvField appends the longest quoted field of a CSV line (RFC 4180) that holds
// something like a stamp; nil if there is none.
func csvField(dst, line []byte) []byte {
	if !bytes.Contains(line, []byte(`""`)) || !hasMark(line) {
		return nil
	}
	var best []byte
	for i := 0; i < len(line); i++ {
		if line[i] != '"' || i > 0 && line[i-1] != ',' {
			continue
		}
		end := i + 1
		for end < len(line) && (line[end] != '"' || end+1 < len(line) && line[end+1] == '"') {
			if line[end] == '"' {
				end++
			}
			end++
		}
		if end >= len(line) {
			break
		}
		if raw := line[i+1 : end]; len(raw) > len(best) && hasMark(raw) {
			best = raw
		}
		i = end
	}
	if best == nil {
		return nil
	}
	return append(dst, bytes.ReplaceAll(best, []byte(`""`), []byte(`"`))...)
}
