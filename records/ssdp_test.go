package records

import (
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestSSDPFields(t *testing.T) {
	r := NewSSDP(wholeMeta(packet.ProtoUDP))
	r.Time, r.Method, r.Status, r.Type, r.Event, r.USN = 1000, "NOTIFY", 200, "upnp:rootdevice", "ssdp:alive", "uuid:1"
	r.Location, r.Server, r.UserAgent, r.Name, r.Host, r.Man = "http://h/", "Linux", "agent", "name", "host", "ssdp:discover"
	r.MaxWait, r.MaxAge, r.Odd = 0, 1800, "bad line"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=ssdp-notify", "network.protocol=ssdp", "user_agent.original=agent", "kagami.ssdp.event=ssdp:alive",
		"kagami.ssdp.host=host", "kagami.ssdp.location=http://h/", "kagami.ssdp.man=ssdp:discover", "kagami.ssdp.max_age=1800",
		"kagami.ssdp.max_wait=0", "kagami.ssdp.method=NOTIFY", "kagami.ssdp.name=name", "kagami.ssdp.odd=bad line", "kagami.ssdp.server=Linux",
		"kagami.ssdp.status=200", "kagami.ssdp.type=upnp:rootdevice", "kagami.ssdp.usn=uuid:1"}
	if got := lines(fields, "event.action", "network.protocol", "user_agent", "kagami.ssdp"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for method, action := range map[string]string{"": "ssdp-response", "M-SEARCH": "ssdp-search"} {
		r := NewSSDP(wholeMeta(packet.ProtoUDP))
		r.Method = method
		if got := lines(r.AppendFields(nil), "event.action", "kagami.ssdp.max"); !slices.Equal(got, []string{"event.action=" + action}) {
			t.Errorf("%q: %v", method, got)
		}
	}
}
