package exporters

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// kafkaOptions are what a Kafka URL says.
type kafkaOptions struct {
	brokerOptions
	sasl        string // "" = none
	compression string
}

const (
	saslPlain     = "plain"
	saslSCRAM256  = "scram-sha-256"
	saslSCRAM512  = "scram-sha-512"
	kafkaPort     = "9092"
	maxKafkaTopic = 249 // octets: Kafka's org.apache.kafka.common.internals.Topic
)

// kafkaCodecs are the compressions by name, and what stands in on brokers that do
// not know them yet.
func kafkaCodecs(name string) []kgo.CompressionCodec {
	switch name {
	case "none":
		return []kgo.CompressionCodec{kgo.NoCompression()}
	case "gzip":
		return []kgo.CompressionCodec{kgo.GzipCompression()}
	case "snappy":
		return []kgo.CompressionCodec{kgo.SnappyCompression()}
	case "lz4":
		return []kgo.CompressionCodec{kgo.Lz4Compression()}
	case "zstd": // since Kafka 2.1
		// The level is zstd's fastest: the usual one takes half as much time again, and 3 MiB.
		return []kgo.CompressionCodec{kgo.ZstdCompression().WithLevel(int(zstd.SpeedFastest)), kgo.SnappyCompression()}
	}
	return nil
}

func checkKafka(u *url.URL) error {
	_, err := readKafkaURL(u)
	return err
}

func readKafkaURL(u *url.URL) (kafkaOptions, error) {
	o := kafkaOptions{compression: "zstd"}
	var err error
	o.brokerOptions, err = readBrokerURL(u, kafkaPort, []string{"sasl", "compression"}, o.set)
	problems := []error{err, o.checkTopic()}
	switch {
	case o.sasl != "" && o.user == "":
		problems = append(problems, fmt.Errorf("sasl=%s: want user=NAME and password=file:/path or password=env:NAME too", o.sasl))
	case o.sasl == "" && o.user != "":
		problems = append(problems, errors.New("user: want sasl=scram-sha-512, scram-sha-256 or plain too"))
	}
	return o, errors.Join(problems...)
}

func (o *kafkaOptions) set(name, value string) error {
	switch name {
	case "sasl":
		known := []string{saslPlain, saslSCRAM256, saslSCRAM512}
		if o.sasl = strings.ToLower(value); !slices.Contains(known, o.sasl) {
			return fmt.Errorf("sasl: got %q, want one of %s%s", value, strings.Join(known, ", "), didYouMean(value, known))
		}
	case "compression":
		if o.compression = value; kafkaCodecs(value) == nil {
			return fmt.Errorf("compression: got %q, want one of none, gzip, snappy, lz4, zstd", value)
		}
	}
	return nil
}

func (o *kafkaOptions) checkTopic() error {
	topic := o.name.fill("x", "x")
	switch {
	case topic == "":
		return errors.New("want a topic behind the host, as in kafka://broker.example:9092/kagami")
	case len(topic) > maxKafkaTopic || topic == "." || topic == ".." || !kafkaTopicChars(topic):
		return fmt.Errorf("topic: got %q, want at most %d letters, digits, dots, underscores and hyphens, with {kind} or {log} where it depends on the line", o.name.text, maxKafkaTopic)
	}
	return nil
}

func kafkaTopicChars(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// client are the options of franz-go but for the dialer; they read the password.
func (o *kafkaOptions) client() ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(o.servers...),
		kgo.ClientID(programName),
		kgo.RequiredAcks(kgo.AllISRAcks()), // and idempotent, which is the default
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kafkaCodecs(o.compression)...),
		kgo.ProducerLinger(0), // lines come in batches
		kgo.UnknownTopicRetries(1),
		kgo.MetadataMinAge(250 * time.Millisecond), // so that a new leader is found soon
		kgo.DisableClientMetrics(),                 // a sensor tells a broker nothing but lines
	}
	password, err := o.readPassword()
	if err != nil {
		return nil, err
	}
	if o.compression == "lz4" {
		options = append(options, kgo.WithCompressor(newLZ4()))
	}
	switch auth := (scram.Auth{User: o.user, Pass: password}); o.sasl {
	case saslPlain:
		options = append(options, kgo.SASL(plain.Auth{User: o.user, Pass: password}.AsMechanism()))
	case saslSCRAM256:
		options = append(options, kgo.SASL(auth.AsSha256Mechanism()))
	case saslSCRAM512:
		options = append(options, kgo.SASL(auth.AsSha512Mechanism()))
	}
	return options, nil
}

// readFiles tells what is wrong with the files that client and connect read.
func (o *kafkaOptions) readFiles() error {
	_, err := o.client()
	if o.tls != nil {
		_, wrong := o.tls.config()
		err = errors.Join(err, wrong)
	}
	return err
}
