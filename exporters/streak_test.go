package exporters

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestStreak: a place that fails is told at once, then once a minute, also when it
// works in between.
func TestStreak(t *testing.T) {
	var text bytes.Buffer
	e := &Export{name: "x", logger: slog.New(slog.NewTextHandler(&text, nil))}
	said := func() string {
		defer text.Reset()
		return text.String()
	}
	down := errors.New("down")
	var s streak
	if s.end(e); said() != "" {
		t.Error("said something of a place that always worked")
	}
	if s.failed(e, down); !strings.Contains(said(), "export fails") {
		t.Error("the first failure is not said")
	}
	if s.end(e); !strings.Contains(said(), "works again") {
		t.Error("it is not said that it works again")
	}
	for range 100 {
		s.failed(e, down)
		s.end(e)
	}
	if got := said(); got != "" {
		t.Errorf("a flapping place is said again at once: %s", got)
	}
	s.logged = time.Now().Add(-logEvery)
	if s.failed(e, down); !strings.Contains(said(), "failures=101") {
		t.Error("failures that were not said are not counted")
	}
}
