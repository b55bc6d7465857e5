package main

import (
	"mime"
	"strings"
)

// commands are the SMTP commands of the frame that bear something. QUIT, RSET,
// NOOP and HELP bear nothing, and the answers of an authentication, which tshark
// may show as commands, are secret: Kagami's records have none of them.
func (f *frame) commands() (items []item) {
	names, arguments := f.list("smtp.req.command"), f.list("smtp.req.parameter")
	for i, name := range names {
		argument, known := "", len(names) == 1 || len(names) == len(arguments)
		switch {
		case len(names) == 1:
			argument = strings.Join(arguments, f.separator)
		case known:
			argument = arguments[i]
		}
		switch name = strings.ToUpper(name); name {
		case "MAIL", "RCPT", "SEND", "SOML", "SAML":
			argument = mailPath(argument)
		case "AUTH":
			argument, _, _ = strings.Cut(strings.ToUpper(argument), " ")
		case "BDAT": // a record tells of the message, not of its chunks
			if !strings.HasSuffix(strings.ToUpper(argument), "LAST") {
				continue
			}
			argument = ""
		case "EXPN":
			name = "VRFY"
		case "EHLO", "HELO", "LHLO", "DATA", "STARTTLS", "VRFY":
		default:
			continue
		}
		it := command(name, argument)
		if !known {
			delete(it.fields, "argument")
		}
		items = append(items, it)
	}
	return items
}

// mailPath is the path in "FROM:<path> SIZE=1000".
func mailPath(argument string) string {
	_, path, _ := strings.Cut(argument, ":")
	path = strings.TrimSpace(path)
	if inner, ok := strings.CutPrefix(path, "<"); ok {
		path, _, _ = strings.Cut(inner, ">")
		return path
	}
	path, _, _ = strings.Cut(path, " ")
	return path
}

// parts are the parts of multipart messages in the frame that have a disposition.
func (f *frame) parts() (items []item) {
	for _, s := range splitQuoted(f.text("mime_multipart.header.content-disposition"), f.separator) {
		disposition, parameters, err := mime.ParseMediaType(s)
		if err != nil {
			disposition, _, _ = strings.Cut(s, ";")
		}
		fields := map[string]string{"disposition": strings.ToLower(strings.TrimSpace(disposition))}
		if name := parameters["filename"]; err == nil && !strings.HasPrefix(name, "=?") { // that tshark does not decode
			fields["file name"] = name
		}
		if fields["disposition"] == "form-data" {
			fields["field"] = parameters["name"]
		}
		items = append(items, item{kind: kindPart, fields: fields})
	}
	return items
}

// splitQuoted splits at separators that are not within quotation marks.
func splitQuoted(s, separator string) (parts []string) {
	if s == "" {
		return nil
	}
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], separator):
			parts = append(parts, s[start:i])
			start = i + len(separator)
		}
	}
	return append(parts, s[start:])
}
