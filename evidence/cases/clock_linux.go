package cases

import (
	"golang.org/x/sys/unix"
)

// Clock is what the kernel knows of its clock (adjtimex(2)): how far the times in
// the evidence may be off.
type Clock struct {
	Known           bool    `json:"known"`        // the kernel told
	Synchronised    bool    `json:"synchronised"` // a time service disciplines it
	OffsetSeconds   float64 `json:"offset_s"`     // still to be corrected
	EstimatedError  float64 `json:"estimated_error_s"`
	MaximumError    float64 `json:"maximum_error_s"`
	LeapSecondState string  `json:"leap,omitempty"`
}

// ReadClock asks the kernel; reading needs no privilege.
func ReadClock() Clock {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Clock{}
	}
	unit := 1e-6
	if t.Status&unix.STA_NANO != 0 {
		unit = 1e-9
	}
	c := Clock{
		Known:          true,
		Synchronised:   state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		OffsetSeconds:  float64(t.Offset) * unit,
		EstimatedError: float64(t.Esterror) * 1e-6,
		MaximumError:   float64(t.Maxerror) * 1e-6,
	}
	switch state {
	case unix.TIME_INS, unix.TIME_OOP:
		c.LeapSecondState = "leap second is being inserted"
	case unix.TIME_DEL:
		c.LeapSecondState = "leap second is being deleted"
	}
	return c
}
