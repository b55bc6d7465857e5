package decoders

import (
	"net/url"
	"strings"
)

// baseName is what follows a path's directories, of either kind of system.
func baseName(path string) string {
	path = strings.TrimRight(path, `/\`)
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

// urlName is the last segment of a URL's path, percent-decoded, "" when the path
// ends in a slash.
func urlName(u string) string {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i]
	}
	if _, rest, ok := strings.Cut(u, "://"); ok {
		_, path, ok := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		u = path
	}
	u = u[strings.LastIndexByte(u, '/')+1:]
	if name, err := url.PathUnescape(u); err == nil {
		u = name
	}
	return baseName(strings.ToValidUTF8(u, "\uFFFD"))
}
