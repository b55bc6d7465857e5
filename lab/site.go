package lab

import (
	"fmt"
	"strings"
	"time"
)

// document is a page of a site. The same path always has the same text.
func (d *day) document(site *Site, path string) response {
	r := NewRand(d.s.Seed, "body "+site.Name+path)
	from := site.Name
	if site.CDN != "" {
		from = site.CDN
	}
	var head, tail []string
	for _, asset := range d.assetPaths(site, path) {
		url := "http://" + from + asset
		switch {
		case strings.HasSuffix(asset, ".css"):
			head = append(head, `<link rel="stylesheet" href="`+url+`">`)
		case strings.HasSuffix(asset, ".js"):
			head = append(head, `<script src="`+url+`"></script>`)
		case strings.HasSuffix(asset, ".png"):
			tail = append(tail, `<img src="`+url+`" alt="">`)
		default:
			tail = append(tail, `<link rel="preload" href="`+url+`" as="fetch">`)
		}
	}
	body := htmlPage(r, site.Name, append(head, tail...), r.Int(4, 14))
	return d.dress(site, path, response{kind: "text/html; charset=utf-8", body: body, chunked: site.Chunked,
		headers: []header{{"Cache-Control", "private, max-age=0"}}})
}

// assetPaths names what a page refers to: the site's own style and script
// first, then pictures and data of the page.
func (d *day) assetPaths(site *Site, path string) []string {
	r := NewRand(d.s.Seed, "assets "+site.Name+path)
	list := []string{"/css/site.css", "/js/app.js", "/img/logo.png", "/css/print.css"}
	for i := len(list); i < site.Assets; i++ {
		switch r.Below(4) {
		case 0:
			list = append(list, fmt.Sprintf("/api/list.json?p=%d", r.Below(50)))
		case 1:
			list = append(list, fmt.Sprintf("/js/part%d.js", r.Below(4)))
		default:
			list = append(list, fmt.Sprintf("/img/%d.png", r.Below(30)))
		}
	}
	return list[:min(len(list), site.Assets)]
}

// asset is a file of a site.
func (d *day) asset(site *Site, path string) response {
	r := NewRand(d.s.Seed, "body "+site.Name+path)
	a := response{maxAge: assetAge}
	switch {
	case strings.HasSuffix(path, ".css"):
		a.kind, a.body = "text/css", styleSheet(r, r.Int(15, 60))
	case strings.HasSuffix(path, ".js"):
		a.kind, a.body = "application/javascript", script(r, r.Int(10, 50))
	case strings.HasSuffix(path, ".png"):
		a.kind, a.body = "image/png", picture(r, r.Int(16, 96), r.Int(16, 64))
	default:
		a.kind, a.body, a.maxAge = "application/json", jsonList(r, r.Int(3, 16)), 0
	}
	a.headers = []header{{"Cache-Control", "public, max-age=3600"}}
	return d.dress(site, path, a)
}

// dress adds what the site's server adds: validators and compression.
func (d *day) dress(site *Site, path string, a response) response {
	a.headers = append(a.headers, header{"ETag", etag(site.Name + path)}, header{"Last-Modified", d.httpDate(-30 * time.Hour)})
	if site.Gzip && !strings.HasPrefix(a.kind, "image/") {
		a.body = zipped(a.body)
		a.headers = append(a.headers, header{"Content-Encoding", "gzip"}, header{"Vary", "Accept-Encoding"})
	}
	return a
}

func etag(key string) string { return fmt.Sprintf(`"%08x"`, NewRand(0, key).Uint32()) }
