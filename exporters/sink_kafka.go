package exporters

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaSink produces lines to Kafka, or to what speaks its protocol:
//
//	kafka://broker:9092,broker2:9092/topic
//	kafka+tls://broker:9093/topic?sasl=scram-sha-512&user=sensor&password=file:/etc/kagami/kafka.password
//
// A line is sent when all in-sync replicas have it (acks=all). The producer is
// idempotent: what the client sends again after a failure arrives once, and in
// order. The key is the address of the record's client, so that what one host
// did is in one partition, in order; without one it is the sensor's name. The
// header kagami-id names the line (see identity), so that a reader knows one
// that came twice: after a failure for which the client had to be given up, or
// after a crash of the sensor. The header kagami-stamp is the line's place in the
// account where the format has no room for it. A record bears the time at which it was produced,
// since retention goes by it.
//
// Options: sasl=plain|scram-sha-256|scram-sha-512 with user and password,
// compression=none|gzip|snappy|lz4|zstd, and for TLS ca, cert, key, server_name.
// The topic may hold {kind} or {log}; it is never created.
type kafkaSink struct {
	options  kafkaOptions
	host     string
	id       identity
	patience time.Duration
	refusals refusals

	mu     sync.Mutex // guards client for Close
	client *kafkaClient

	settled settled
	memory  kafkaMemory
}

func openKafka(u *url.URL, env Env) (Sink, error) {
	o, err := readKafkaURL(u)
	if err != nil {
		return nil, err
	}
	if err := o.readFiles(); err != nil {
		return nil, err
	}
	if o.sasl == saslPlain && o.tls == nil {
		env.Logger.Warn("password goes to the brokers in clear: use kafka+tls, or SCRAM", "topic", o.name.text)
	}
	return &kafkaSink{options: o, host: hostName(env.HostName), id: newIdentity(env), patience: brokerPatience,
		refusals: newRefusals(env.Logger, "topic "+o.name.text), settled: settled{}}, nil
}

// Write implements Sink.
func (s *kafkaSink) Write(ctx context.Context, lines []Line) (Written, error) {
	client, err := s.connect(ctx)
	if err != nil {
		return Written{}, s.options.explain(fmt.Errorf("connect to %s: %w", s.options.servers[0], err))
	}
	r := s.settled.begin(lines)
	limit, cancel := withPatience(ctx, s.patience)
	defer cancel()
	s.produce(client, lines, r)
	if err := r.wait(limit); err != nil {
		if dial := client.failed.Load(); dial != nil {
			err = fmt.Errorf("%w: %w", err, *dial)
		}
		r.fail(err)
	}
	s.produceAlone(limit, client, lines, r)
	w, err := s.settled.end(lines, r, &s.refusals)
	if err != nil {
		s.disconnect() // ends what the client still tries
		s.memory = kafkaMemory{}
		return w, s.options.explain(err)
	}
	return w, nil
}

// connect makes a client that reached a broker. A failed Write gives it up, so
// that a new one reads the files again and says why it fails.
func (s *kafkaSink) connect(ctx context.Context) (*kafkaClient, error) {
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	if client != nil {
		return client, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	client, err := s.options.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.client = client
	s.mu.Unlock()
	return client, nil
}

func (s *kafkaSink) disconnect() {
	s.mu.Lock()
	client := s.client
	s.client = nil
	s.mu.Unlock()
	if client != nil {
		client.end()
	}
}

// kafkaMemory is what records are made of; a client that was given up keeps it.
type kafkaMemory struct {
	text    []byte
	records []kgo.Record
	headers []kgo.RecordHeader
}

// produce hands the lines that are not settled to the client.
func (s *kafkaSink) produce(client *kafkaClient, lines []Line, r *receipts) {
	s.fill(lines)
	for i := range lines {
		if r.at(i) == lineWaiting {
			client.Produce(context.Background(), &s.memory.records[i], func(rec *kgo.Record, err error) {
				r.settle(i, kafkaOutcome(err), topicError{rec.Topic, err})
			})
		}
	}
}

// produceAlone sends the lines each in a batch of its own whose batch was
// refused: that may have been for the sake of another line in it.
func (s *kafkaSink) produceAlone(ctx context.Context, client *kafkaClient, lines []Line, r *receipts) {
	for i := range lines {
		if r.at(i) != lineDoubted {
			continue
		}
		m := &s.memory.records[i]
		again := &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers}
		one := settled{}.begin(lines[i : i+1])
		var why error
		client.Produce(context.Background(), again, func(rec *kgo.Record, err error) {
			why = topicError{rec.Topic, err}
			one.settle(0, kafkaOutcome(err), why)
		})
		if err := one.wait(ctx); err != nil {
			one.fail(err)
		}
		switch o := one.at(0); o {
		case lineAccepted:
			r.settle(i, lineAccepted, nil)
		case lineDoubted:
			r.settle(i, lineRefused, why)
		default:
			r.settle(i, lineFailed, one.err)
			return
		}
	}
}

// kafkaOverhead is the memory that a line's key and identity take, mostly.
const kafkaOverhead = 96

// fill makes the records of lines.
func (s *kafkaSink) fill(lines []Line) {
	m := &s.memory
	need := 0
	for i := range lines {
		need += len(lines[i].Text) + kafkaOverhead
	}
	m.text = slices.Grow(m.text[:0], need)
	m.records = slices.Grow(m.records[:0], len(lines))
	m.headers = slices.Grow(m.headers[:0], 2*len(lines))
	for i := range lines {
		l := &lines[i]
		rec := kgo.Record{Topic: s.options.name.of(l)}
		text := m.piece(append(m.text, l.Text...))
		stamp, value := splitStamp(text)
		rec.Value = value
		rec.Key = m.piece(appendClient(m.text, l.Client, s.host))
		from := len(m.headers)
		if id := m.piece(s.id.append(m.text, l)); len(id) > 0 {
			m.headers = append(m.headers, kgo.RecordHeader{Key: "kagami-id", Value: id})
		}
		if len(stamp) > 0 { // last: kcat -f '%h %s' then gives what kagami verify reads
			m.headers = append(m.headers, kgo.RecordHeader{Key: stampHeader, Value: stamp[:len(stamp)-1]})
		}
		n := len(m.headers)
		rec.Headers = m.headers[from:n:n]
		m.records = append(m.records, rec)
	}
}

// piece makes text, which continues m.text, part of it and returns what it adds.
func (m *kafkaMemory) piece(text []byte) []byte {
	from := len(m.text)
	m.text = text
	return text[from:len(text):len(text)]
}

// Flush implements Sink: nothing is held.
func (s *kafkaSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *kafkaSink) Reopen() error { return nil }

// Close implements Sink.
func (s *kafkaSink) Close() error {
	s.disconnect()
	return nil
}
