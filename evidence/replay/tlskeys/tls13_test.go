package tlskeys

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
)

func TestPadding(t *testing.T) {
	f := simple(t)
	f.sealed(client, typeData, []byte("GET"), 0)
	f.sealed(client, typeData, []byte(" /\x00\x00"), 1000) // zeros of the content are content
	f.sealed(client, typeData, nil, 0)
	f.sealed(client, 0, nil, 50) // no type at all: nothing
	f.data(client, "\r\n")
	f.expect("GET /\x00\x00\r\n", "")
}

func TestKeyUpdate(t *testing.T) {
	f := simple(t)
	for range 3 {
		f.data(server, "a")
		f.keyUpdate(server)
	}
	f.data(client, "b")
	f.keyUpdate(client)
	f.data(client, "c")
	f.data(server, "d")
	f.expect("bc", "aaad")
}

// TestKeyUpdateInGap loses the message: the next keys are tried.
func TestKeyUpdateInGap(t *testing.T) {
	f := simple(t)
	f.data(server, "before")
	f.data(server, "lost")
	from := len(f.stream())
	f.keyUpdate(server)
	f.data(server, "lost too")
	to := len(f.stream())
	f.data(server, " after")
	f.data(server, " and on")
	out, r := replayHoles(f.keyLog(), f.parts, 0, hole{server, from - 3, to - 2})
	if got := string(out.plain[server]); got != "before after and on" || len(out.lost[server]) != 1 || r.Sides[server].Dark != None {
		t.Fatalf("got %q, losses %v, %+v", got, out.lost[server], r.Sides[server])
	}
	if l := out.lost[server][0]; l.Exact || l.Octets < len("lostlost too") || l.Octets > 60 || l.Reason != Gap {
		t.Errorf("loss %+v", l)
	}
}

func (f *forge) stream() []byte { return (&wire{parts: f.parts}).stream(server) }

const earlyLen = int64(len("early "))

// startEarly says early in two records.
func startEarly(t *testing.T) *forge {
	f := newForge(t)
	f.clientHello(extension(extEarlyData))
	f.clear(client, typeSwitch, []byte{1})
	f.keys(client, "CLIENT_EARLY_TRAFFIC_SECRET")
	f.data(client, "ear")
	f.data(client, "ly ")
	return f
}

// TestEarlyData is RFC 8446 section 2.3 in every way it can end. The client says
// early; it says it again, if the server refuses.
func TestEarlyData(t *testing.T) {
	t.Run("taken", func(t *testing.T) {
		f := startEarly(t)
		f.flight(true, true)
		f.data(server, "at once")
		f.message(client, msgEndOfEarlyData, nil)
		f.clientFinished()
		f.data(client, "late")
		if r := f.expect("early late", "at once"); r.Early != earlyLen || r.EarlyDropped != 0 || !r.Resumed {
			t.Errorf("%+v", r)
		}
		// The application that reads sees the early data before what answers them.
		out := new(order)
		s := NewSession(f.keyLog(), out)
		for _, p := range f.parts {
			s.Data(p.side, p.b)
		}
		if want := "0ear0ly 1at once0late"; string(*out) != want {
			t.Errorf("order %q, want %q", *out, want)
		}
	})
	t.Run("refused", func(t *testing.T) {
		f := startEarly(t)
		f.flight(true, false)
		f.clientFinished()
		f.data(client, "early again")
		if r := f.expect("early again", ""); r.Early != 0 || r.EarlyDropped != earlyLen {
			t.Errorf("%+v", r)
		}
	})
	t.Run("refused with the session", func(t *testing.T) {
		f := startEarly(t)
		f.flight(false, false)
		f.clientFinished()
		f.data(client, "early again")
		if r := f.expect("early again", ""); r.Early != 0 || r.EarlyDropped != earlyLen || r.Resumed {
			t.Errorf("%+v", r)
		}
	})
	t.Run("refused by a HelloRetryRequest", func(t *testing.T) {
		f := startEarly(t)
		f.serverHello(retryRandom)
		f.clear(server, typeSwitch, []byte{1})
		f.clientHello()
		f.flight(true, false)
		f.clientFinished()
		f.data(client, "early again")
		if r := f.expect("early again", ""); r.Early != 0 || r.EarlyDropped == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestEarlyDataUndecided has no answer of the server that can be read.
func TestEarlyDataUndecided(t *testing.T) {
	t.Run("taken as the client says", func(t *testing.T) {
		f := startEarly(t)
		f.serverHello(random{}, extension(extPreSharedKey, 0, 0))
		f.quietly(server, "secret")
		f.message(server, msgEncryptedExts, extensions(extension(extEarlyData)))
		f.message(client, msgEndOfEarlyData, nil)
		f.clientFinished()
		f.data(client, "late")
		if r := f.expect("early late", ""); r.Early != earlyLen || r.Sides[server].Dark != NoKey {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nobody knows", func(t *testing.T) {
		f := startEarly(t)
		f.serverHello(random{}, extension(extPreSharedKey, 0, 0))
		if r := f.expect("", ""); r.Early != 0 || r.EarlyDropped != earlyLen {
			t.Errorf("%+v", r)
		}
	})
	t.Run("more than is held", func(t *testing.T) {
		f := startEarly(t)
		for range maxEarly/10000 + 1 {
			f.sealed(client, typeData, make([]byte, 10000), 0)
		}
		f.serverHello(random{}, extension(extPreSharedKey, 0, 0))
		_, r := f.replay()
		if r.Sides[client].Dark != Limit { // the octets that wait for the ServerHello
			t.Errorf("%+v", r)
		}
	})
}

// order keeps what a Session gives in the order it gives it.
type order string

func (o *order) Plain(side packet.Side, b []byte) { *o += order(string('0'+rune(side)) + string(b)) }
func (o *order) Lost(packet.Side, Loss)           { *o += "lost" }

// TestPartOfTheSecrets has key logs that lack some.
func TestPartOfTheSecrets(t *testing.T) {
	f := simple(t)
	f.data(client, "question")
	f.data(server, "answer")
	for _, tt := range []struct {
		name, without string
		client        string
		server        string
		dark          [2]Reason
	}{
		{"all", "-", "question", "answer", [2]Reason{}},
		{"traffic only", "HANDSHAKE", "question", "answer", [2]Reason{}},
		{"handshake only", "TRAFFIC_SECRET_0", "", "", [2]Reason{NoKey, NoKey}},
		{"client only", "SERVER", "question", "", [2]Reason{None, NoKey}},
		{"none", "SECRET", "", "", [2]Reason{NoKey, NoKey}},
	} {
		var lines strings.Builder
		for line := range strings.Lines(f.log.String()) {
			if !strings.Contains(line, tt.without) {
				lines.WriteString(line)
			}
		}
		log, err := Parse(strings.NewReader(lines.String()))
		if err != nil {
			t.Fatal(err)
		}
		out, r := replay(log, f.parts, 0)
		dark := [2]Reason{r.Sides[0].Dark, r.Sides[1].Dark}
		if string(out.plain[client]) != tt.client || string(out.plain[server]) != tt.server || dark != tt.dark {
			t.Errorf("%s: got %q and %q, dark %v", tt.name, out.plain[client], out.plain[server], dark)
		}
	}
}

// TestWrongSecret has a secret of another connection under this one's Random.
func TestWrongSecret(t *testing.T) {
	f := simple(t)
	for range 30 {
		f.data(server, "answer")
	}
	f.log.Reset()
	for _, label := range []string{"SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"} {
		f.log.WriteString(label + " " + hex.EncodeToString(f.random[:]) + " " + strings.Repeat("5a", 32) + "\n")
	}
	if r := f.expect("", ""); r.Sides[server].Dark != BadRecord || r.Sides[server].Unread == 0 || r.Sides[server].LostOctets > 0 {
		t.Errorf("%+v", r.Sides[server])
	}
}

// TestFragmentedFlight spreads the server's messages over records of seven octets.
func TestFragmentedFlight(t *testing.T) {
	f := newForge(t)
	f.clientHello()
	f.serverHello(random{})
	f.keys(server, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
	flight := message(msgEncryptedExts, extensions(extension(extALPN, 0, 3, 2, 'h', '2')))
	flight = append(flight, message(11, make([]byte, 3000))...)
	flight = append(flight, message(25, make([]byte, maxMessage+5))...) // longer than is kept
	flight = append(flight, message(msgFinished, make([]byte, 32))...)
	for len(flight) > 0 {
		n := min(7, len(flight))
		if len(flight) > 5000 {
			n = 5000
		}
		f.sealed(server, typeHandshake, flight[:n], 0)
		flight = flight[n:]
	}
	f.keys(server, "SERVER_TRAFFIC_SECRET_0")
	f.message(server, msgNewTicket, make([]byte, 100))
	f.clientFinished()
	f.data(server, "answer")
	if r := f.expect("", "answer"); r.ALPN != "h2" {
		t.Errorf("ALPN %q", r.ALPN)
	}
}

// TestPieces feeds a connection with everything in pieces of any length.
func TestPieces(t *testing.T) {
	f := simple(t)
	f.data(client, "one")
	f.keyUpdate(client)
	f.sealed(client, typeData, []byte("two"), 300)
	f.data(server, strings.Repeat("answer", 1000))
	f.sealed(server, typeAlert, []byte{1, 0}, 0)
	f.sealed(client, typeAlert, []byte{2, 80}, 0)
	want, report := f.replay()
	if r := report.Sides; !r[server].Closed || r[client].Closed || !r[client].Alerted || r[client].Alert != 80 {
		t.Errorf("alerts: %+v", r)
	}
	for step := 1; step < 40; step++ {
		got, r := replay(f.keyLog(), f.parts, step)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(r, report) {
			t.Errorf("in pieces of %d: %+v, want %+v", step, r, report)
		}
	}
}
