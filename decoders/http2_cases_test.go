package decoders

import (
	"strings"

	"golang.org/x/net/http2"
)

// http2Case is a conversation of two new peers; lost marks those whose outcome
// depends on where segments begin.
type http2Case struct {
	name string
	lost bool
	play func(c, s *h2Peer) []octets
	want []string
}

var http2Cases = []http2Case{
	{name: "request and response",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")), serverSays(s.settings(), s.status(1, false, "200"), s.data(1, true, "hello"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 5"}},
	{name: "interleaved streams, answered in another order",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a"), c.get(3, "/b")),
				serverSays(s.settings(), s.status(3, false, "200"), s.status(1, false, "200"), s.data(1, false, "ab"), s.data(3, true, "abc"), s.data(1, true, "c"))}
		},
		want: []string{"#3 2 GET http://h/b 2 > 200 3", "#1 1 GET http://h/a 2 > 200 3"}},
	{name: "content both ways, padding, empty end",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.post(1, "/a"), c.padded(1, false, "abc"), c.data(1, true, "")),
				serverSays(s.settings(), s.status(1, false, "200"), s.window(0), s.padded(1, true, "hello"))}
		},
		want: []string{"#1 1 POST http://h/a 2 +3 > 200 5"}},
	{name: "response before the request is complete",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.post(1, "/a"), c.data(1, false, "ab")),
				serverSays(s.settings(), s.status(1, true, "413")), clientSays(c.data(1, true, "cd"))}
		},
		want: []string{"#1 1 POST http://h/a 2 +4 > 413 0"}},
	{name: "HEAD, 204, informational",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, true, ":method", "HEAD", ":scheme", "http", ":path", "/a", ":authority", "h"), c.get(3, "/b")),
				serverSays(s.settings(), s.status(1, true, "200"), s.status(3, false, "103", "link", "x"), s.status(3, true, "204"))}
		},
		want: []string{"#1 1 HEAD http://h/a 2 > 200 0", "#3 2 GET http://h/b 2 > 204 0 info=103"}},
	{name: "trailers",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.post(1, "/a", "content-type", "application/grpc"), c.data(1, true, "abc")),
				serverSays(s.settings(), s.status(1, false, "200"), s.data(1, false, "abc"), s.headers(1, true, "grpc-status", "0", "grpc-message", ""))}
		},
		want: []string{"#1 1 POST http://h/a 2 +3 > 200 3 trailers=grpc-status,grpc-message"}},
	{name: "CONTINUATION, padding and priority",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.fragments(1, 5, ":method", "GET", ":scheme", "http", ":path", "/long", ":authority", "h", "user-agent", "ua")),
				serverSays(s.settings(), s.status(1, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/long 2 > 200 0"}},
	{name: "push",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")),
				serverSays(s.settings(), s.promise(1, 2, ":method", "GET", ":scheme", "http", ":path", "/s", ":authority", "h"),
					s.status(1, true, "200"), s.status(2, false, "200"), s.data(2, true, "css"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 0", "#2 2 GET http://h/s 2 > 200 3 pushed"}},
	{name: "promise of a stream that is open",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")), serverSays(s.settings(), s.promise(1, 1, ":method", "GET", ":path", "/b"), s.status(1, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 0 odd=promise of an open stream"}},
	{name: "reset by the client, the answer is under way",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a"), c.reset(1, http2.ErrCodeCancel)),
				serverSays(s.settings(), s.status(1, false, "200"), s.data(1, true, "abc")), clientSays(c.get(3, "/b")), serverSays(s.status(3, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 3 reset=CANCEL", "#3 2 GET http://h/b 2 > 200 0"}},
	{name: "reset by the client, the answer is cut",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.post(1, "/a"), c.reset(1, http2.ErrCodeCancel)), serverSays(s.settings(), s.status(1, false, "200")),
				serverSays(strings.Repeat(s.window(0), maxUnderWay), s.data(1, true, "late")), clientSays(c.get(3, "/b")), serverSays(s.status(3, true, "200"))}
		},
		want: []string{"#1 1 POST http://h/a 2! > 200 0! reset=CANCEL", "#3 2 GET http://h/b 2 > 200 0"}},
	{name: "reset by both",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a"), c.reset(1, http2.ErrCodeCancel)), serverSays(s.settings(), s.reset(1, http2.ErrCodeNo), s.status(1, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > - reset=CANCEL"}},
	{name: "reset by the server",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.post(1, "/a")), serverSays(s.settings(), s.status(1, false, "200"), s.data(1, false, "ab"), s.reset(1, 99))}
		},
		want: []string{"#1 1 POST http://h/a 2! > 200 2! reset=unknown"}},
	{name: "GOAWAY gives up later streams",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a"), c.get(3, "/b")),
				serverSays(s.settings(), s.goAway(1, http2.ErrCodeNo), s.status(1, true, "200"))}
		},
		want: []string{"#3 2 GET http://h/b 2 > - reset=NO_ERROR", "#1 1 GET http://h/a 2 > 200 0"}},
	{name: "an error ends the connection",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")), serverSays(s.settings(), s.goAway(1, http2.ErrCodeProtocol))}
		},
		want: []string{"#1 1 GET http://h/a 2 > - reset=PROTOCOL_ERROR"}},
	{name: "CONNECT",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, false, ":method", "CONNECT", ":authority", "www.example:443")),
				serverSays(s.settings(), s.status(1, false, "200")), clientSays(c.data(1, true, "hello")), serverSays(s.data(1, true, "hi"))}
		},
		want: []string{"#1 1 CONNECT www.example:443 2 > 200 0 tunnel=//5/2 proxied"}},
	{name: "authority with a password",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, true, ":method", "GET", ":scheme", "https", ":path", "/a", ":authority", "u:p@h:81", "host", "h"))}
		},
		want: []string{"#1 1 GET https://h:81/a 2 > - odd=several hosts"}},
	{name: "no authority but Host",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, true, ":method", "GET", ":scheme", "http", ":path", "/a", "host", "other"))}
		},
		want: []string{"#1 1 GET http://other/a 2 > -"}},
	{name: "neither",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, true, ":method", "OPTIONS", ":scheme", "http", ":path", "*"))}
		},
		want: []string{"#1 1 OPTIONS http://192.0.2.1 2 > -"}},
	{name: "no method, no status",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.headers(1, true, ":path", "/a", ":authority", "h")), serverSays(s.settings(), s.headers(1, true, "server", "s"))}
		},
		want: []string{"#1 1  http://h/a 2 > 0 0 odd=no method"}},
	{name: "responses only",
		play: func(c, s *h2Peer) []octets {
			return []octets{serverSays(s.settings(), s.status(1, false, "200"), s.data(1, true, "abc"), s.status(3, true, "404"))}
		},
		want: []string{"#1 1 - > 200 3", "#3 2 - > 404 0"}},
	{name: "requests only",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a"), c.post(3, "/b"), c.data(3, false, "x"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > -", "#3 2 POST http://h/b 2 +1! > -"}},
	{name: "header block interrupted",
		play: func(c, s *h2Peer) []octets {
			c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET"), EndStream: true})
			return []octets{clientSays(http2Preface, c.said(), c.get(3, "/b"))}
		},
		want: []string{"#1 1  http://192.0.2.1/ 2 > - odd=header block interrupted", "#3 2 GET http://h/b 2 > -"}},
	{name: "bad padding",
		play: func(c, s *h2Peer) []octets {
			request := c.post(1, "/a")
			c.framer.WriteRawFrame(http2.FrameData, http2.FlagDataPadded|http2.FlagDataEndStream, 1, []byte{9, 1, 2})
			return []octets{clientSays(http2Preface, request, c.said())}
		},
		want: []string{"#1 1 POST http://h/a 2 > - odd=bad padding"}},
	{name: "bad header block",
		play: func(c, s *h2Peer) []octets {
			c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82, 0xff, 0xff, 0xff}, EndStream: true, EndHeaders: true})
			return []octets{clientSays(http2Preface, c.said(), c.get(3, "/b"))}
		},
		want: []string{"#1 1 GET http://192.0.2.1/ 2 > - odd=bad header block", "#3 2 GET http://h/b 2 > -"}},
	{name: "frames for no stream",
		play: func(c, s *h2Peer) []octets {
			return []octets{clientSays(http2Preface, c.settings(), c.data(7, true, "abc"), c.reset(7, 1), c.get(1, "/a"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > -"}},
	{name: "gap inside content",
		play: func(c, s *h2Peer) []octets {
			response := s.data(1, true, "hello, world")
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")), serverSays(s.settings(), s.status(1, false, "200"), response[:14]),
				serverLoses(3), serverSays(response[17:]), clientSays(c.get(3, "/b")), serverSays(s.status(3, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 12 gap", "#3 2 GET http://h/b 2 > 200 0"}},
	{name: "gap up to the end of content",
		play: func(c, s *h2Peer) []octets {
			response := s.data(1, true, "hello")
			return []octets{clientSays(http2Preface, c.settings(), c.get(1, "/a")), serverSays(s.settings(), s.status(1, false, "200"), response[:10]),
				serverLoses(4), clientSays(c.get(3, "/b")), serverSays(s.status(3, true, "200"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > 200 5 gap", "#3 2 GET http://h/b 2 > 200 0"}},
	{name: "gap over a header block: what it put into the table is unknown", lost: true,
		play: func(c, s *h2Peer) []octets {
			first := c.get(1, "/a")
			lost := len(c.get(3, "/b", "x-new", "1"))
			return []octets{clientSays(http2Preface, c.settings(), first), clientLoses(lost), clientSays(c.get(5, "/c"), c.get(7, "/d", "user-agent", "ua")),
				clientSays(c.get(9, "/d", "user-agent", "ua"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > -", "#5 2 GET http://192.0.2.1/c 2 > - odd=hpack state lost",
			"#7 3 GET http://192.0.2.1/d 2 > - odd=hpack state lost", "#9 4 GET http://192.0.2.1/d 2 > - odd=hpack state lost"}},
	{name: "gap inside a header block",
		play: func(c, s *h2Peer) []octets {
			first := c.get(1, "/a")
			request := c.get(3, "/b", "user-agent", "Mozilla")
			return []octets{clientSays(http2Preface, c.settings(), first), clientSays(request[:12]), clientLoses(2), clientSays(request[14:]),
				clientSays(c.get(5, "/c", "user-agent", "other"))}
		},
		want: []string{"#1 1 GET http://h/a 2 > -", "#3 2  http://192.0.2.1/ 2 > - odd=hpack state lost gap", "#5 3 GET http://192.0.2.1/c 2 > - odd=hpack state lost"}},
	{name: "in the middle of a connection", lost: true,
		play: func(c, s *h2Peer) []octets {
			c.get(1, "/a")
			s.status(1, false, "200", "server", "nginx")
			return []octets{clientSays(c.get(3, "/b"), c.window(0)), serverSays(s.status(3, false, "200", "server", "nginx"), s.data(3, true, "abc")),
				clientSays(c.headers(5, true, ":method", "GET", ":scheme", "http", ":path", "/c", ":authority", "new.example")),
				clientSays(c.headers(7, true, ":method", "GET", ":scheme", "http", ":path", "/d", ":authority", "new.example"))}
		},
		want: []string{"#3 1 GET http://192.0.2.1/b 2 > 200 3 odd=hpack state lost",
			"#5 2 GET http://new.example/c 2 > -", "#7 3 GET http://new.example/d 2 > -"}},
}
