package records

// WebSocket is one WebSocket connection (RFC 6455), from the answer to its
// handshake to the end. The handshake itself is an HTTP record.
type WebSocket struct {
	meta Meta

	// Times in nanoseconds since the epoch.
	Start int64 // the handshake's response
	End   int64 // last frame

	Depth     int    // number of the handshake's transaction on its connection
	Stream    uint32 // HTTP/2: the stream that carries it, 0 in HTTP/1
	Host      string // as in the handshake, port kept if given
	URI       string // request target
	URL       string // the same, absolute
	UserAgent string
	Origin    string

	Subprotocol      string   // that the server chose, "" if none
	ClientProtocols  []string // that the client offered
	ClientExtensions []string // offered
	ServerExtensions []string // agreed
	Compressed       bool     // permessage-deflate (RFC 7692) was agreed

	Client, Server WebSocketSide
	ClosedBy       string // who sent the first Close frame: "client", "server", "" if none was seen

	Cut bool   // counting ended at the sensor's limit: the counts are those until then
	Gap bool   // octets were lost
	Odd string // first violation of the protocol met, "" if none: "unmasked client frame" ...
}

// WebSocketSide is what one side sent.
type WebSocketSide struct {
	Frames     uint64 // of all sorts, fragments each
	Text       uint64 // messages
	Binary     uint64 // messages
	Compressed uint64 // messages of these that were compressed
	Ping, Pong uint64
	Bytes      uint64 // octets of payload, compression in place
	CloseCode  int    // status code of its Close frame, 0 = none
	Reason     string // of its Close frame
}

// NewWebSocket returns a WebSocket record that bears m.
func NewWebSocket(m Meta) *WebSocket { r := &WebSocket{}; r.Stamp(m); return r }

// Stamp gives a record that was built up before it was due its header.
func (r *WebSocket) Stamp(m Meta) { m.Kind = KindWebSocket; r.meta = m }

// Meta implements Record.
func (r *WebSocket) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *WebSocket) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	domain := domainOf(r.Host)
	m.event(&f, Event{Kind: "event", Category: categoryWeb, Type: typeConnection, Action: "websocket", Start: r.Start, End: r.End})
	m.network(&f, "websocket", 0, 0)
	m.endpoints(&f, Peer{}, Peer{Domain: domain})
	m.related(&f, domain)
	f.Str("url.domain", domain)
	f.URL("url.full", r.URL)
	f.URL("url.original", r.URI)
	f.Str("user_agent.original", r.UserAgent)
	r.own(&f)
	m.tail(&f)
	return f
}

var typeConnection = []string{"connection", "info"}

// own appends what ECS has no name for.
func (r *WebSocket) own(f *Fields) {
	r.Client.append(f, &webSocketClient)
	f.Strs("kagami.websocket.client_extensions", r.ClientExtensions)
	f.Strs("kagami.websocket.client_protocols", r.ClientProtocols)
	f.Str("kagami.websocket.closed_by", r.ClosedBy)
	f.Flag("kagami.websocket.compressed", r.Compressed)
	f.Flag("kagami.websocket.cut", r.Cut)
	f.Int("kagami.websocket.depth", int64(r.Depth))
	f.Flag("kagami.websocket.gap", r.Gap)
	f.Str("kagami.websocket.host", r.Host)
	f.Str("kagami.websocket.odd", r.Odd)
	f.Str("kagami.websocket.origin", r.Origin)
	r.Server.append(f, &webSocketServer)
	f.Strs("kagami.websocket.server_extensions", r.ServerExtensions)
	f.Count("kagami.websocket.stream", uint64(r.Stream))
	f.Str("kagami.websocket.subprotocol", r.Subprotocol)
}

type webSocketNames struct{ binary, bytes, closeCode, closeReason, compressed, frames, ping, pong, text string }

func newWebSocketNames(side string) webSocketNames {
	p := "kagami.websocket." + side + "."
	return webSocketNames{p + "binary_messages", p + "bytes", p + "close_code", p + "close_reason", p + "compressed_messages",
		p + "frames", p + "pings", p + "pongs", p + "text_messages"}
}

var webSocketClient, webSocketServer = newWebSocketNames("client"), newWebSocketNames("server")

func (s *WebSocketSide) append(f *Fields, n *webSocketNames) {
	f.Int(n.binary, int64(s.Binary))
	f.Int(n.bytes, int64(s.Bytes))
	if s.CloseCode != 0 {
		f.Digits(n.closeCode, int64(s.CloseCode))
	}
	f.Str(n.closeReason, s.Reason)
	f.Count(n.compressed, s.Compressed)
	f.Int(n.frames, int64(s.Frames))
	f.Count(n.ping, s.Ping)
	f.Count(n.pong, s.Pong)
	f.Int(n.text, int64(s.Text))
}
