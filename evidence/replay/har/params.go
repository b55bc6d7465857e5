package har

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// param is a field of a form.
type param struct {
	Name        string `json:"name"`
	Value       string `json:"value,omitempty"`
	FileName    string `json:"fileName,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Comment     string `json:"comment,omitempty"`
}

// Bounds of what is taken apart a second time.
const (
	maxForm  = 1 << 20 // octets of a form
	maxValue = 64 << 10
)

// params takes a form apart. why says what was not.
func params(q *replay.Request) (list []param, why string) {
	list = []param{}
	b := q.Body.Data
	switch q.Body.Declares {
	case "application/x-www-form-urlencoded":
		if len(b) > maxForm {
			return list, "the form is too large to be taken apart"
		}
		for _, p := range form(string(b)) {
			list = append(list, param{Name: p.Name, Value: p.Value})
		}
	case "multipart/form-data":
		return parts(q.Get("Content-Type"), b)
	}
	return list, ""
}

// parts takes a multipart form apart. The values of files are in the text only.
func parts(contentType string, b []byte) (list []param, why string) {
	list = []param{}
	_, ps, err := mime.ParseMediaType(contentType)
	if err != nil || ps["boundary"] == "" {
		return list, "the form has no boundary"
	}
	r := multipart.NewReader(bytes.NewReader(b), ps["boundary"])
	for len(list) < maxParams {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return list, ""
		}
		if err != nil {
			return list, "the form does not end where it should"
		}
		list = append(list, part(p))
	}
	return list, fmt.Sprintf("the form has more than %d parts", maxParams)
}

func part(p *multipart.Part) param {
	x := param{Name: plain.Text(p.FormName()), FileName: plain.Text(p.FileName()), ContentType: plain.Text(p.Header.Get("Content-Type"))}
	v, err := io.ReadAll(io.LimitReader(p, maxValue+1))
	switch {
	case x.FileName != "":
		x.Comment = "the file is in the text"
	case len(v) > maxValue, !plain.IsText(v):
		x.Comment = "the value is in the text"
	default:
		x.Value = string(v)
		if err != nil {
			x.Comment = "the part does not end where it should"
		}
	}
	return x
}
