package capture

import (
	"errors"
	"fmt"
)

// A RecordError says where and why the reading of a capture file stopped. All
// frames before it were handed over.
type RecordError struct {
	Path       string
	Offset     int64 // of the bad record, in octets from the start of the (uncompressed) file
	Compressed bool  // Offset counts uncompressed octets
	Torn       bool  // the file ends inside the record; otherwise its content is impossible
	What       string
	Err        error // the cause, when the reading itself failed; may be nil
}

func (e *RecordError) Error() string {
	state, unit := "corrupt", ""
	if e.Torn {
		state = "torn"
	}
	if e.Compressed {
		unit = " of the uncompressed data"
	}
	return fmt.Sprintf("capture: %s: %s at byte %d%s: %s", e.Path, state, e.Offset, unit, e.What)
}

func (e *RecordError) Unwrap() error { return e.Err }

// A FormatError says that a file is no capture file that this package reads.
type FormatError struct {
	Path  string
	Found string // what the first octets look like
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("capture: %s: %s; pcap and pcapng are read, plain or packed with gzip or zstd", e.Path, e.Found)
}

// IsTorn tells whether err, or every error joined in it, says only that a file
// ends inside its last record: worth a warning, since everything before was read.
func IsTorn(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !IsTorn(e) {
				return false
			}
		}
		return len(joined.Unwrap()) > 0
	}
	var bad *RecordError
	return errors.As(err, &bad) && bad.Torn
}
