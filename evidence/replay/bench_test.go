package replay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/sensor"
)

// web is traffic of n connections, each with a page that is coded and an image.
func web(n int) (frames []sensor.Frame, octets int64) {
	r := rand.New(rand.NewPCG(1, 2))
	image := make([]byte, 60_000)
	for i := range image {
		image[i] = byte(r.Uint32())
	}
	page := answer("gzip", coded("gzip", strings.Repeat(script, 2)+string(image[:20_000])))
	picture := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", len(image), image)
	tr := newTraffic()
	for i := range n {
		c := tr.conn(fmt.Sprintf("10.0.%d.%d:40000", i/250, i%250+1), "192.0.2.80:80").open()
		c.send(client, get)
		c.send(server, page)
		c.send(client, getB)
		c.send(server, picture)
		c.close()
		tr.now += 2 * second
	}
	for i := range tr.frames {
		octets += int64(tr.frames[i].WireLen)
	}
	return tr.frames, octets
}

func BenchmarkRead(b *testing.B) {
	frames, octets := web(100)
	b.SetBytes(octets)
	b.ReportAllocs()
	for b.Loop() {
		r, err := replay.Read(context.Background(), &memory{frames: slices.Clone(frames), size: 4096}, replay.Options{})
		if err != nil || len(r.Transactions) != 200 || len(r.Holes) != 0 {
			b.Fatal(err, len(r.Transactions), len(r.Holes))
		}
	}
}
