package exporters

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"kagami/lab/integration"
)

// Debian's nats-server (apt-get install nats-server).
func TestIntegrationNATS(t *testing.T) {
	server := integration.NATS(t)
	to := server.Address()
	nc, err := nats.Connect("nats://"+to, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("../configs/siem/nats/stream.json")
	if err != nil {
		t.Fatal(err)
	}
	var config jetstream.StreamConfig
	if err := json.Unmarshal(shipped, &config); err != nil {
		t.Fatal(err)
	}
	config.MaxBytes = 1 << 30 // the server refuses what its disk has no room for
	stream, err := js.CreateStream(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	sendThroughRestarts(t, "nats://"+to+"/kagami.{kind}?stream=KAGAMI", server)
	var got []received
	for _, m := range stored(t, stream) {
		if m.Subject() != "kagami.dns" {
			t.Fatalf("subject %q", m.Subject())
		}
		got = append(got, received{text: m.Data(), id: m.Headers().Get("Nats-Msg-Id")})
	}
	wantAll(t, got)
	if len(got) != brokerRecords {
		t.Errorf("%d messages: the stream knows what it has already", len(got))
	}
}
