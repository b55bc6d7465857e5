package configs

import "strings"

// lineOf finds the line on which a setting stands, 0 when it cannot. nth counts
// the tables of one name before it ([[export]]). The TOML decoder keeps no
// positions of tables in lists; a text written as people write it needs no more
// than this. A setting inside a value gives the value's line.
func lineOf(text, key string, nth int) int {
	at := make(map[string]int) // first line of each setting and table
	table, seen := "", make(map[string]int)
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		full := ""
		if strings.HasPrefix(line, "[") {
			name, _, _ := strings.Cut(line, "#")
			table = strings.Trim(name, "[] \t")
			full = table
			seen[table]++
		} else if name, _, ok := strings.Cut(line, "="); ok {
			full = strings.TrimPrefix(table+"."+bare(name), ".")
		}
		counted := nth == 0 || seen[table] == nth+1 || seen[table] == 0
		if full != "" && counted && at[full] == 0 {
			at[full] = i + 1
		}
	}
	for key != "" {
		if n := at[key]; n > 0 {
			return n
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return 0
}

// bare is a key without blanks and quotes.
func bare(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return strings.Join(parts, ".")
}

// Bounds of what counts as near.
const (
	maxEdits     = 3 // letters
	wrongSection = 3 // what the right key in a wrong section counts
)

// nearest is the known key that differs least from got, "" if none is near.
func nearest(got string, keys []string) string {
	best, at := maxEdits+1, ""
	last := got[strings.LastIndexByte(got, '.')+1:]
	for _, k := range keys {
		d := distance(got, k)
		if k[strings.LastIndexByte(k, '.')+1:] == last {
			d = min(d, wrongSection)
		}
		if d < best {
			best, at = d, k
		}
	}
	return at
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
