package cases

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// The laboratory: 30 minutes of traffic, a segment a minute. A workstation fetches
// something evil over a proxy at minute 20; another one does its work.
var (
	base        = time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	workstation = netip.MustParseAddr("10.0.0.7")
	bystander   = netip.MustParseAddr("10.0.0.9")
	proxy       = netip.MustParseAddr("10.0.0.3")
	resolver    = netip.MustParseAddr("10.0.0.53")
	origin5     = netip.MustParseAddr("203.0.113.5")
	other       = netip.MustParseAddr("198.51.100.9")
)

const evil = "evil.example"

func minute(m float64) int64 { return base.Add(time.Duration(m * float64(time.Minute))).UnixNano() }

// event is a packet or a note at a moment.
type event struct {
	at    int64
	frame []byte
	note  *segment.Note
}

type talk struct{ client, server netip.AddrPort }

func ends(client netip.Addr, cport uint16, server netip.Addr, sport uint16) talk {
	return talk{netip.AddrPortFrom(client, cport), netip.AddrPortFrom(server, sport)}
}

var (
	alerted   = ends(workstation, 40001, proxy, 3128)
	otherLeg  = ends(proxy, 50001, origin5, 80)
	notEvil   = ends(proxy, 50002, other, 80)
	unrelated = ends(bystander, 40009, proxy, 3128)
	lookup    = ends(workstation, 5353, resolver, 53)
	itsOwn    = ends(workstation, 40002, other, 443)
)

// ethernet makes a frame from one end of a talk to the other.
func ethernet(t talk, fromClient bool, proto uint8, flags byte, seq uint32, payload string) []byte {
	src, dst := t.client, t.server
	if !fromClient {
		src, dst = dst, src
	}
	be := binary.BigEndian
	var l4 []byte
	if proto == packet.ProtoTCP {
		l4 = be.AppendUint16(be.AppendUint16(nil, src.Port()), dst.Port())
		l4 = be.AppendUint32(be.AppendUint32(l4, seq), 1)
		l4 = append(l4, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		l4 = be.AppendUint16(be.AppendUint16(nil, src.Port()), dst.Port())
		l4 = be.AppendUint16(be.AppendUint16(l4, uint16(8+len(payload))), 0)
	}
	l4 = append(l4, payload...)
	s, d := src.Addr().As4(), dst.Addr().As4()
	f := append([]byte{2, 0, 0, 0, 0, d[3], 2, 0, 0, 0, 0, s[3], 8, 0}, 0x45, 0)
	f = be.AppendUint16(f, uint16(20+len(l4)))
	f = append(f, 0, 0, 0, 0, 64, proto, 0, 0)
	f = append(append(f, s[:]...), d[:]...)
	return append(f, l4...)
}

// keyOf is the flow of a talk, and its community id.
func keyOf(t talk, proto uint8) (packet.Key, packet.Side, string) {
	frame := ethernet(t, true, proto, 0x10, 1, "")
	var p packet.Packet
	f := sensor.Frame{Data: frame, WireLen: uint32(len(frame)), Link: packet.LinkEthernet}
	if p.Parse(f.Data, f.WireLen, f.Link) != packet.OK {
		panic("frame does not parse")
	}
	return p.Key, p.Side, p.Key.CommunityID(p.Side)
}

// scenario is what happens in the 30 minutes, in order.
func scenario() []event {
	var out []event
	say := func(at float64, t talk, fromClient bool, proto uint8, flags byte, payload string) {
		out = append(out, event{at: minute(at), frame: ethernet(t, fromClient, proto, flags, uint32(len(out)), payload)})
	}
	note := func(at float64, n segment.Note, t talk, proto uint8) {
		n.At = minute(at)
		n.Key, n.Client, _ = keyOf(t, proto)
		out = append(out, event{at: n.At, note: &n})
	}
	for m := range 30 {
		at := float64(m)
		if m == 4 { // the alerted connection began long before the alert
			say(at+.1, alerted, true, packet.ProtoTCP, 2, "")
			say(at+.11, alerted, false, packet.ProtoTCP, 0x12, "")
		}
		if m >= 4 && m <= 22 {
			say(at+.2, alerted, true, packet.ProtoTCP, 0x18, fmt.Sprintf("GET http://%s/%d HTTP/1.1\r\nHost: %s\r\n\r\n", evil, m, evil))
			note(at+.2, segment.Note{Kind: segment.Named, Name: evil}, alerted, packet.ProtoTCP)
			say(at+.21, alerted, false, packet.ProtoTCP, 0x18, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nMZ")
		}
		if m == 19 {
			say(at+.3, lookup, true, packet.ProtoUDP, 0, "\x00\x01 query "+evil)
			say(at+.31, lookup, false, packet.ProtoUDP, 0, "\x00\x01 answer 203.0.113.5")
			note(at+.31, segment.Note{Kind: segment.Resolved, Name: evil, Addrs: []netip.Addr{origin5}}, lookup, packet.ProtoUDP)
		}
		if m == 19 { // none of the case's business
			say(at+.35, ends(bystander, 5354, resolver, 53), true, packet.ProtoUDP, 0, "\x00\x02 query secret.example")
			note(at+.35, segment.Note{Kind: segment.Resolved, Name: "secret.example", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.77")}}, ends(bystander, 5354, resolver, 53), packet.ProtoUDP)
		}
		if m >= 18 && m <= 21 {
			say(at+.4, otherLeg, true, packet.ProtoTCP, 0x18, "GET / HTTP/1.1\r\nHost: "+evil+"\r\n\r\n")
			note(at+.4, segment.Note{Kind: segment.Named, Name: evil}, otherLeg, packet.ProtoTCP)
			say(at+.41, otherLeg, false, packet.ProtoTCP, 0x18, "HTTP/1.1 200 OK\r\n\r\nMZ")
			say(at+.42, notEvil, true, packet.ProtoTCP, 0x18, "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n")
			note(at+.42, segment.Note{Kind: segment.Named, Name: "good.example"}, notEvil, packet.ProtoTCP)
		}
		say(at+.5, unrelated, true, packet.ProtoTCP, 0x18, "not your business")
		say(at+.6, itsOwn, true, packet.ProtoTCP, 0x18, "hello")
	}
	return out
}

// expected counts the packets that a pin of the alert at minute 20 with ten minutes
// before and five after has to hold.
func expected(events []event, from, to int64) (all, flow int) {
	in := map[packet.Key]bool{}
	for t, proto := range map[talk]uint8{alerted: packet.ProtoTCP, otherLeg: packet.ProtoTCP, lookup: packet.ProtoUDP, itsOwn: packet.ProtoTCP} {
		k, _, _ := keyOf(t, proto)
		in[k] = true
	}
	flowKey, _, _ := keyOf(alerted, packet.ProtoTCP)
	for _, e := range events {
		if e.frame == nil {
			continue
		}
		var p packet.Packet
		p.Parse(e.frame, uint32(len(e.frame)), packet.LinkEthernet)
		if p.Key == flowKey {
			flow++
		}
		if p.Key == flowKey && e.at < from || e.at >= from && e.at < to && in[p.Key] {
			all++
		}
	}
	return all, flow
}

// writeSegment writes a segment and, if sealed, its index, as the recorder does.
func writeSegment(t testing.TB, dir string, num uint64, events []event, sealed bool, c *segment.Counters) string {
	t.Helper()
	b := segment.AppendSection(nil, "worker 0, session 1, boot test")
	b = segment.AppendInterface(b, segment.Interface{Link: packet.LinkEthernet, Snap: 65535, Name: "lab0"})
	mark := segment.Mark{Session: base.UnixNano() - int64(time.Second), Segment: num}
	last := 0
	check := func(synced bool) {
		mark.CRC = segment.Sum(0, b[last:])
		mark.Pos, mark.Counters, mark.Synced = int64(len(b)), *c, synced
		b = segment.AppendMark(b, &mark)
		last = len(b)
	}
	check(false)
	start := *c
	for _, e := range events {
		if e.note != nil {
			b = segment.AppendNote(b, e.note)
			continue
		}
		f := sensor.Frame{Time: e.at, Data: e.frame, WireLen: uint32(len(e.frame)), Link: packet.LinkEthernet}
		b = segment.AppendPacket(b, 0, &f, 65535)
		c.Seen++
		c.Stored++
		c.StoredBytes += uint64(len(e.frame))
		mark.Packets++
		mark.Last = e.at
	}
	check(true)
	name := segment.Name(events[0].at, num)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if sealed {
		writeIndex(t, path, b, index.Info{Segment: num, Session: mark.Session, Start: start, End: *c})
	}
	return name
}

func writeIndex(t testing.TB, path string, b []byte, i index.Info) {
	t.Helper()
	ib := index.NewBuilder()
	r, err := segment.Scan(bytes.NewReader(b), int64(len(b)), segment.Visitor{
		Packet: func(p *segment.Packet) bool { ib.Packet(p); return true },
		Note:   func(n *segment.Note) bool { ib.Note(n); return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	i.First, i.Last, i.Size, i.Packets, i.Layout = r.First, r.Last, int64(len(b)), r.Packets, r.Layout
	text := ib.Encode(nil, i)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), indexName(filepath.Base(path))), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// record writes segments of one minute each, [from, to).
func record(t testing.TB, dir string, events []event, from, to int, c *segment.Counters) {
	t.Helper()
	for m := from; m < to; m++ {
		var part []event
		for _, e := range events {
			if e.at >= minute(float64(m)) && e.at < minute(float64(m+1)) {
				part = append(part, e)
			}
		}
		writeSegment(t, dir, uint64(m+1), part, true, c)
	}
}

// rotate deletes every segment, index and chapter, as retention does in the end.
func rotate(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) || strings.HasSuffix(e.Name(), indexSuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// theAlert is the alert at minute 20.
func theAlert() *records.Alert {
	k, side, id := keyOf(alerted, packet.ProtoTCP)
	a := records.NewAlert(records.Meta{At: minute(20), UID: 7, Sub: 1, Key: k, Orig: side, CommunityID: id})
	a.Rule, a.Title, a.Severity, a.Score = "executable-download", "10.0.0.7 received a program", records.High, 14.5
	a.Source, a.Destination = workstation, evil+":80"
	a.Since, a.Until = minute(19), minute(20)
	a.Evidence, a.Benign = []string{"+4.0 nats: it is a program"}, "an update"
	a.Technique = []string{"T1105"}
	a.Communities = []string{id}
	return a
}

// labEnv is the environment of a test: a wall clock that stands at minute 40.
func labEnv(t testing.TB) Env {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "evidence")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var log io.Writer = io.Discard
	if testing.Verbose() {
		log = testLog{t}
	}
	return Env{Dir: dir, Version: "test", Host: "sensor.example", Interface: "lab0",
		Now: func() time.Time { return base.Add(40 * time.Minute) }, Records: labRecords,
		Line: alertLine,
		Log:  slog.New(slog.NewTextHandler(log, nil))}.complete()
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// labRecords stands for the decoders: a flow record for each key, and a file.
func labRecords(_ context.Context, packets []string, w io.Writer) error {
	seen := map[packet.Key]bool{}
	for _, path := range packets {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		st, _ := f.Stat()
		_, err = segment.Scan(f, st.Size(), segment.Visitor{Packet: func(sp *segment.Packet) bool {
			var p packet.Packet
			if p.Parse(sp.Data, sp.WireLen, sp.Link) != packet.OK || seen[p.Key] {
				return true
			}
			seen[p.Key] = true
			fmt.Fprintf(w, `{"@timestamp":%q,"event":{"dataset":"kagami.flow","start":%q,"end":%q},"network":{"community_id":%q,"packets":1},"source":{"ip":%q,"port":%d},"destination":{"ip":%q,"port":%d}}`+"\n",
				timeText(sp.Time), timeText(sp.Time), timeText(sp.Time), p.Key.CommunityID(p.Side), netip.AddrFrom16(p.Src()).Unmap(), p.Key.Port(p.Side), netip.AddrFrom16(p.Dst()).Unmap(), p.Key.Port(p.Side.Other()))
			return true
		}})
		f.Close()
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, `{"@timestamp":%q,"event":{"dataset":"kagami.file","start":%q},"file":{"name":"a.exe","size":2,"mime_type":"application/x-msdownload","hash":{"sha256":%q}},"source":{"ip":"10.0.0.7","port":40001},"destination":{"ip":"10.0.0.3","port":3128},"kagami":{"file":{"complete":true,"class":"program","sender":"server","source":"http"}}}`+"\n",
		timeText(minute(20)), timeText(minute(20)), sum([]byte("MZ")))
	return err
}

// packetsOf reads all packets of a case.
func packetsOf(t testing.TB, dir string) (list []segment.Packet) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "packets-*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = segment.Scan(bytes.NewReader(b), int64(len(b)), segment.Visitor{
			Packet: func(p *segment.Packet) bool {
				c := *p
				c.Data = bytes.Clone(p.Data)
				list = append(list, c)
				return true
			},
			Damage: func(pos, length int64, what string) bool { t.Errorf("%s: %s at %d", path, what, pos); return true },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func manifestText(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// alertLine stands for the ECS format.
func alertLine(r records.Record) []byte {
	a := r.(*records.Alert)
	b, err := json.Marshal(map[string]any{"@timestamp": time.Unix(0, a.Meta().At).UTC(), "message": a.Title,
		"event": map[string]any{"dataset": "kagami.alert", "id": a.Meta().ID()}})
	if err != nil {
		panic(err)
	}
	return b
}
