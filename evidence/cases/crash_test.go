package cases

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/evidence/segment"
)

// TestCrash kills a process at every step of making and of releasing a case. The
// next start finishes it, although every segment rotated away meanwhile.
func TestCrash(t *testing.T) {
	if dir := os.Getenv("KAGAMI_CRASH_DIR"); dir != "" {
		crashing(dir, os.Getenv("KAGAMI_CRASH_WORK"))
		return
	}
	for _, work := range []string{"pin", "release"} {
		steps := 0
		for ; ; steps++ {
			env := labEnv(t)
			record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
			name := ""
			if work == "release" {
				c, _ := pinned(t, env, alertRequest())
				name = c.Name
			}
			step, done := crashAt(t, env.Dir, work, steps)
			if done {
				break
			}
			if work == "pin" {
				afterPin(t, env, step)
			} else {
				afterRelease(t, env, step, name)
			}
		}
		if want := map[string]int{"pin": 12, "release": 2}[work]; steps < want {
			t.Errorf("%s: %d steps only, want %d", work, steps, want)
		}
	}
}

// crashAt runs the work in a process that dies at step n, and tells its name.
func crashAt(t *testing.T, dir, work string, n int) (step string, done bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
	cmd.Env = append(os.Environ(), "KAGAMI_CRASH_DIR="+dir, "KAGAMI_CRASH_WORK="+work, "KAGAMI_CRASH_STEP="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", true
	case errors.As(err, &exit) && exit.ExitCode() == 77:
		return strings.TrimSpace(string(out)), false
	}
	t.Fatalf("step %d: %v: %s", n, err, out)
	return "", false
}

// crashing is the process that dies: no deferred call runs, as with kill -9.
func crashing(dir, work string) {
	left, _ := strconv.Atoi(os.Getenv("KAGAMI_CRASH_STEP"))
	env := Env{Dir: dir, Now: func() time.Time { return base.Add(40 * time.Minute) }, Records: labRecords}
	env.step = func(name string) error {
		if left == 0 {
			os.Stdout.WriteString(name + "\n")
			os.Exit(77)
		}
		left--
		return nil
	}
	var err error
	if work == "pin" {
		_, err = Pin(context.Background(), env, alertRequest())
	} else {
		list, _ := List(env.complete().Cases)
		err = Release(env, list[0].Name, "test")
	}
	if err != nil {
		panic(err)
	}
}

func afterPin(t *testing.T, env Env, step string) {
	t.Helper()
	early := onlyCase(t, env).Early
	if step != "claimed" { // from then on the segments are held
		rotate(t, env.Dir)
	}
	if list, err := Resume(context.Background(), env, base.Add(time.Hour)); err != nil || len(list) != 1 && step != "closed" {
		t.Errorf("after %s: resumed %v, %v", step, list, err)
	}
	if err := env.sweep(); err != nil {
		t.Error(err)
	}
	events := scenario()
	all, _ := expected(events, minute(10), minute(25))
	if !early && step != "claimed" { // what the flow said before the window was not held
		all -= flowBefore(events, minute(10))
	}
	c := onlyCase(t, env)
	if n := len(packetsOf(t, env.Path(c.Name))); n != all || c.State != Complete {
		t.Errorf("after %s: %d packets, %s %q; want %d", step, n, c.State, c.Why, all)
	}
	if v, err := Verify(env.Path(c.Name), nil); err != nil || !v.OK() {
		t.Errorf("after %s: %v, %v", step, v.Problems, err)
	}
	if left, err := holds(env.Dir, c.Name); err != nil || len(left) != 0 {
		t.Errorf("after %s: holds are left: %v, %v", step, left, err)
	}
	entries, _ := os.ReadDir(env.Cases)
	if len(entries) != 2 {
		t.Errorf("after %s: %v is left, want the case and its state", step, entries)
	}
	text, _ := os.ReadFile(filepath.Join(env.Dir, journalName))
	if n := strings.Count(string(text), `"kind":"sealed"`); n != 1 {
		t.Errorf("after %s: sealed %d times", step, n)
	}
}

func afterRelease(t *testing.T, env Env, step, name string) {
	t.Helper()
	if err := env.sweep(); err != nil {
		t.Fatal(err)
	}
	if list, err := List(env.Cases); err != nil || len(list) > 1 {
		t.Fatalf("after %s: %v, %v", step, list, err)
	} else if len(list) == 1 { // not released yet: whole, and can be released again
		if v, err := Verify(env.Path(name), nil); err != nil || !v.OK() {
			t.Errorf("after %s: %v, %v", step, v.Problems, err)
		}
		if err := Release(env, name, "again"); err != nil {
			t.Errorf("after %s: %v", step, err)
		}
	}
	if entries, _ := os.ReadDir(env.Cases); len(entries) != 0 {
		t.Errorf("after %s: %v is left", step, entries)
	}
}
