package replay

import (
	"fmt"
	"strings"
	"testing"

	"kagami/evidence/replay/tlskeys"
	"kagami/packet"
)

// TestPartlyDark: what of a flow that was decrypted is not to be seen.
func TestPartlyDark(t *testing.T) {
	for _, c := range []struct {
		report tlskeys.Report
		want   string
	}{
		{tlskeys.Report{}, ""},
		{tlskeys.Report{ECH: true}, "encrypted 0 the ClientHello is encrypted (ECH): the server's name is that of its provider"},
		{tlskeys.Report{EarlyDropped: 1}, "encrypted 1 1 octet of early data (0-RTT) was refused by the server, or nobody knows: the client sends that again"},
		{tlskeys.Report{EarlyDropped: 300}, "encrypted 300 300 octets of early data (0-RTT) were refused by the server, or nobody knows: the client sends that again"},
		{tlskeys.Report{Sides: [2]tlskeys.SideReport{{Dark: tlskeys.BadRecord, Unread: 90}, {Cut: 7}}}, `encrypted 90 the end of the client's stream was not decrypted: authentication failed
			encrypted 7 the server's stream ends within a record of TLS`},
	} {
		r := &reader{}
		(&channel{r: r, flow: &Flow{}, client: packet.FromA}).partlyDark(&c.report)
		var got, want []string
		for _, h := range r.out.Holes {
			got = append(got, fmt.Sprint(h.Kind, " ", h.Length, " ", h.Text))
		}
		for l := range strings.Lines(c.want) {
			want = append(want, strings.TrimSpace(l))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
