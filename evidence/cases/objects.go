package cases

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	objectsName = "objects.tsv"
	recordsName = "records.jsonl"
	replayName  = "replay.html"
)

var objectColumns = []string{"time", "sha256", "sha1", "md5", "size", "complete", "class", "mime", "protocol", "client", "server", "sender", "name", "url", "community_id"}

// objectsTable is the list of files as tab-separated values: one line each,
// whatever their names hold; "-" is what is not known.
func objectsTable(objects []Object) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Join(objectColumns, "\t") + "\n")
	for i := range objects {
		o := &objects[i]
		size := "-"
		if o.Size >= 0 {
			size = strconv.FormatInt(o.Size, 10)
		}
		row := []string{timeText(o.Time), o.SHA256, o.SHA1, o.MD5, size, strconv.FormatBool(o.Complete), o.Class, o.MIME, o.Source,
			o.Client, o.Server, o.From, o.Name, o.URL, o.Flow}
		for j, v := range row {
			if v == "" {
				v = "-"
			}
			if j > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(visible(v))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
