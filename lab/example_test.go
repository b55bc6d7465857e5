package lab_test

import (
	"fmt"
	"net/netip"
	"time"

	"kagami/lab"
)

// A conversation without a scenario: two endpoints, a handshake, data both
// ways, a close.
func ExampleWire_Dial() {
	client := &lab.Endpoint{Name: "client", Addr: netip.MustParseAddr("10.0.0.21"), MAC: lab.MAC{2, 0, 0, 0, 0, 1},
		TTL: 128, RTT: 250 * time.Microsecond, Stack: lab.Windows}
	server := &lab.Endpoint{Name: "server", Addr: netip.MustParseAddr("192.0.2.80"), MAC: lab.MAC{2, 0, 0, 0, 0, 2},
		TTL: 52, RTT: 12 * time.Millisecond, Stack: lab.Unix}
	w := lab.NewWire(lab.NewRand(1, "example"), lab.Faults{})

	c := w.Dial(time.Second, client, 50000, server, 80)
	c.Send(lab.Client, 0, []byte("GET / HTTP/1.0\r\n\r\n"))
	c.Send(lab.Server, c.Ready(lab.Server)+5*time.Millisecond, []byte("HTTP/1.0 204 No Content\r\n\r\n"))
	c.Close(lab.Server, 0)

	capture, err := w.Capture(time.Unix(0, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range capture.Frames {
		fmt.Println(f.Time, len(f.Data))
	}
	// Output:
	// 1s 66
	// 1.012s 66
	// 1.01225s 60
	// 1.01227s 72
	// 1.02927s 81
	// 1.02929s 60
	// 1.02954s 60
	// 1.04154s 60
}
