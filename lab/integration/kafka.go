package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// KafkaPOM names the broker's jars at Maven Central; they need Java 17.
const KafkaPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>kagami</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.0</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency></dependencies></project>
`

// Kafka starts one broker of the Apache project, without ZooKeeper. It listens
// plainly at its Address, and at secure, if that is not "", as extra says; format
// are further arguments of its StorageTool.
func Kafka(t testing.TB, secure string, extra []string, format ...string) *Server {
	t.Helper()
	libs := Jars(t, "kafka", KafkaPOM)
	dir, plain := t.TempDir(), FreeAddress(t)
	config := filepath.Join(dir, "server.properties")
	save(t, config, strings.Join(append(kafkaConfig(dir, plain, secure, FreeAddress(t)), extra...), "\n")+"\n")
	java := []string{"-Xmx512m", "-cp", filepath.Join(libs, "*")}
	out, err := Command("java", append(append(java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", config), format...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return Start(t, plain, func() *exec.Cmd { return Command("java", append(java, "kafka.Kafka", config)...) })
}

func kafkaConfig(dir, plain, secure, controller string) []string {
	places := "PLAINTEXT://" + plain
	if secure != "" {
		places += ",SASL_SSL://" + secure
	}
	return []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER",
		"listeners=" + places + ",CONTROLLER://" + controller,
		"advertised.listeners=" + places,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
	}
}
