package records

import (
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestNTPFields(t *testing.T) {
	r := NewNTP(wholeMeta(packet.ProtoUDP))
	r.Time, r.Version, r.Mode, r.Leap, r.Stratum, r.Poll, r.Precision = 1000, 4, 4, 1, 2, 6, -23
	r.RootDelay, r.RootDispersion, r.RefID = 5, 6, [4]byte{10, 0, 0, 1}
	r.RefTime, r.OrgTime, r.RecTime, r.XmtTime = 11, 12, 13, 14
	r.Extensions, r.KeyID, r.MACBytes, r.Malformed = 1, 7, 16, true
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=ntp-server", "event.start=1000", "network.protocol=ntp", "kagami.ntp.extensions=1", "kagami.ntp.key_id=7",
		"kagami.ntp.leap=1", "kagami.ntp.mac_bytes=16", "kagami.ntp.malformed=1", "kagami.ntp.mode=4", "kagami.ntp.org_time=12",
		"kagami.ntp.poll=6", "kagami.ntp.precision=-23", "kagami.ntp.rec_time=13", "kagami.ntp.ref_id=10.0.0.1", "kagami.ntp.ref_time=11",
		"kagami.ntp.root_delay=5", "kagami.ntp.root_dispersion=6", "kagami.ntp.stratum=2", "kagami.ntp.version=4", "kagami.ntp.xmt_time=14"}
	if got := lines(fields, "event.action", "event.start", "network.protocol", "kagami.ntp"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestNTPControlFields(t *testing.T) {
	r := NewNTP(wholeMeta(packet.ProtoUDP))
	r.Version, r.Mode, r.Response, r.Operation, r.OperationNo, r.Error, r.More = 2, 7, true, "monlist", 42, 1, true
	r.Sequence, r.Status, r.Association, r.Items, r.ItemSize = 5, 6, 7, 8, 9
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=ntp-private", "kagami.ntp.association=7", "kagami.ntp.error=1", "kagami.ntp.item_bytes=9", "kagami.ntp.items=8",
		"kagami.ntp.mode=7", "kagami.ntp.more=1", "kagami.ntp.operation=monlist", "kagami.ntp.response=1", "kagami.ntp.sequence=5",
		"kagami.ntp.status=6", "kagami.ntp.version=2"}
	if got := lines(fields, "event.action", "kagami.ntp"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestNTPReference(t *testing.T) {
	for _, c := range []struct {
		stratum uint8
		id      string
		want    string
		kiss    string
	}{
		{0, "RATE", "RATE", "RATE"}, {1, "GPS\x00", "GPS", ""}, {1, "PPS ", "PPS", ""}, {2, "\x0a\x00\x00\x01", "10.0.0.1", ""},
		{1, "\x00\x00\x00\x00", "", ""}, {1, "\x01ab\x00", "0x01616200", ""}, {1, "a\x00b\x00", "0x61006200", ""},
	} {
		r := NTP{Mode: 4, Stratum: c.stratum, RefID: [4]byte([]byte(c.id))}
		if got, kiss := r.Reference(), r.KissCode(); got != c.want || kiss != c.kiss {
			t.Errorf("%d %q: got %q, %q", c.stratum, c.id, got, kiss)
		}
	}
}
