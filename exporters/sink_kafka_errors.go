package exporters

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// topicError is why a line did not get into a topic.
type topicError struct {
	topic string
	err   error
}

func (e topicError) Error() string { return fmt.Sprintf("produce to topic %q: %v", e.topic, e.err) }

func (e topicError) Unwrap() error { return e.err }

// kafkaOutcome says what a record's answer means for its line.
func kafkaOutcome(err error) receipt {
	switch {
	case err == nil:
		return lineAccepted
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge), errors.Is(err, kerr.InvalidRecord):
		return lineDoubted
	}
	return lineFailed
}

// explain says in one line what is to be done about errors that do not pass by
// themselves; all others may.
func (o *kafkaOptions) explain(err error) error {
	topic := o.name.text
	var t topicError
	if errors.As(err, &t) {
		topic = t.topic
	}
	who := "without a user"
	if o.user != "" {
		who = fmt.Sprintf("as user %q", o.user)
	}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("topic %q does not exist: create it, or correct it in the URL", topic)
	case errors.Is(err, kerr.InvalidTopicException):
		return fmt.Errorf("topic %q: the brokers do not allow this name", topic)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("topic %q: not allowed to write %s: grant WRITE and DESCRIBE on the topic", topic, who)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("topic %q: not allowed to produce idempotently %s: grant IDEMPOTENT_WRITE on the cluster", topic, who)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("the brokers refuse user %q (%s): check user and password: %w", o.user, o.sasl, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("the brokers do not offer sasl=%s: %w", o.sasl, err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return transientError{fmt.Errorf("topic %q: the brokers refuse the time: check this sensor's clock", topic)}
	}
	return transientError{err}
}
