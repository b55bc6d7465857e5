package detectors

import (
	"math"
	"testing"
)

func TestCUSUMAlarm(t *testing.T) {
	const alarm = 11.5
	for _, c := range []struct {
		name   string
		steps  string // F failure, S success, M no answer
		alarms int    // at which step, 0 = never
	}{
		{"nine failures", "FFFFFFFFFF", 9},
		{"eight failures", "FFFFFFFF", 0},
		{"successes before earn no credit", "SSSSSSSSFFFFFFFFF", 17},
		{"a success in between", "FFFFSFFFFFFF", 11},
		{"as many successes as failures", "FSFSFSFSFSFSFSFSFSFSFS", 0},
		{"UDP without answers counts half", "MMMMMMMMMMMMMMMMMM", 17},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s cusum
			got := 0
			for i, x := range c.steps {
				o := map[rune]outcome{'F': failure, 'S': success, 'M': mute}[x]
				if s.step(o.step(), monday+int64(i), alarm) >= alarm && got == 0 {
					got = i + 1
				}
			}
			if got != c.alarms {
				t.Errorf("alarm at step %d, want %d", got, c.alarms)
			}
		})
	}
}

func TestCUSUMHalvesInAWeek(t *testing.T) {
	var s cusum
	s.step(8, monday, 11.5)
	if got := s.step(0, monday+7*day, 11.5); math.Abs(got-4) > 1e-9 {
		t.Errorf("8 nats are %.3f after a week, want 4", got)
	}
}

func TestCUSUMComesDownAgain(t *testing.T) {
	var s cusum
	for i := range int64(1000) {
		s.step(stepFail, monday+i, 11.5)
	}
	for i := range int64(3) {
		s.step(stepSuccess, monday+i, 11.5)
	}
	if s.sum >= 11.5 {
		t.Errorf("%.1f nats after 1000 failures and 3 successes, want less than the alarm", s.sum)
	}
}

func TestPoissonTail(t *testing.T) {
	for _, c := range []struct {
		mean float64
		k    int // the smallest count with P(N >= k) < 1e-6
	}{{.2, 6}, {.5, 8}, {1, 10}, {2, 13}, {5, 20}} {
		if p := poissonTail(c.k, c.mean); p >= 1e-6 {
			t.Errorf("P(N >= %d | %v) = %v, want below 1e-6", c.k, c.mean, p)
		}
		if p := poissonTail(c.k-1, c.mean); p < 1e-6 {
			t.Errorf("P(N >= %d | %v) = %v, want above 1e-6", c.k-1, c.mean, p)
		}
	}
	for _, c := range []struct {
		mean float64
		k    int
		want float64
	}{{3, 0, 1}, {0, 1, 0}, {1, 1, 1 - math.Exp(-1)}, {700, 1, 1}, {20, 20, .5297}} {
		if p := poissonTail(c.k, c.mean); math.Abs(p-c.want) > 1e-4 {
			t.Errorf("P(N >= %d | %v) = %v, want %v", c.k, c.mean, p, c.want)
		}
	}
}
