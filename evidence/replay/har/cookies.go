package har

import (
	"strconv"
	"strings"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// cookie is one of a Cookie or Set-Cookie field. They are taken as they are: net/http
// would drop what a browser accepts.
type cookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Path     string `json:"path,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Expires  string `json:"expires,omitempty"`
	HTTPOnly bool   `json:"httpOnly,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	SameSite string `json:"_sameSite,omitempty"`
}

func requestCookies(fs []replay.Field) []cookie {
	list := []cookie{}
	for _, f := range fs {
		if !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		for part := range strings.SplitSeq(f.Value, ";") {
			if part = strings.TrimSpace(part); part != "" && len(list) < maxParams {
				list = append(list, nameValue(part))
			}
		}
	}
	return list
}

// nameValue reads a cookie pair; one without "=" is a value (RFC 6265bis section 5.6).
func nameValue(s string) cookie {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		name, value = "", s
	}
	return cookie{Name: plain.Text(strings.TrimSpace(name)), Value: plain.Text(strings.TrimSpace(value))}
}

func responseCookies(r *replay.Response) []cookie {
	list := []cookie{}
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Set-Cookie") && len(list) < maxParams {
			list = append(list, setCookie(f.Value, r.Time))
		}
	}
	return list
}

// setCookie reads a Set-Cookie field that came at a time.
func setCookie(s string, at int64) cookie {
	first, rest, _ := strings.Cut(s, ";")
	c := nameValue(strings.TrimSpace(first))
	var maxAge string
	for part := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value = plain.Text(strings.TrimSpace(value))
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path":
			c.Path = value
		case "domain":
			c.Domain = value
		case "expires":
			c.Expires = cookieDate(value)
		case "max-age":
			maxAge = value
		case "httponly":
			c.HTTPOnly = true
		case "secure":
			c.Secure = true
		case "samesite":
			c.SameSite = value
		}
	}
	if n, err := strconv.ParseInt(maxAge, 10, 64); err == nil { // counts more than Expires
		c.Expires = expiry(at, n)
	}
	return c
}

// maxCookieAge is longer than any browser keeps a cookie; it keeps dates in four digits.
const maxCookieAge = 1000 * 365 * 24 * 3600

func expiry(at, seconds int64) string {
	seconds = min(max(seconds, 0), maxCookieAge)
	return time.Unix(at/1e9+seconds, 0).UTC().Format(time.RFC3339)
}

// cookieDate reads the dates that servers write; "" = it is none.
func cookieDate(s string) string {
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 MST", "Mon, 02-Jan-2006 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 MST", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return ""
}
