package records

import (
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
)

func fullWebSocket() *WebSocket {
	r := NewWebSocket(Meta{At: 9, Key: packet.Key{Proto: packet.ProtoTCP, APort: 40000, BPort: 80}, CommunityID: "1:x"})
	r.Start, r.End, r.Depth, r.Stream = 1, 2, 3, 5
	r.Host, r.URI, r.URL, r.UserAgent, r.Origin = "ws.example.jp:8080", "/chat", "http://ws.example.jp:8080/chat", "ua", "http://o"
	r.Subprotocol, r.ClientProtocols = "v1", []string{"v1", "v2"}
	r.ClientExtensions, r.ServerExtensions, r.Compressed = []string{"a"}, []string{"b"}, true
	side := WebSocketSide{Frames: 9, Text: 1, Binary: 2, Compressed: 3, Ping: 4, Pong: 5, Bytes: 6, CloseCode: 1000, Reason: "bye"}
	r.Client, r.Server, r.ClosedBy = side, side, "client"
	r.Cut, r.Gap, r.Odd = true, true, "reserved opcode"
	return r
}

func TestWebSocketFieldsAreAdjacent(t *testing.T) {
	if odd := notAdjacent(fullWebSocket().AppendFields(nil)); odd != "" {
		t.Error(odd)
	}
}

func TestWebSocketFields(t *testing.T) {
	got := map[string]any{}
	for _, f := range Plain(fullWebSocket().AppendFields(nil)) {
		switch f.Type {
		case String:
			got[f.Name] = f.Str
		case Strings:
			got[f.Name] = strings.Join(f.Strs, ",")
		case Int, Bool:
			got[f.Name] = f.Num
		}
	}
	for name, want := range map[string]any{
		"network.protocol":                        "websocket",
		"destination.domain":                      "ws.example.jp",
		"url.full":                                "http://ws.example.jp:8080/chat",
		"user_agent.original":                     "ua",
		"kagami.websocket.client_protocols":       "v1,v2",
		"kagami.websocket.server.close_code":      "1000",
		"kagami.websocket.client.text_messages":   int64(1),
		"kagami.websocket.client.binary_messages": int64(2),
		"kagami.websocket.compressed":             int64(1),
		"kagami.websocket.closed_by":              "client",
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
}
