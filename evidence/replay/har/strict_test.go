package har

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The specification as data: what an object has to have, and what it may have besides
// "comment" and fields that begin with an underscore. "?" = may be left out.
type schema map[string]string

func specification() map[string]schema {
	logSchema := schema{"version": "string", "creator": "creator", "pages": "[]page?", "entries": "[]entry", "browser": "creator?"}
	creatorSchema := schema{"name": "string", "version": "string"}
	pageSchema := schema{"startedDateTime": "date", "id": "string", "title": "string", "pageTimings": "object"}
	entrySchema := schema{"startedDateTime": "date", "time": "positive", "request": "request", "response": "response", "cache": "object", "timings": "timings", "serverIPAddress": "ip?", "connection": "string?", "pageref": "string?"}
	requestSchema := schema{"method": "string", "url": "uri", "httpVersion": "string", "cookies": "[]cookie", "headers": "[]pair", "queryString": "[]pair", "postData": "postData?", "headersSize": "size", "bodySize": "size"}
	responseSchema := schema{"status": "size", "statusText": "string", "httpVersion": "string", "cookies": "[]cookie", "headers": "[]pair", "content": "content", "redirectURL": "string", "headersSize": "size", "bodySize": "size"}
	cookieSchema := schema{"name": "string", "value": "string", "path": "string?", "domain": "string?", "expires": "date?", "httpOnly": "bool?", "secure": "bool?"}
	pairSchema := schema{"name": "string", "value": "string"}
	postDataSchema := schema{"mimeType": "string", "params": "[]param", "text": "string"}
	paramSchema := schema{"name": "string", "value": "string?", "fileName": "string?", "contentType": "string?"}
	contentSchema := schema{"size": "positive", "compression": "positive?", "mimeType": "string", "text": "string?", "encoding": "string?"}
	timingsSchema := schema{"blocked": "time?", "dns": "time?", "connect": "time?", "ssl": "time?", "send": "positive", "wait": "positive", "receive": "positive"}

	return map[string]schema{"log": logSchema, "creator": creatorSchema, "page": pageSchema, "entry": entrySchema, "request": requestSchema, "response": responseSchema,
		"cookie": cookieSchema, "pair": pairSchema, "postData": postDataSchema, "param": paramSchema, "content": contentSchema, "timings": timingsSchema}
}

// check is what is wrong with an archive, by the letter of the specification.
func check(b []byte) []string {
	var root map[string]any
	if err := json.Unmarshal(b, &root); err != nil {
		return []string{err.Error()}
	}
	if len(root) != 1 {
		return []string{"not one member: log"}
	}
	c := &checker{schemas: specification()}
	c.value("log", "log", root["log"])
	return c.wrong
}

type checker struct {
	schemas map[string]schema
	wrong   []string
}

func (c *checker) fail(path, format string, args ...any) {
	c.wrong = append(c.wrong, path+": "+fmt.Sprintf(format, args...))
}

func (c *checker) object(path, kind string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "no object")
		return
	}
	s := c.schemas[kind]
	for name, x := range m {
		if want, ok := s[name]; ok {
			c.value(path+"."+name, strings.TrimSuffix(want, "?"), x)
		} else if name == "comment" {
			c.value(path+".comment", "string", x)
		} else if name[0] != '_' {
			c.fail(path, "%q is no field of HAR", name)
		}
	}
	for name, want := range s {
		if _, ok := m[name]; !ok && !strings.HasSuffix(want, "?") {
			c.fail(path, "%q is missing", name)
		}
	}
	switch kind {
	case "entry":
		c.sum(path, m)
	case "content":
		c.content(path, m)
	}
}

// sum: the time of an entry is that of its phases that are known.
func (c *checker) sum(path string, m map[string]any) {
	ts, _ := m["timings"].(map[string]any)
	sum := 0.0
	for _, v := range ts {
		if f, ok := v.(float64); ok && f > 0 {
			sum += f
		}
	}
	if total, _ := m["time"].(float64); math.Abs(total-sum) > 0.001 {
		c.fail(path, "time %v is not the sum of the timings, %v", total, sum)
	}
}

// content: the size is that of the text.
func (c *checker) content(path string, m map[string]any) {
	text, _ := m["text"].(string)
	n := len(text)
	switch m["encoding"] {
	case nil:
	case "base64":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			c.fail(path, "%v", err)
		}
		n = len(b)
	default:
		c.fail(path, "encoding %v", m["encoding"])
	}
	if m["size"] != float64(n) {
		c.fail(path, "size %v, text of %d", m["size"], n)
	}
}

func (c *checker) value(path, kind string, v any) {
	if of, ok := strings.CutPrefix(kind, "[]"); ok {
		list, ok := v.([]any)
		if !ok {
			c.fail(path, "no array")
		}
		for i, x := range list {
			c.object(fmt.Sprintf("%s[%d]", path, i), of, x)
		}
		return
	}
	if _, ok := c.schemas[kind]; ok {
		c.object(path, kind, v)
		return
	}
	if !c.scalar(kind, v) {
		c.fail(path, "%v is no %s", v, kind)
	}
}

func (c *checker) scalar(kind string, v any) bool {
	s, isString := v.(string)
	f, isNumber := v.(float64)
	whole := isNumber && f == math.Trunc(f)
	switch kind {
	case "string":
		return isString
	case "bool":
		_, ok := v.(bool)
		return ok
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "positive":
		return isNumber && f >= 0
	case "size":
		return whole && f >= -1
	case "time":
		return isNumber && (f >= 0 || f == -1)
	case "ip":
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == ""
	case "date":
		_, err := time.Parse(time.RFC3339Nano, s)
		return err == nil
	case "uri":
		return isURI(s)
	}
	return false
}

func isURI(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || !slices.Contains([]string{"http", "https", "connect", "unknown"}, scheme) {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("\"<>\\^`{|}", s[i]) >= 0 {
			return false
		}
	}
	_, err := url.Parse(s)
	return err == nil || scheme != "http" && scheme != "https" || strings.Contains(s, "%")
}
