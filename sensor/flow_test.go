package sensor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func engineWith(c sensor.Config, out func([]records.Record), ps ...sensor.Protocol) *sensor.Engine {
	if out == nil {
		out = func([]records.Record) {}
	}
	c.Workers = max(c.Workers, 1)
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	return sensor.New(sensor.Options{Config: c, Networks: n, Protocols: ps, Output: out})
}

func read(t testing.TB, e *sensor.Engine, frames []sensor.Frame) {
	t.Helper()
	if err := e.Read(context.Background(), &memory{frames: frames, size: 7}); err != nil {
		t.Fatal(err)
	}
}

// The states and histories are Zeek's for the same exchanges.
func TestConnStateAndHistory(t *testing.T) {
	tests := []struct {
		state, history, action string
		build                  func(*conn)
	}{
		{"S0", "S", "Deny", func(c *conn) { c.seg('c', "S", 0, 0, "").seg('c', "S", 0, 0, "") }},
		{"REJ", "Sr", "Deny", func(c *conn) { c.seg('c', "S", 0, 0, "").seg('s', "R.", 0, 0, "") }},
		{"S1", "ShADd", "Permit", func(c *conn) { c.open().seg('c', ".", 0, 0, "x").seg('s', ".", 0, 1, "y") }},
		{"SF", "ShADdFaf", "Permit", func(c *conn) {
			c.open().seg('c', ".", 0, 0, "x").seg('s', ".", 0, 1, "y").seg('c', "F.", 1, 1, "").seg('s', ".", 1, 2, "").seg('s', "F.", 1, 2, "")
		}},
		{"RSTO", "ShR", "Permit", func(c *conn) { c.seg('c', "S", 0, 0, "").seg('s', "S.", 0, 0, "").seg('c', "R", 0, 0, "") }},
		{"RSTR", "ShADr", "Permit", func(c *conn) { c.open().seg('c', ".", 0, 0, "x").seg('s', "R.", 0, 1, "") }},
		{"RSTOS0", "SR", "Deny", func(c *conn) { c.seg('c', "S", 0, 0, "").seg('c', "R", 0, 0, "") }},
		{"RSTRH", "^hr", "Permit", func(c *conn) { c.seg('s', "S.", 0, 0, "").seg('s', "R", 0, 0, "") }},
		{"SHR", "^hf", "Permit", func(c *conn) { c.seg('s', "S.", 0, 0, "").seg('s', "F.", 0, 0, "") }},
		{"SH", "SF", "Deny", func(c *conn) { c.seg('c', "S", 0, 0, "").seg('c', "F", 0, 0, "") }},
		{"S2", "ShADF", "Permit", func(c *conn) { c.open().seg('c', ".", 0, 0, "x").seg('c', "F.", 1, 0, "") }},
		{"S3", "ShADf", "Permit", func(c *conn) { c.open().seg('c', ".", 0, 0, "x").seg('s', "F.", 0, 1, "") }},
		{"OTH", "Dd", "Permit", func(c *conn) { c.seg('c', ".", 0, 0, "x").seg('s', ".", 0, 1, "y") }},
	}
	for _, tt := range tests {
		t.Run(tt.state, func(t *testing.T) {
			c := newTraffic(t).conn()
			tt.build(c)
			flows := run(t, c.frames)
			if len(flows) != 1 {
				t.Fatalf("%d flows, want 1", len(flows))
			}
			f := flows[0]
			if f.ConnState != tt.state || f.History != tt.history || f.Action != tt.action {
				t.Errorf("got %s %s %s, want %s %s %s", f.ConnState, f.History, f.Action, tt.state, tt.history, tt.action)
			}
			if f.Meta().Client().Addr().String() != "10.0.0.2" {
				t.Errorf("client is %v", f.Meta().Client())
			}
		})
	}
}

func TestCounts(t *testing.T) {
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "abc").seg('c', ".", 0, 0, "abc").seg('s', ".", 5, 3, "fgh").seg('c', ".", 3, 8, "")
	f := run(t, c.frames)[0]
	if f.Orig.Packets != 5 || f.Resp.Packets != 2 || f.Orig.IPBytes != 5*40+6 || f.Orig.Bytes != 5*60 {
		t.Errorf("originator %+v, responder %+v", f.Orig, f.Resp)
	}
	if f.Orig.Payload != 3 || f.Orig.Retrans != 3 || f.Resp.Payload != 8 || f.Resp.Missed != 5 {
		t.Errorf("payload: originator %+v, responder %+v", f.Orig, f.Resp)
	}
	if m := f.Meta(); m.Visibility.Missed != 5 || m.Visibility.OneSided || m.CommunityID == "" || m.UID == 0 {
		t.Errorf("meta %+v", m)
	}
}

func TestOneSidedFlowsAreMarked(t *testing.T) {
	c := newTraffic(t).conn()
	c.seg('c', "S", 0, 0, "").seg('c', ".", 0, 0, "").seg('c', ".", 0, 0, "hello").seg('c', ".", 5, 100, "")
	f := run(t, c.frames)[0]
	if !f.Meta().Visibility.OneSided || f.Resp.Missed == 0 || f.Action != "Permit" {
		t.Errorf("flow %+v %+v", f, f.Meta().Visibility)
	}
	c = newTraffic(t).conn()
	c.seg('c', "S", 0, 0, "")
	if f := run(t, c.frames)[0]; f.Meta().Visibility.OneSided {
		t.Error("an unanswered SYN is not one-sided: nothing shows that there was an answer")
	}
}

func TestTimeoutsEndFlowsWhateverComesNext(t *testing.T) {
	tr := newTraffic(t)
	tr.udp("10.0.0.2", "192.0.2.1", 5000, 53, "a").udp("192.0.2.1", "10.0.0.2", 53, 5000, "b")
	last := tr.now - 1e6
	tr.wait(61*second).udp("10.0.0.2", "192.0.2.1", 5000, 53, "c")
	flows := run(t, tr.frames)
	if len(flows) != 2 {
		t.Fatalf("%d flows, want 2", len(flows))
	}
	if at := flows[0].Meta().At; at != last+60*second || flows[0].EndReason != "timeout" || flows[0].ConnState != "SF" {
		t.Errorf("first flow ended at +%d ns by %s, state %s", at-last, flows[0].EndReason, flows[0].ConnState)
	}
	if flows[1].ConnState != "S0" || flows[1].EndReason != "end of capture" || flows[0].Meta().UID == flows[1].Meta().UID {
		t.Errorf("second flow %+v", flows[1])
	}
}

func TestPortReuse(t *testing.T) {
	c := newTraffic(t).conn()
	c.open().seg('c', "F.", 0, 0, "").seg('s', "F.", 0, 1, "")
	c.cisn += 100000
	c.open()
	flows := run(t, c.frames)
	if len(flows) != 2 || flows[0].EndReason != "fin" || flows[1].ConnState != "S1" {
		t.Errorf("%d flows: %+v", len(flows), flows)
	}
}

func TestFlowTableIsBounded(t *testing.T) {
	tr := newTraffic(t)
	for i := range 100 {
		tr.udp("10.0.0.2", "192.0.2.1", 1000+i, 53, "x")
	}
	c := sensor.DefaultConfig()
	c.MaxFlows = 64
	n := 0
	e := engineWith(c, func(rs []records.Record) { n += len(rs) })
	read(t, e, tr.frames)
	s := e.Stats()
	if s.Ended[sensor.EndEviction] != 36 || n != 100 || s.Active != 0 {
		t.Errorf("%d evictions, %d records, %d left; want 36, 100, 0", s.Ended[sensor.EndEviction], n, s.Active)
	}
}

func TestClosedPortByICMP(t *testing.T) {
	tr := newTraffic(t)
	tr.udp("10.0.0.2", "192.0.2.1", 5000, 161, "public")
	inner := tr.last().Data[14:]
	tr.add(ether(0x800), ipv4("192.0.2.1", "10.0.0.2", layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(inner))
	for _, f := range run(t, tr.frames) {
		if f.Meta().Key.Proto == packet.ProtoUDP && (f.Action != "Deny" || f.Reason != "refused") {
			t.Errorf("%s, %s", f.Action, f.Reason)
		}
	}
}

func TestMidstreamAnswerFirstIsTurnedRound(t *testing.T) {
	var log strings.Builder
	server := sensor.Protocol{Name: "s", Transport: packet.ProtoUDP,
		Match: func(*sensor.Flow, packet.Side, []byte) sensor.Match { return sensor.FromServer },
		New:   func() sensor.Decoder { return &transcript{log: &log} }}
	tr := newTraffic(t).udp("192.0.2.1", "10.0.0.2", 53, 5000, "answer")
	f := run(t, tr.frames, server)[0]
	m := f.Meta()
	if m.Client().String() != "10.0.0.2:5000" || f.ConnState != "SHR" || !m.ClientInternal {
		t.Errorf("client %v, state %s", m.Client(), f.ConnState)
	}
	if records.MAC(m.ServerMAC) != "02-00-00-00-00-01" {
		t.Errorf("server MAC %s", records.MAC(m.ServerMAC))
	}
}

func TestClockStep(t *testing.T) {
	tr := newTraffic(t)
	tr.udp("10.0.0.2", "192.0.2.1", 5000, 53, "x")
	tr.now -= 3600 * second
	for i := range 1500 {
		tr.udp("10.0.0.3", "192.0.2.1", 1024+i, 53, "x")
	}
	var ends []string
	last := int64(0)
	c := sensor.DefaultConfig()
	e := engineWith(c, func(rs []records.Record) {
		for _, r := range rs {
			f := r.(*records.Flow)
			if f.Meta().Epoch == 1 && f.Meta().At < last {
				t.Error("records of the new epoch out of order")
			}
			if f.Meta().Epoch == 1 {
				last = f.Meta().At
			}
			ends = append(ends, f.EndReason)
		}
	})
	read(t, e, tr.frames)
	if got := e.Stats().Ended[sensor.EndClockStep]; got != 1000 {
		t.Errorf("%d flows ended by the clock step, want those of the first 1000 frames", got)
	}
	if len(ends) != 1501 {
		t.Errorf("%d flows, want 1501", len(ends))
	}
}

func TestFlowsOfOneMomentHaveDifferentIDs(t *testing.T) {
	c := newTraffic(t).conn()
	for range 3 {
		c.seg('c', "S", 0, 0, "").seg('s', "R.", 0, 0, "")
		c.cisn += 1000
	}
	for i := range c.frames {
		c.frames[i].Time = start
	}
	seen := map[uint64]bool{}
	for _, f := range run(t, c.frames) {
		seen[f.Meta().UID] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d ids for 3 flows", len(seen))
	}
}

func TestLastOfferedSequenceNumberCounts(t *testing.T) {
	c := newTraffic(t).conn()
	c.seg('c', "S", 0, 0, "").seg('s', "S.", 0, 0, "")
	c.sisn += 5000
	c.seg('s', "S.", 0, 0, "").seg('c', ".", 0, 0, "hello").seg('s', ".", 0, 5, "answer")
	f := run(t, c.frames)[0]
	if f.Resp.Payload != 6 || f.Resp.Missed != 0 {
		t.Errorf("responder %+v", f.Resp)
	}
}

func TestKeepAliveProbeIsNoStart(t *testing.T) {
	var log strings.Builder
	c := newTraffic(t).conn()
	c.seg('c', ".", 99, 0, "x").seg('s', ".", 0, 100, "").seg('c', ".", 100, 0, "request")
	run(t, c.frames, script(&log, packet.ProtoTCP))
	if log.String() != "c(request) close" {
		t.Errorf("got %s", log.String())
	}
}
