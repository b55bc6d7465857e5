package exporters

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Debian's nats-server (apt-get install nats-server).
func TestIntegrationNATS(t *testing.T) {
	needIntegration(t, "nats-server")
	dir, to := t.TempDir(), freeAddress(t)
	_, port, _ := net.SplitHostPort(to)
	server := &program{args: []string{"nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir}, log: filepath.Join(dir, "log"), address: to}
	server.start(t)
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
