package har

import (
	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

func (a *archive) response(t *replay.Transaction) {
	r := t.Response
	if r == nil {
		a.noResponse(t)
		return
	}
	a.open("response", '{')
	a.field("status", r.Status)
	a.field("statusText", plain.Text(r.Reason))
	a.field("httpVersion", plain.Text(r.Version))
	a.field("cookies", responseCookies(r))
	a.field("headers", pairs(r.Header))
	a.content(r)
	a.field("redirectURL", plain.Text(r.Get("Location")))
	a.sizes(&r.Message)
	a.message(&r.Message)
	a.close('}')
}

// noResponse is what browsers write of a request that failed.
func (a *archive) noResponse(t *replay.Transaction) {
	why := "no answer was captured"
	for _, h := range a.holes[t] {
		if h.Kind == replay.HoleNoAnswer {
			why = plain.Text(h.Text)
		}
	}
	a.open("response", '{')
	a.field("status", 0)
	a.field("statusText", "")
	a.field("httpVersion", "")
	a.field("cookies", []struct{}{})
	a.field("headers", []struct{}{})
	a.open("content", '{')
	a.field("size", 0)
	a.field("mimeType", "x-unknown")
	a.close('}')
	a.field("redirectURL", "")
	a.field("headersSize", -1)
	a.field("bodySize", -1)
	a.field("comment", why)
	a.field("_error", why)
	a.field("_complete", false)
	a.close('}')
}

// content is the body without its codings.
func (a *archive) content(r *replay.Response) {
	b := &r.Body
	a.open("content", '{')
	a.field("size", len(b.Data))
	if saved := len(b.Data) - len(b.Wire); saved > 0 && b.Complete {
		a.field("compression", saved)
	}
	a.field("mimeType", mediaType(&r.Message))
	switch {
	case len(b.Data) == 0:
	case plain.IsText(b.Data):
		a.text("text", b.Data)
	default:
		a.base64("text", b.Data)
		a.field("encoding", "base64")
	}
	if b.Why != "" {
		a.field("comment", "not complete: "+plain.Text(b.Why))
	}
	a.close('}')
}
