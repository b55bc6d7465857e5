package exporters

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kagami/lab/integration"
)

// kafkaBroker is a broker with two listeners: plain for the test itself, and
// TLS with SCRAM for users sensor (may write) and guest (may not).
type kafkaBroker struct {
	*integration.Server
	secure, ca, password string
}

// Kafka of the Apache project, one broker without ZooKeeper.
func TestIntegrationKafka(t *testing.T) {
	b := startKafka(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	createKafkaTopic(t, client, "kagami")

	place := "kafka+tls://" + b.secure + "/%s?ca=" + b.ca + "&server_name=localhost&sasl=scram-sha-512&user=%s&password=%s"
	b.checkErrors(t, place)
	allowKafka(t, client, "sensor", "kagami")
	sendThroughRestarts(t, fmt.Sprintf(place, "kagami", "sensor", "file:"+b.password), b.Server)

	waitFor(t, func() bool { return client.Ping(context.Background()) == nil })
	var got []received
	for _, r := range consume(t, "kagami", brokerRecords, kgo.SeedBrokers(b.Address())) {
		if len(r.Headers) != 1 {
			t.Fatalf("headers %v", r.Headers)
		}
		got = append(got, received{text: r.Value, key: string(r.Key), id: string(r.Headers[0].Value)})
	}
	wantAll(t, got)
}

// checkErrors wants what is to be done from what the broker says.
func (b *kafkaBroker) checkErrors(t *testing.T, place string) {
	t.Setenv("KAGAMI_TEST_PASSWORD", "wrong")
	for _, c := range []struct{ topic, user, password, want string }{
		{"kagami", "sensor", "env:KAGAMI_TEST_PASSWORD", `the brokers refuse user "sensor" (scram-sha-512)`},
		{"kagami", "nobody", "file:" + b.password, `the brokers refuse user "nobody" (scram-sha-512)`},
		{"kagami", "sensor", "file:" + b.password, `topic "kagami": not allowed to write as user "sensor": grant WRITE`},
	} {
		s, _ := openKafkaSink(t, fmt.Sprintf(place, c.topic, c.user, c.password))
		s.patience = 20 * time.Second
		if _, err := s.Write(context.Background(), hostLines(3)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want %q", err, c.want)
		}
	}
	s, _ := openKafkaSink(t, "kafka://"+b.Address()+"/nowhere")
	if _, err := s.Write(context.Background(), hostLines(3)); err == nil || !strings.Contains(err.Error(), `topic "nowhere" does not exist: create it`) {
		t.Error(err)
	}
}

func startKafka(t *testing.T) *kafkaBroker {
	t.Helper()
	integration.Need(t, "java", "mvn")
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	ca.issue(t, dir, "server", "localhost")
	key, _ := os.ReadFile(filepath.Join(dir, "server.key"))
	cert, _ := os.ReadFile(filepath.Join(dir, "server.pem"))
	b := &kafkaBroker{secure: integration.FreeAddress(t), ca: filepath.Join(dir, "ca.pem"), password: filepath.Join(dir, "password")}
	keys := filepath.Join(dir, "keys.pem")
	for name, text := range map[string]string{keys: string(key) + string(cert), b.password: "hunter2\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.Server = integration.Kafka(t, b.secure, []string{
		"sasl.enabled.mechanisms=SCRAM-SHA-512",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"ssl.keystore.type=PEM",
		"ssl.keystore.location=" + keys,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
	}, "--add-scram", "SCRAM-SHA-512=[name=sensor,password=hunter2]", "--add-scram", "SCRAM-SHA-512=[name=guest,password=hunter2]")
	return b
}

func createKafkaTopic(t *testing.T, client *kgo.Client, name string) {
	t.Helper()
	req := kmsg.NewCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 3, 1
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(context.Background(), client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// allowKafka grants what docs say that a sensor needs.
func allowKafka(t *testing.T, client *kgo.Client, user, topic string) {
	t.Helper()
	req := kmsg.NewCreateACLsRequest()
	for _, op := range []kmsg.ACLOperation{kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe} {
		a := kmsg.NewCreateACLsRequestCreation()
		a.ResourceType, a.ResourceName, a.ResourcePatternType = kmsg.ACLResourceTypeTopic, topic, kmsg.ACLResourcePatternTypeLiteral
		a.Principal, a.Host, a.Operation, a.PermissionType = "User:"+user, "*", op, kmsg.ACLPermissionTypeAllow
		req.Creations = append(req.Creations, a)
	}
	resp, err := req.RequestWith(context.Background(), client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Results[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
