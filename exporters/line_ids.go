package exporters

import (
	"cmp"
	"strconv"
)

// programName stands where a place wants to know who speaks.
const programName = "kagami"

// lineIDs makes ids by which a place knows a line again that is sent once more:
// the sensor, the run of numbers (Env.SeqID), and the number in it.
type lineIDs struct{ prefix string }

func newLineIDs(env Env) lineIDs {
	clean := append(hostChars.appendReplaced(nil, sensorName(env), "", maxHostName), '-')
	return lineIDs{string(append(hostChars.appendReplaced(clean, env.SeqID, "", maxHostName), '-'))}
}

func (ids lineIDs) append(dst []byte, seq uint64) []byte {
	return strconv.AppendUint(append(dst, ids.prefix...), seq, 10)
}

// sensorName is the sensor's id, or else its host's name.
func sensorName(env Env) string { return cmp.Or(env.SensorID, env.HostName, programName) }
