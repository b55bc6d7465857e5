package exporters

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaVersion is the broker's: its jars come from Maven Central and need Java 17.
const kafkaVersion = "4.1.0"

// kafkaBroker is a broker with two listeners: plain for the test itself, and
// TLS with SCRAM for users sensor (may write) and guest (may not).
type kafkaBroker struct {
	program
	secure, ca, password string
}

// Kafka of the Apache project, one broker without ZooKeeper.
func TestIntegrationKafka(t *testing.T) {
	needIntegration(t, "java", "mvn")
	b := startKafka(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	createKafkaTopic(t, client, "kagami")

	place := "kafka+tls://" + b.secure + "/%s?ca=" + b.ca + "&server_name=localhost&sasl=scram-sha-512&user=%s&password=%s"
	b.checkErrors(t, place)
	allowKafka(t, client, "sensor", "kagami")
	sendThroughRestarts(t, fmt.Sprintf(place, "kagami", "sensor", "file:"+b.password), &b.program)

	waitFor(t, func() bool { return client.Ping(context.Background()) == nil })
	var got []received
	for _, r := range consume(t, "kagami", brokerRecords, kgo.SeedBrokers(b.address)) {
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
	s, _ := openKafkaSink(t, "kafka://"+b.address+"/nowhere")
	if _, err := s.Write(context.Background(), hostLines(3)); err == nil || !strings.Contains(err.Error(), `topic "nowhere" does not exist: create it`) {
		t.Error(err)
	}
}

func startKafka(t *testing.T) *kafkaBroker {
	t.Helper()
	dir := t.TempDir()
	libs := kafkaJars(t, dir)
	ca := newCA(t, dir, "ca")
	ca.issue(t, dir, "server", "localhost")
	keys := filepath.Join(dir, "keys.pem")
	key, _ := os.ReadFile(filepath.Join(dir, "server.key"))
	cert, _ := os.ReadFile(filepath.Join(dir, "server.pem"))
	password := filepath.Join(dir, "password")
	config := filepath.Join(dir, "server.properties")
	b := &kafkaBroker{secure: freeAddress(t), ca: filepath.Join(dir, "ca.pem"), password: password}
	b.address, b.log = freeAddress(t), filepath.Join(dir, "log")
	for name, text := range map[string]string{
		keys: string(key) + string(cert), password: "hunter2\n", config: kafkaConfig(dir, b.address, b.secure, freeAddress(t), keys),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	java := []string{"java", "-Xmx512m", "-cp", filepath.Join(libs, "*")}
	run(t, append(java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", config,
		"--add-scram", "SCRAM-SHA-512=[name=sensor,password=hunter2]", "--add-scram", "SCRAM-SHA-512=[name=guest,password=hunter2]")...)
	b.args = append(java, "kafka.Kafka", config)
	b.start(t)
	return b
}

// kafkaJars has Maven fetch the broker, or find what it fetched before.
func kafkaJars(t *testing.T, dir string) string {
	t.Helper()
	pom := `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>kagami</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + kafkaVersion + `</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency></dependencies></project>`
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o600); err != nil {
		t.Fatal(err)
	}
	libs := filepath.Join(dir, "libs")
	run(t, "mvn", "-q", "-B", "-f", filepath.Join(dir, "pom.xml"), "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+libs)
	return libs
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func kafkaConfig(dir, plain, secure, controller, keys string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://" + plain + ",SASL_SSL://" + secure + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + plain + ",SASL_SSL://" + secure,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
		"sasl.enabled.mechanisms=SCRAM-SHA-512",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"ssl.keystore.type=PEM",
		"ssl.keystore.location=" + keys,
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"",
	}, "\n")
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
