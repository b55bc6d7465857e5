package objects

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// writeCSV writes a list for a spreadsheet (RFC 4180). There, text that begins like a
// formula gets an apostrophe in front: it came from an attacker. The JSON list is exact.
func writeCSV(w io.Writer, all []Row) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	c.Write([]string{"url", "kind", "client", "server", "time", "frame", "last_frame", "transaction", "method", "status", "declared_type", "magic_type", "mismatch", "entropy",
		"md5", "sha1", "sha256", "size", "complete", "why"})
	for i := range all {
		x := &all[i]
		c.Write([]string{cell(x.URL), x.Kind, x.Client, x.Server, x.Time, strconv.Itoa(x.Frame), strconv.Itoa(x.LastFrame), strconv.Itoa(x.Transaction),
			cell(x.Method), strconv.Itoa(x.Status), cell(x.Declared), cell(x.Magic), strconv.FormatBool(x.Mismatch), strconv.FormatFloat(x.Entropy, 'f', 3, 64),
			x.MD5, x.SHA1, x.SHA256, strconv.Itoa(x.Size), strconv.FormatBool(x.Complete), cell(x.Why)})
	}
	c.Flush()
	return c.Error()
}

// cell is text that no spreadsheet computes.
func cell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func writeJSON(w io.Writer, all []Row) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	b.WriteString("[")
	for i := range all {
		if i > 0 {
			b.WriteString(",")
		}
		if err := e.Encode(&all[i]); err != nil { // ends the line
			return err
		}
	}
	b.WriteString("]\n")
	return b.Flush()
}
