package records

import (
	"math"
	"net/netip"
	"strings"
)

// HTTP is one transaction: a request and its final response, or the half that
// was seen. A CONNECT is written when its tunnel closes.
type HTTP struct {
	meta Meta

	// Times in nanoseconds since the epoch, 0 = not seen.
	Start        int64 // first octet of the request (of the response when that is all there is)
	RequestEnd   int64 // last octet of the request
	ResponseFrom int64 // first octet of the response
	End          int64 // last octet of the transaction; for CONNECT, of the tunnel

	Depth  int    // 1-based number of the transaction on its connection
	Stream uint32 // HTTP/2: the stream's identifier, 0 in HTTP/1
	Pushed bool   // HTTP/2: the server sent the request too (PUSH_PROMISE)

	RequestSeen      bool
	Method           string
	Target           string // request target as sent: origin, absolute or authority form
	Host             string // authority: from the target, else the Host header, else ""; port kept if given
	URL              string // absolute URL; "host:port" for CONNECT
	Version          string // "1.1", "1.0", "0.9", "2"
	Proxied          bool   // absolute-form or CONNECT: the server is an explicit proxy
	Referrer         string
	UserAgent        string
	User             string   // user of basic or digest authentication, "" if none
	AuthScheme       string   // scheme of the credentials in lower case: "basic", "bearer", "negotiate" ...
	ProxyAuth        bool     // the credentials are for the proxy
	Password         bool     // the credentials held a password in clear, which is not kept
	Origin           string   // Origin
	Range            string   // Range
	RequestEncoding  string   // Content-Encoding of the request
	Via              string   // Via of the request; lines of one field are joined by ", "
	ForwardedFor     string   // X-Forwarded-For
	Forwarded        string   // Forwarded (RFC 7239)
	ForwardedFrom    string   // X-Forwarded-From
	ClientIP         string   // Client-IP
	ProxyConnection  string   // Proxy-Connection, which clients of a proxy send
	XroxyConnection  string   // the same, as some proxies disguise it
	FormFields       []string // names of the parts of a multipart/form-data request
	RequestFiles     []FileRef
	RequestHeaders   int64 // octets of the request line and header section
	RequestBody      int64 // octets of content, transfer coding removed
	RequestComplete  bool
	ResponseSeen     bool
	Status           int
	Reason           string // reason phrase
	ResponseVersion  string
	ContentType      string // Content-Type of the response as sent
	ContentEncoding  string
	RequestType      string // Content-Type of the request
	Location         string
	Server           string
	ContentRange     string // Content-Range of the response
	ResponseVia      string // Via of the response
	XCache           string // X-Cache, as caches add it: "HIT from proxy.example"
	CacheStatus      string // Cache-Status (RFC 9211)
	Age              string // Age, in seconds as sent
	ResponseFiles    []FileRef
	ResponseHeaders  int64 // octets of the status line and header section
	ResponseBody     int64 // octets of content, transfer coding removed
	ResponseWire     int64 // octets of the whole final response as sent, header section and framing included
	ResponseComplete bool
	Magic            string // what the first octets of the response's content are: "pe", "elf", "pdf", "zip", "gzip", "html" ..., "" unknown

	// CONNECT and Upgrade only.
	Tunnel         string // protocol recognised inside: "tls", "http", "" unknown
	TunnelName     string // TLS server name inside
	TunnelFromOrig int64  // octets from client and server through the tunnel
	TunnelFromResp int64

	// Proxied only, set by the site stage when both legs are visible.
	Cache            CacheState
	OriginAddr       netip.AddrPort // whom the proxy asked; also when candidates agree on it
	OriginFlow       uint64         // the proxy's connection to it (Meta.UID), 0 = not certain
	OriginCandidates int            // how many of the proxy's requests may be this one's, when it is ambiguous

	Gap        bool     // octets were lost inside the transaction
	Odd        string   // first violation of the protocol met, "" if none: "bad chunk size", "conflicting lengths" ...
	Info       []int    // 1xx statuses seen before the final response
	InfoReason string   // reason phrase of the last of them
	Trailers   []string // names of the fields in trailer sections, in the order met
	Reset      string   // HTTP/2: error code of the RST_STREAM or GOAWAY that ended the stream: "CANCEL", "NO_ERROR" ...
}

// NewHTTP returns an HTTP record that bears m.
func NewHTTP(m Meta) *HTTP { m.Kind = KindHTTP; return &HTTP{meta: m} }

// Stamp gives a record that was built up before it was due its header.
func (r *HTTP) Stamp(m Meta) { m.Kind = KindHTTP; r.meta = m }

// Meta implements Record.
func (r *HTTP) Meta() *Meta { return &r.meta }

// proxyHeaders appends the request's fields that speak of proxies on its way, each
// as "NAME -> value": what Zeek's http.log calls proxied.
func (r *HTTP) proxyHeaders(f *Fields) {
	list := f.open(List, "kagami.http.proxy_headers")
	for _, x := range [...]struct{ name, value string }{
		{"CLIENT-IP -> ", r.ClientIP}, {"FORWARDED -> ", r.Forwarded}, {"PROXY-CONNECTION -> ", r.ProxyConnection}, {"VIA -> ", r.Via},
		{"X-FORWARDED-FOR -> ", r.ForwardedFor}, {"X-FORWARDED-FROM -> ", r.ForwardedFrom}, {"XROXY-CONNECTION -> ", r.XroxyConnection},
	} {
		if x.value != "" {
			at := f.open(Join, "")
			f.Str("", x.name)
			f.Str("", x.value)
			f.close(at)
		}
	}
	f.close(list)
}

// HostName is the host without its port and, for IPv6, without brackets.
func (r *HTTP) HostName() string { return hostName(r.Host) }

func hostName(authority string) string {
	host, _ := splitPort(authority)
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// domainOf is the host name in an authority, "" if it is an address.
func domainOf(authority string) string {
	name := hostName(authority)
	if _, ok := address(name); ok {
		return ""
	}
	return name
}

// AppendFields implements Record.
func (r *HTTP) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	domain := domainOf(r.Host)
	m.event(&f, r.event())
	m.network(&f, "http", 0, 0)
	m.endpoints(&f, Peer{}, Peer{Domain: domain})
	m.related(&f, domain, r.TunnelName)
	f.list("related.user", r.User)
	r.message(&f)
	r.url(&f)
	f.Str("user.name", r.User)
	f.Str("user_agent.original", r.UserAgent)
	r.own(&f)
	r.proxy(&f)
	m.tail(&f)
	return f
}

func (r *HTTP) event() Event {
	e := Event{Kind: "event", Category: categoryWeb, Type: typeAccess, Action: "http-request", Start: r.Start, End: r.End}
	switch {
	case r.Method == "CONNECT":
		e.Action = "connect"
	case !r.RequestSeen:
		e.Action = "http-response"
	}
	switch {
	case r.Status >= 400:
		e.Type, e.Outcome = typeAccessError, "failure"
	case r.ResponseSeen:
		e.Outcome = "success"
	}
	return e
}

var (
	categoryWeb     = []string{"web", "network"}
	typeAccess      = []string{"access"}
	typeAccessError = []string{"access", "error"}
)

// message appends http.*.
func (r *HTTP) message(f *Fields) {
	if r.RequestSeen {
		f.Int("http.request.body.bytes", r.RequestBody)
		f.Int("http.request.bytes", r.RequestHeaders+r.RequestBody)
		f.Str("http.request.method", r.Method)
		f.Str("http.request.mime_type", mediaType(r.RequestType))
		f.Str("http.request.referrer", r.Referrer)
	}
	if r.ResponseSeen {
		f.Int("http.response.body.bytes", r.ResponseBody)
		f.Int("http.response.bytes", r.ResponseWire)
		f.Str("http.response.mime_type", mediaType(r.ContentType))
		f.Count("http.response.status_code", uint64(r.Status))
	}
	if r.RequestSeen {
		f.Str("http.version", r.Version)
	} else {
		f.Str("http.version", r.ResponseVersion)
	}
}

// url appends url.*. A port that the URL does not give is its scheme's.
func (r *HTTP) url(f *Fields) {
	scheme, rest, ok := strings.Cut(r.URL, "://")
	if !ok {
		scheme, rest = "", r.URL
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	path, _, _ = strings.Cut(path, "#")
	path, query, _ := strings.Cut(path, "?")
	host, port := splitPort(authority)
	f.Str("url.domain", host)
	f.URL("url.full", r.URL)
	f.URL("url.original", r.Target)
	f.URL("url.path", path)
	if n, ok := number(port, math.MaxUint16); ok {
		f.Int("url.port", n)
	} else if scheme == "http" {
		f.Int("url.port", 80)
	}
	f.URL("url.query", query)
	f.Str("url.scheme", scheme)
}

// own appends what ECS has no name for.
func (r *HTTP) own(f *Fields) {
	f.Str("kagami.http.age", r.Age)
	f.Flag("kagami.http.auth.password", r.Password)
	f.Flag("kagami.http.auth.proxy", r.ProxyAuth)
	f.Str("kagami.http.auth.scheme", r.AuthScheme)
	f.Str("kagami.http.cache_status", r.CacheStatus)
	f.Str("kagami.http.content_range", r.ContentRange)
	f.Int("kagami.http.depth", int64(r.Depth))
	f.Str("kagami.http.encoding", r.ContentEncoding)
	f.Strs("kagami.http.form_fields", r.FormFields)
	f.Str("kagami.http.forwarded", r.Forwarded)
	f.Str("kagami.http.forwarded_for", r.ForwardedFor)
	f.Flag("kagami.http.gap", r.Gap)
	f.Str("kagami.http.host", r.Host)
	if len(r.Info) > 0 {
		at := f.open(List, "kagami.http.informational")
		for _, s := range r.Info {
			f.Digits("", int64(s))
		}
		f.close(at)
		f.Str("kagami.http.informational_reason", r.InfoReason)
	}
	f.Str("kagami.http.location", r.Location)
	f.Str("kagami.http.magic", r.Magic)
	f.Str("kagami.http.odd", r.Odd)
	f.Str("kagami.http.origin", r.Origin)
	f.Flag("kagami.http.proxied", r.Proxied)
	r.proxyHeaders(f)
	f.Flag("kagami.http.pushed", r.Pushed)
	f.Str("kagami.http.range", r.Range)
	f.Str("kagami.http.reason", r.Reason)
	f.Bool("kagami.http.request_complete", r.RequestComplete)
	f.Str("kagami.http.request_encoding", r.RequestEncoding)
	f.Time("kagami.http.request_end", r.RequestEnd)
	fileRefs(f, "kagami.http.request_files", r.RequestFiles)
	f.Str("kagami.http.reset", r.Reset)
	f.Bool("kagami.http.response_complete", r.ResponseComplete)
	fileRefs(f, "kagami.http.response_files", r.ResponseFiles)
	f.Time("kagami.http.response_start", r.ResponseFrom)
	f.Str("kagami.http.response_version", r.ResponseVersion)
	f.Str("kagami.http.response_via", r.ResponseVia)
	f.Str("kagami.http.server", r.Server)
	f.Count("kagami.http.stream", uint64(r.Stream))
	f.Strs("kagami.http.trailers", r.Trailers)
	if r.Tunnel != "" || r.TunnelName != "" || r.TunnelFromOrig != 0 || r.TunnelFromResp != 0 {
		f.Int("kagami.http.tunnel.client_bytes", r.TunnelFromOrig)
		f.Str("kagami.http.tunnel.name", r.TunnelName)
		f.Str("kagami.http.tunnel.protocol", r.Tunnel)
		f.Int("kagami.http.tunnel.server_bytes", r.TunnelFromResp)
	}
	f.Str("kagami.http.via", r.Via)
	f.Str("kagami.http.x_cache", r.XCache)
}

// proxy appends the proxy's other leg.
func (r *HTTP) proxy(f *Fields) {
	f.Str("kagami.proxy.cache", string(r.Cache))
	f.Count("kagami.proxy.candidates", uint64(r.OriginCandidates))
	if r.OriginFlow != 0 {
		f.FlowID("kagami.proxy.origin.flow_id", r.OriginFlow)
	}
	if r.OriginAddr.IsValid() {
		f.IP("kagami.proxy.origin.ip", r.OriginAddr.Addr())
		f.Int("kagami.proxy.origin.port", int64(r.OriginAddr.Port()))
	}
}

// fileRefs appends an array of files.
func fileRefs(f *Fields, name string, refs []FileRef) {
	mark := Begin
	for i := range refs {
		f.Mark(mark, name)
		f.Str("id", refs[i].ID)
		f.Str("mime_type", refs[i].MIME)
		f.Str("name", refs[i].Name)
		mark = Next
	}
	if len(refs) > 0 {
		f.Mark(End, name)
	}
}
