package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/sensor"
)

// httpContent is the content of one message on its way to the file follower:
// one file, or the parts of an upload.
type httpContent struct {
	file *fileBody
	form *mimeReader
}

// openRequest begins the content of a request.
func (c *httpContent) openRequest(files *files, f *sensor.Flow, side packet.Side, x *httpExchange, head *httpHead) {
	of := requestFile(x, head)
	if (isMultipart(head.contentType) || isMessage(head.contentType)) && len(of.Codings) == 0 {
		c.form = newMIMEReader(files, of, side)
		if c.form.form(head.contentType) {
			return
		}
		c.form = nil
	}
	c.file = files.open(f, side, of)
}

// openResponse begins the content of a response.
func (c *httpContent) openResponse(files *files, f *sensor.Flow, side packet.Side, x *httpExchange, head *httpHead) {
	c.file = files.open(f, side, responseFile(x, head))
}

// isMultipart tells whether a Content-Type is a form with files (RFC 7578) or
// another upload in parts. WinRM's multipart/encrypted is none that can be read.
func isMultipart(contentType []byte) bool {
	kind, _, _ := bytes.Cut(contentType, []byte{';'})
	kind = trimBlank(kind)
	return equalFold(kind, "multipart/form-data") || equalFold(kind, "multipart/related") || equalFold(kind, "multipart/mixed")
}

// isMessage tells whether a Content-Type is a mail's (RFC 2046 section 5.2.1).
func isMessage(contentType []byte) bool {
	kind, _, _ := bytes.Cut(contentType, []byte{';'})
	return equalFold(trimBlank(kind), "message/rfc822")
}

// write takes octets of content that came at the time now.
func (c *httpContent) write(f *sensor.Flow, now int64, b []byte, emit sensor.Emit) {
	if c.form != nil {
		c.form.write(f, b, emit)
		return
	}
	c.file.write(now, b)
}

func (c *httpContent) gap(f *sensor.Flow, n int64) {
	if c.form != nil {
		c.form.gap(f, n)
		return
	}
	c.file.gap(n)
}

// close writes the record of the content's file, and notes it in its
// transaction's.
func (c *httpContent) close(f *sensor.Flow, x *httpExchange, emit sensor.Emit) {
	switch {
	case c.form != nil:
		c.form.close(f, x.RequestComplete, emit)
		x.form(c.form)
	case c.file == nil:
	case c == &x.sent:
		if r := c.file.close(f, x.RequestComplete); r != nil {
			x.RequestFiles = append(x.RequestFiles, r.Ref())
			emit(r)
		}
	default:
		x.Magic = c.file.magic()
		if r := c.file.close(f, x.ResponseComplete); r != nil {
			x.Magic = r.Magic
			x.ResponseFiles = append(x.file[:0], r.Ref())
			emit(r)
		}
	}
	*c = httpContent{}
}

// form notes the parts of the request's form.
func (x *httpExchange) form(form *mimeReader) {
	for i := range form.parts {
		p := &form.parts[i]
		if p.Field != "" {
			x.FormFields = append(x.FormFields, p.Field)
		}
		if p.File.ID != "" {
			x.RequestFiles = append(x.RequestFiles, p.File)
		}
	}
	if form.odd != "" {
		x.note(form.odd)
	}
}

// requestFile is what a request's header section says of its content.
func requestFile(x *httpExchange, head *httpHead) fileOf {
	of := fileOf{Source: "http", Type: x.RequestType, Codings: contentCodings(x.RequestEncoding),
		Size: head.size(), Depth: x.Depth, URL: x.URL, Host: x.HostName(), Unnamed: x.Method != "PUT"}
	of.Name, of.NameFrom = dispositionName(head.disposition)
	return of
}

// responseFile is what a response's header section says of its content.
func responseFile(x *httpExchange, head *httpHead) fileOf {
	of := fileOf{Source: "http", Type: x.ContentType, Codings: contentCodings(x.ContentEncoding),
		Size: head.size(), Depth: x.Depth, URL: x.URL, Host: x.HostName(), Unnamed: x.Status >= 300}
	of.Name, of.NameFrom = dispositionName(head.disposition)
	if x.Method == "CONNECT" {
		of.URL = "" // it is an authority, which names no file
	}
	if x.Status == partialContent {
		whole, fromStart := wholeRange(head.contentRange)
		of.Part = !whole
		if !fromStart {
			of.Codings = nil // what begins in the middle cannot be decoded
		}
	}
	return of
}

// size is how many octets the content has as transferred, -1 when it is not said.
func (h *httpHead) size() int64 {
	if h.coded {
		return -1
	}
	return h.length
}

const partialContent = 206

// wholeRange reads a Content-Range (RFC 9110 section 14.4): whether it is the
// whole file after all, and whether it begins at the file's first octet.
func wholeRange(b []byte) (whole, fromStart bool) {
	unit, rest, _ := bytes.Cut(b, []byte{' '})
	span, total, _ := bytes.Cut(rest, []byte{'/'})
	first, last, _ := bytes.Cut(trimBlank(span), []byte{'-'})
	if !equalFold(unit, "bytes") {
		return false, false
	}
	from, ok := decimal(first)
	to, ok2 := decimal(last)
	size, ok3 := decimal(trimBlank(total))
	fromStart = ok && from == 0
	return fromStart && ok2 && ok3 && to+1 == size, fromStart
}

// dispositionName is the file's name in a Content-Disposition (RFC 6266).
func dispositionName(field []byte) (name, from string) {
	if field == nil {
		return "", ""
	}
	_, list := parameters(decodeText(field, ""))
	if name = list.decoded("filename"); name == "" {
		return "", ""
	}
	return clipText(name), "disposition"
}
