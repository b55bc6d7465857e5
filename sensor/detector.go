package sensor

import "kagami/records"

// Detector reads all records in the order of the output and writes alerts.
// Time comes with the records: Advance tells it that no record before now will
// come any more, so that it can judge what did not happen.
type Detector interface {
	Observe(r records.Record, emit Emit)
	Advance(now int64, emit Emit)
}
