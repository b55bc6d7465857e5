package segment

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	nameLayout = "20060102T150405.000000Z"
	nameSuffix = ".pcapng"
	numDigits  = 8 // at least
)

// Name is the file name of a segment: the time of its first packet (ns since the
// epoch, written in UTC to the microsecond) and its number.
func Name(start int64, num uint64) string {
	return fmt.Sprintf("%s-%0*d%s", time.Unix(0, start).UTC().Format(nameLayout), numDigits, num, nameSuffix)
}

// ParseName reads a name that Name has made; false for any other. The start is
// what the name says: microseconds.
func ParseName(name string) (start int64, num uint64, ok bool) {
	stem, ok := strings.CutSuffix(name, nameSuffix)
	if !ok || len(stem) < len(nameLayout)+1+numDigits || stem[len(nameLayout)] != '-' {
		return 0, 0, false
	}
	at, err := time.Parse(nameLayout, stem[:len(nameLayout)])
	if err != nil {
		return 0, 0, false
	}
	num, err = strconv.ParseUint(stem[len(nameLayout)+1:], 10, 63)
	if err != nil || Name(at.UnixNano(), num) != name {
		return 0, 0, false
	}
	return at.UnixNano(), num, true
}
