package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/http2"

	"kagami/evidence/replay"
	"kagami/packet"
	"kagami/sensor"
)

// TestRanges: pieces of one object are joined, and what is missing of it is told.
func TestRanges(t *testing.T) {
	ask := "GET /f HTTP/1.1\r\nHost: h\r\n\r\n"
	part := func(etag, span, body string) string {
		return fmt.Sprintf("HTTP/1.1 206 Partial\r\nETag: %s\r\nContent-Range: bytes %s\r\nContent-Length: %d\r\n\r\n%s", etag, span, len(body), body)
	}
	multi := "--xx\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--xx\r\nContent-Range: bytes 5-6/10\r\n\r\n56\r\n--xx--\r\n"
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"out of order, and twice", []step{up(ask), down(part("a", "4-9/10", "456789")), up(ask), down(part("a", "0-5/10", "012345")), fin},
			`object http://h/f 10 "0123456789" missing []`},
		{"one is missing", []step{up(ask), down(part("a", "0-2/10", "012")), up(ask), down(part("a", "5-6/10", "56")), fin},
			`object http://h/f 10 "012" missing [{3 2} {7 3}]
			 - range 0: http://h/f: 5 octets in 2 ranges were not transferred or not captured`},
		{"other versions are other objects", []step{up(ask), down(part("a", "0-2/6", "012")), up(ask), down(part("b", "3-5/6", "def")), fin},
			`object http://h/f 6 "012" missing [{3 3}]
			 object http://h/f 6 "" missing [{0 3}]
			 - range 0: http://h/f: 3 octets in 1 range were not transferred or not captured
			 - range 1: http://h/f: 3 octets in 1 range were not transferred or not captured`},
		{"a download that was cut off, and gone on with", []step{up(ask), down("HTTP/1.1 200 OK\r\nETag: a\r\nContent-Length: 10\r\n\r\n0123"), up(ask), down(part("a", "4-9/10", "456789")), fin},
			`object http://h/f 10 "0123456789" missing []
			 - truncated 0: 10 octets were declared, 4 came before the next message`},
		{"multipart/byteranges", []step{up(ask), down(fmt.Sprintf("HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=xx\r\nContent-Length: %d\r\n\r\n%s", len(multi), multi)), fin},
			`object http://h/f 10 "01" missing [{2 3} {7 3}]
			 - range 0: http://h/f: 6 octets in 2 ranges were not transferred or not captured`},
		{"multipart that is cut off within a boundary", []step{up(ask), down(fmt.Sprintf("HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=xx\r\nContent-Length: %d\r\n\r\n%s", len(multi), multi[:69])), fin},
			`object http://h/f 10 "01" missing [{2 8}]
			 - range 0: http://h/f: 8 octets in 1 range were not transferred or not captured
			 - truncated 0: 116 octets were declared, 69 came before the connection was closed`},
		{"a hole", []step{up(ask), down("HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n012"), lostDown(3), down("6789"), fin},
			`object http://h/f 10 "012" missing [{3 7}]
			 - gap 0: 3 octets at 3 were not captured
			 - range 0: http://h/f: 7 octets in 1 range were not transferred or not captured`},
		{"no sense", []step{up(ask), down(part("a", "9-2/10", "x")), fin},
			`- syntax 0: a partial answer without a range that makes sense`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for _, l := range strings.Split(told(read(t, play(0, true, c.steps...), replay.Options{})), "\n") {
				if strings.HasPrefix(l, "object") || strings.HasPrefix(l, "-") {
					lines = append(lines, l)
				}
			}
			if got, want := strings.Join(lines, "\n")+"\n", trim(c.want); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestOrder: segments that come out of order, twice, or both.
func TestOrder(t *testing.T) {
	text := strings.Repeat("0123456789", 500)
	frames := play(100, true, up(get), down(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)))
	want := told(read(t, frames, replay.Options{}))
	if !strings.Contains(want, "5000 octets\n") {
		t.Fatalf("got:\n%s", want)
	}
	shuffled := slices.Clone(frames)
	for i := 6; i+5 < len(shuffled); i += 5 {
		slices.Reverse(shuffled[i : i+5])
	}
	shuffled = slices.Insert(shuffled, 20, frames[10], frames[12], frames[14])
	for i := range shuffled {
		shuffled[i].Time = start + int64(i)*1e6
	}
	r := read(t, shuffled, replay.Options{})
	if got := told(r); got != want {
		t.Errorf("out of order: got:\n%swant:\n%s", got, want)
	}
	for i := range shuffled {
		shuffled[i].Time = start // a coarse clock
	}
	if got := told(read(t, shuffled, replay.Options{})); got != want {
		t.Errorf("all at one time: got:\n%swant:\n%s", got, want)
	}
}

// TestSkew: a file merged of two captures whose clocks differ, one of each direction, in
// order of time: every segment comes long after it was acknowledged.
func TestSkew(t *testing.T) {
	frames := play(0, true, up(get), down(hello), up(getB), down(world), fin)
	want := told(read(t, frames, replay.Options{}))
	for _, skew := range []int64{300e6, 3e9, -3e9} {
		late := slices.Clone(frames)
		for i := range late {
			if late[i].Data[14+12] == 10 { // from the client
				late[i].Time += skew
			}
		}
		slices.SortStableFunc(late, func(a, b sensor.Frame) int { return int(a.Time - b.Time) })
		if got := told(read(t, late, replay.Options{})); got != want {
			t.Errorf("%d ns: got:\n%swant:\n%s", skew, got, want)
		}
	}
}

// TestQUIC: what is not read at all is told, once a connection.
func TestQUIC(t *testing.T) {
	tr := newTraffic()
	first := make([]byte, 1250)
	copy(first, "\xc3\x00\x00\x00\x01\x08abcdefgh\x00\x00\x44\xd0")
	tr.udp("10.0.0.2:50000", "192.0.2.80:443", first)
	tr.udp("192.0.2.80:443", "10.0.0.2:50000", first)
	tr.udp("10.0.0.2:50000", "192.0.2.80:443", []byte("\x43 what is behind that"))
	r := read(t, tr.frames, replay.Options{})
	if got, want := told(r), "- encrypted: not decrypted: QUIC is not decrypted\n"; got != want || len(r.Flows) != 1 || r.Flows[0].Protocol != "quic" {
		t.Errorf("got:\n%swant:\n%s%+v", got, want, r.Flows)
	}
}

// TestFrames: each message knows when it came and in which frames, held segments too.
func TestFrames(t *testing.T) {
	frames := play(0, true, up(get), down(hello[:20]), down(hello[20:40]), down(hello[40:]), up(getB), down(world), fin)
	check := func(name string, frames []sensor.Frame, want ...int) {
		t.Helper()
		r := read(t, frames, replay.Options{})
		f := r.Flows[0]
		a, b := r.Transactions[0], r.Transactions[1]
		got := []int{f.Frame, a.Request.Frame, a.Response.Frame, a.Response.Till, b.Request.Frame, b.Response.Frame}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got frames %v, want %v", name, got, want)
		}
		for i, at := range []int64{f.First, a.Request.Time, a.Response.Time, a.Response.End, b.Request.Time, b.Response.Time} {
			if at != frames[got[i]-1].Time {
				t.Errorf("%s: got time %d of frame %d, want %d", name, at, got[i], frames[got[i]-1].Time)
			}
		}
		if r.Frames != len(frames) || r.First != frames[0].Time || r.Last != frames[len(frames)-1].Time {
			t.Errorf("%s: got %d frames from %d to %d", name, r.Frames, r.First, r.Last)
		}
	}
	check("in order", frames, 1, 4, 5, 7, 8, 9)
	frames[4], frames[6] = frames[6], frames[4]
	for i := range frames {
		frames[i].Time = start + int64(i)*1e6
	}
	check("the last segment first", frames, 1, 4, 7, 5, 8, 9)
	for i := range frames {
		frames[i].Time = start + int64(i/4)*1e3
	}
	check("a coarse clock", frames, 1, 4, 7, 5, 8, 9)
}

func TestOptions(t *testing.T) {
	tr := newTraffic()
	for i, c := range []string{"10.0.0.2:40000", "10.0.0.3:40000", "10.0.0.2:40001"} {
		tr.now = start + int64(i)*second
		x := tr.conn(c, "192.0.2.80:8080").open()
		x.send(client, get)
		x.send(server, hello)
		x.send(client, getB)
		x.close()
	}
	for _, c := range []struct {
		name string
		o    replay.Options
		want []string
	}{
		{"all", replay.Options{}, []string{"10.0.0.2:40000", "10.0.0.3:40000", "10.0.0.2:40001"}},
		{"a client", replay.Options{Client: netip.MustParseAddr("10.0.0.2")}, []string{"10.0.0.2:40000", "10.0.0.2:40001"}},
		{"what is a server is no client", replay.Options{Client: netip.MustParseAddr("192.0.2.80")}, nil},
		{"from", replay.Options{From: start + second/2}, []string{"10.0.0.3:40000", "10.0.0.2:40001"}},
		{"to", replay.Options{To: start + second/2}, []string{"10.0.0.2:40000"}},
		{"between", replay.Options{From: start + second/2, To: start + 3*second/2}, []string{"10.0.0.3:40000"}},
	} {
		r := read(t, tr.frames, c.o)
		var flows, clients []string
		for _, f := range r.Flows {
			flows = append(flows, f.Client.String())
		}
		for _, x := range r.Transactions {
			clients = append(clients, x.Flow.Client.String())
		}
		if twice := slices.Compact(slices.Clone(clients)); !slices.Equal(flows, c.want) || !slices.Equal(twice, c.want) || len(r.Holes) != len(c.want) {
			t.Errorf("%s: got flows %v, transactions of %v, %d holes, want %v", c.name, flows, clients, len(r.Holes), c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("0123456789", 10000)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big)
	frames := play(1000, true, up(get), down(answer), up(getB), down(world), fin)
	for _, c := range []struct {
		name   string
		limits replay.Limits
		want   string
	}{
		{"octets of a stream", replay.Limits{Stream: 5000}, "- limit 0: "},
		{"octets in all", replay.Limits{Kept: 20000}, "- limit: more than 20000 octets were to be kept: some were not"},
		{"header", replay.Limits{Header: 20}, "- limit 0: header section is longer than 20 octets"},
	} {
		r := read(t, frames, replay.Options{Limits: c.limits})
		if got := told(r); !strings.Contains(got, c.want) {
			t.Errorf("%s: got:\n%swant %q", c.name, got, c.want)
		}
		for _, x := range r.Transactions {
			if x.Response != nil && !strings.HasPrefix(big+world, string(x.Response.Body.Data)) && string(x.Response.Body.Data) != "world" {
				t.Errorf("%s: invented %q", c.name, x.Response.Body.Data)
			}
		}
	}
}

// TestFloods: what is cheap to send does not take memory without end.
func TestFloods(t *testing.T) {
	c, s := newPeer2(), newPeer2()
	many := http2.ClientPreface
	for i := range 3000 {
		many += c.headers(uint32(2*i+1), true, append(ask2("/"), "x: "+strings.Repeat("v", 2000))...)
	}
	bomb := coded("gzip", strings.Repeat("\x00", 1<<20))
	var nothing bytes.Buffer // much that decodes to nothing
	z := gzip.NewWriter(&nothing)
	for range 100_000 {
		ok(z.Flush())
	}
	ok(z.Close())
	for _, f := range []struct {
		name  string
		steps []step
		most  int
		want  string
	}{
		{"requests", []step{up(strings.Repeat("GET / HTTP/1.1\n\n", 3000)), down(hello), fin}, 1000, "the rest of the connection is not told"},
		{"streams with the same long field", []step{up(many), down(s.settings()), fin}, 1000, "the rest of the connection is not told"},
		{"bombs", []step{up(strings.Repeat(get, 40)), down(strings.Repeat(answer("gzip, gzip", coded("gzip", bomb)), 40)), fin}, 40, "no more octets are kept in all"},
		{"bombs of which nothing is left", []step{up(strings.Repeat(get, 40)), down(strings.Repeat(answer("gzip, gzip", coded("gzip", nothing.String())), 40)), fin}, 40, "too much was decoded already: this is not"},
	} {
		r := read(t, play(0, true, f.steps...), replay.Options{Limits: replay.Limits{Kept: 1 << 20, Ratio: 1 << 20}})
		if n := len(r.Transactions); n > f.most || n < 10 || !strings.Contains(told(r), f.want) {
			t.Errorf("%s: got %d transactions, %.2000s", f.name, n, told(r))
		}
	}
}

// TestOthers: what is neither HTTP nor TLS is only counted, and nothing of it is kept.
func TestOthers(t *testing.T) {
	for _, steps := range [][]step{
		{down("SSH-2.0-OpenSSH\r\n"), up("SSH-2.0-x\r\n"), fin},
		{down("220 mail ESMTP\r\n"), up("EHLO x\r\n"), down("250 ok\r\n"), fin},
		{up("\x00\x01\x02\x03"), down("\x05\x06\x07"), fin},
		{up(strings.Repeat("\x00", 1<<20)), fin},
		{up("GE"), fin},
	} {
		r := read(t, play(0, true, steps...), replay.Options{})
		if len(r.Flows) != 0 || r.Others != 1 || len(r.Transactions) != 0 {
			t.Errorf("got %d flows, %d others, %s", len(r.Flows), r.Others, told(r))
		}
	}
}

func TestLookups(t *testing.T) {
	name := dnsmessage.MustNewName("a.example.")
	message := func(code dnsmessage.RCode, addrs ...string) []byte {
		b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, Response: true, RCode: code})
		b.StartQuestions()
		b.Question(dnsmessage.Question{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
		b.StartAnswers()
		b.CNAMEResource(dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("b.example.")})
		for _, a := range addrs {
			ip := netip.MustParseAddr(a)
			if ip.Is4() {
				b.AResource(dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, dnsmessage.AResource{A: ip.As4()})
			} else {
				b.AAAAResource(dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, dnsmessage.AAAAResource{AAAA: ip.As16()})
			}
		}
		return must(b.Finish())
	}
	for _, mss := range []int{0, 1} {
		tr := newTraffic()
		tr.mss = mss
		tr.udp("192.0.2.53:53", "10.0.0.2:5000", message(dnsmessage.RCodeSuccess, "192.0.2.80", "2001:db8::80"))
		tr.udp("192.0.2.53:53", "10.0.0.2:5000", message(dnsmessage.RCodeNameError))
		tr.udp("192.0.2.53:53", "10.0.0.2:5000", []byte("nonsense that is long enough"))
		c := tr.conn("10.0.0.3:40000", "192.0.2.53:53").open()
		m := message(dnsmessage.RCodeSuccess, "192.0.2.81")
		c.send(server, string([]byte{byte(len(m) >> 8), byte(len(m))})+string(m))
		c.close()
		var got []string
		for _, l := range read(t, tr.frames, replay.Options{}).Lookups {
			got = append(got, fmt.Sprintf("%d %s %s %v %s", l.Frame, l.Client, l.Name, l.Addrs, l.Failed))
		}
		want := []string{"1 10.0.0.2 a.example [192.0.2.80 2001:db8::80] ", "2 10.0.0.2 a.example [] NameError"}
		if len(got) != 3 || !slices.Equal(got[:2], want) || !strings.HasSuffix(got[2], " 10.0.0.3 a.example [192.0.2.81] ") {
			t.Errorf("segments of %d: got %q", mss, got)
		}
	}
}

// TestSourceError: what came before the error is read, and the error is told.
func TestSourceError(t *testing.T) {
	torn := errors.New("file ends within a packet")
	r, err := replay.Read(context.Background(), &memory{frames: play(0, true, up(get), down(hello)), size: 3, err: torn}, replay.Options{})
	if !errors.Is(err, torn) {
		t.Errorf("got error %v", err)
	}
	if got, want := told(r), "0 GET http://a.example/ > 200 \"hello\"\n- lost: read web traffic: file ends within a packet\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestReversed: the capture begins with the server's answer, sent to a low port; the
// content says who the client is.
func TestReversed(t *testing.T) {
	tr := newTraffic()
	c := tr.conn("10.0.0.2:40000", "192.0.2.80:50000")
	c.send(server, "tail")
	c.send(client, "CONNECT a:80 HTTP/1.1\r\n\r\n")
	c.send(server, "HTTP/1.1 200 OK\r\n\r\n")
	c.lose(client, 3)
	c.send(client, get)
	c.send(server, hello)
	c.close()
	r := read(t, tr.frames, replay.Options{})
	for _, f := range r.Flows {
		if f.Client.String() != "10.0.0.2:40000" {
			t.Errorf("got client %v of %+v", f.Client, f)
		}
	}
	if len(r.Flows) != 2 || r.Flows[0].Missing != [2]int64{3, 0} && r.Flows[1].Missing != [2]int64{3, 0} {
		t.Errorf("got %d flows, %+v", len(r.Flows), r.Flows[0])
	}
	if got := told(r); !strings.Contains(got, `GET http://a.example/ > 200 "hello"`) {
		t.Errorf("got:\n%s", got)
	}
}

// TestSnapLength: octets that the capture cut from packets are holes.
func TestSnapLength(t *testing.T) {
	frames := play(0, true, up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"), up(getB), down(world), fin)
	f := &frames[4]
	f.Data = f.Data[:len(f.Data)-6]
	want := trim(`0 GET http://a.example/ > 200 "0123" holes [{4 6}] incomplete
		1 GET http://a.example/b > 200 "world"
		- gap 0: 6 octets at 4 were not captured`)
	if got := told(read(t, frames, replay.Options{})); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestUnread: frames that say nothing are counted.
func TestUnread(t *testing.T) {
	frames := []sensor.Frame{{Time: start, Data: []byte("x"), WireLen: 60, Link: packet.LinkType(250)}}
	if got, want := told(read(t, frames, replay.Options{})), "- lost: of a link type that is not read: 1 frame\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
