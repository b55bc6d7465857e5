package records

// SSDP is one message of the Simple Service Discovery Protocol (UPnP Device
// Architecture 2.0, section 1): an announcement, a search, or a response to one.
type SSDP struct {
	meta Meta

	Time   int64  // capture time of the message, nanoseconds since the epoch
	Method string // "NOTIFY", "M-SEARCH"; "" for a response
	Status int    // responses only: 200

	Type      string // what is announced (NT), sought or found (ST): "upnp:rootdevice"
	Event     string // NTS: "ssdp:alive", "ssdp:byebye", "ssdp:update"
	USN       string // unique service name: "uuid:…::upnp:rootdevice"
	Location  string // URL of the description
	Server    string // "OS/version UPnP/1.1 product/version"
	UserAgent string // of who searches
	Name      string // CPFN.UPNP.ORG: friendly name of who searches
	Host      string
	Man       string // "ssdp:discover"
	MaxWait   int    // MX: seconds within which devices shall answer; -1 if absent
	MaxAge    int    // CACHE-CONTROL: seconds that the announcement holds; -1 if absent

	Odd string // first defect or limit met: "too many lines", "field too long" ...
}

// NewSSDP returns an SSDP record that bears m.
func NewSSDP(m Meta) *SSDP { m.Kind = KindSSDP; return &SSDP{meta: m, MaxWait: -1, MaxAge: -1} }

// Meta implements Record.
func (r *SSDP) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *SSDP) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolInfo, Action: "ssdp-response", Start: r.Time}
	switch r.Method {
	case "NOTIFY":
		e.Action = "ssdp-notify"
	case "M-SEARCH":
		e.Action = "ssdp-search"
	}
	m.event(&f, e)
	m.network(&f, "ssdp", 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	m.related(&f)
	f.Str("user_agent.original", r.UserAgent)
	f.Str("kagami.ssdp.event", r.Event)
	f.Str("kagami.ssdp.host", r.Host)
	f.Str("kagami.ssdp.location", r.Location)
	f.Str("kagami.ssdp.man", r.Man)
	if r.MaxAge >= 0 {
		f.Int("kagami.ssdp.max_age", int64(r.MaxAge))
	}
	if r.MaxWait >= 0 {
		f.Int("kagami.ssdp.max_wait", int64(r.MaxWait))
	}
	f.Str("kagami.ssdp.method", r.Method)
	f.Str("kagami.ssdp.name", r.Name)
	f.Str("kagami.ssdp.odd", r.Odd)
	f.Str("kagami.ssdp.server", r.Server)
	if r.Status != 0 {
		f.Digits("kagami.ssdp.status", int64(r.Status))
	}
	f.Str("kagami.ssdp.type", r.Type)
	f.Str("kagami.ssdp.usn", r.USN)
	m.tail(&f)
	return f
}
