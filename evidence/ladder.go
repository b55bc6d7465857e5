package evidence

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Level is a step of the ladder on which recording gives way under pressure: what
// is worth least goes first, and nothing goes without being counted.
type Level uint8

// The steps. On each, what the one before leaves out is left out, too.
const (
	LevelAll     Level = iota // everything is recorded
	LevelClear                // encrypted payload behind the handshake is left out
	LevelHeaders              // headers only
	LevelMemory               // nothing is written: packets wait in memory, and the oldest make way
	NumLevels
)

func (l Level) String() string {
	return [...]string{"everything is recorded", "the payload of encrypted flows is left out", "only headers are recorded",
		"nothing is written, and only the newest packets are kept in memory"}[l]
}

var errTooManyWriters = errors.New("the open segments take all of evidence.max_bytes")

// cause is why recording gives way. The highest level that a cause asks for counts.
type cause uint8

const (
	bySpace   cause = iota // the disk is full, or others' room is touched
	byBudget               // the day's budget
	byFailure              // the disk fails
	numCauses
)

const (
	// raiseAfter is the packet time for which a step is tried before the next one.
	raiseAfter = int64(10 * time.Second)
	// calmFor is the packet time for which there must be room enough before a step
	// is taken back.
	calmFor = int64(30 * time.Second)
)

// ladder knows the level of a store. Writers read it by the packet, without a lock.
type ladder struct {
	log *slog.Logger

	mu      sync.Mutex
	by      [numCauses]Level
	raised  int64 // packet time at which bySpace last rose
	calm    int64 // since when there is room enough; 0: there is not
	failing int   // writers whose disk fails
	entered [NumLevels]uint64

	level atomic.Uint32
	shed  atomic.Uint32 // what writers leave out: not more than headers only
}

// set changes what a cause asks for, and says so when that changes the level. The
// caller holds mu.
func (l *ladder) set(c cause, to Level, why error) {
	if l.by[c] == to {
		return
	}
	l.by[c] = to
	l.shed.Store(uint32(min(max(l.by[bySpace], l.by[byBudget]), LevelHeaders)))
	was, is := Level(l.level.Load()), max(l.by[bySpace], l.by[byBudget], l.by[byFailure])
	if was == is {
		return
	}
	l.level.Store(uint32(is))
	l.entered[is]++
	switch {
	case is == LevelMemory:
		l.log.Error(fmt.Sprintf("evidence: level %d of 3: %s; capture goes on", is, is), "why", why, "do", remedy(c, why))
	case is > was:
		l.log.Warn(fmt.Sprintf("evidence: level %d of 3: %s", is, is), "why", why, "do", remedy(c, why))
	case is > LevelAll:
		l.log.Info(fmt.Sprintf("evidence: back to level %d of 3: %s", is, is))
	default:
		l.log.Info("evidence: back to level 0: everything is recorded again")
	}
}

// remedy is what the person in charge may do about it.
func remedy(c cause, why error) string {
	switch {
	case c == byBudget:
		return "nothing, if the medium is to be spared; else raise evidence.max_bytes_per_day"
	case errors.Is(why, syscall.EROFS):
		return "the file system has become read-only: look for its errors with dmesg, check it, and mount it for writing again"
	case errors.Is(why, syscall.EACCES), errors.Is(why, syscall.EPERM):
		return "let the user that kagami runs as write into evidence.dir"
	case errors.Is(why, errTooManyWriters):
		return "raise evidence.max_bytes, or lower capture.workers"
	case c == bySpace, errors.Is(why, syscall.ENOSPC), errors.Is(why, syscall.EDQUOT):
		return "free room on the file system of evidence.dir, or lower evidence.min_free_bytes"
	}
	return "look for the disk's errors with dmesg; recording goes on by itself once the disk works"
}

// begun tells that a segment was begun, of its full size or smaller.
func (l *ladder) begun(now int64, shrunk error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	is := l.by[bySpace]
	switch {
	case is == LevelMemory:
		l.set(bySpace, LevelHeaders, nil)
		l.raised, l.calm = now, 0
	case shrunk != nil:
		l.calm = 0
		if is < LevelHeaders && (is == LevelAll || apart(now, l.raised, raiseAfter)) {
			l.set(bySpace, is+1, shrunk)
			l.raised = now
		}
	}
}

// crowded tells that there is no room even for the smallest segment.
func (l *ladder) crowded(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calm = 0
	l.set(bySpace, LevelMemory, why)
}

// room tells whether there is room for segments of full size; once there was for a
// while, the level falls by one.
func (l *ladder) room(now int64, enough bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch is := l.by[bySpace]; {
	case is == LevelAll || is == LevelMemory:
	case !enough:
		l.calm = 0
	case l.calm == 0:
		l.calm = now
	case apart(now, l.calm, calmFor):
		l.set(bySpace, is-1, nil)
		l.calm = now
	}
}

// tight tells whether room is to be looked at.
func (l *ladder) tight() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[bySpace] != LevelAll
}

// budget sets what the day's budget asks for.
func (l *ladder) budget(to Level, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(byBudget, to, why)
}

// failed tells that a writer's disk has begun to fail (+1) or works again (-1).
func (l *ladder) failed(change int, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing += change
	if l.failing > 0 {
		l.set(byFailure, LevelMemory, why)
	} else {
		l.set(byFailure, LevelAll, nil)
	}
}

// levels are the times that each level was entered from another.
func (l *ladder) levels() [NumLevels]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entered
}
