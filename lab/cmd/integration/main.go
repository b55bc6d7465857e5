// Integration runs the tests that start servers of others (see lab/integration)
// and says at the end what ran, with which figures, and what was skipped, and why:
//
//	integration [-run REGEXP] [-timeout 30m]    run them
//	integration -tools                          get what is missing, below out/integration
//	integration -list                           say what is there
//
// It ends with 1 when a test failed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"kagami/lab/integration"
)

// packages are those with tests that start servers.
var packages = []string{"./exporters", "./cmd/kagami"}

func main() {
	tools := flag.Bool("tools", false, "get what is missing")
	list := flag.Bool("list", false, "say what is there")
	run := flag.String("run", ".", "of the tests, those whose name behind TestIntegration fits `REGEXP[/REGEXP of its parts]`")
	timeout := flag.Duration("timeout", 30*time.Minute, "of each package's tests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case *tools:
		if err = getTools(ctx, os.Stdout); err == nil {
			err = listTools(os.Stdout)
		}
	case *list:
		err = listTools(os.Stdout)
	default:
		if err = listTools(os.Stdout); err == nil {
			err = runTests(ctx, os.Stdout, *run, *timeout)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		stop()
		os.Exit(1)
	}
}

// listTools says what is there, and how to get the rest.
func listTools(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, t := range integration.Tools() {
		where, err := t.Path()
		if err != nil {
			where = "MISSING: " + t.How()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, t.For, where)
	}
	return w.Flush()
}

// event is what go test -json says.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// result is a test's.
type result struct {
	name, action, said string
	seconds            float64
	group              bool // its parts say it all, unless it fails by itself
}

// runTests runs them, one package and one server at a time.
func runTests(ctx context.Context, to io.Writer, which string, timeout time.Duration) error {
	temp, err := os.MkdirTemp("", "kagami") // tests that are interrupted leave their files
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	name, parts, _ := strings.Cut(which, "/")
	pattern := "^TestIntegration.*(" + name + ")/" + parts
	args := append([]string{"test", "-json", "-count=1", "-p=1", "-parallel=1", "-timeout", timeout.String(), "-run", pattern}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go test alone would leave the tests running
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), integration.Gate+"="+gate(), "TMPDIR="+temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	results, err := follow(out, to)
	failed := cmd.Wait()
	summarize(to, results)
	if err == nil && failed != nil {
		err = errors.New("not all tests passed")
	}
	return err
}

// gate keeps "all", which makes a missing tool a failure.
func gate() string {
	if v := os.Getenv(integration.Gate); v != "" {
		return v
	}
	return "1"
}

// logged is a line of t.Log: FILE.go:LINE: TEXT.
var logged = regexp.MustCompile(`^\s*\w+\.go:\d+: (.*)`)

// follow reads events until they end. It shows what goes wrong at once, and which
// test runs.
func follow(events io.Reader, to io.Writer) ([]*result, error) {
	var order []*result
	byName := map[string]*result{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // what does not compile is said as text
			fmt.Fprintln(to, lines.Text())
			continue
		}
		if e.Test == "" {
			if e.Action == "build-output" || e.Action == "output" && strings.HasPrefix(e.Output, "panic:") {
				fmt.Fprint(to, e.Output)
			}
			continue
		}
		r := byName[e.Test]
		if r == nil {
			r = &result{name: e.Test}
			byName[e.Test] = r
			order = append(order, r)
			for parent, _, ok := cutLast(e.Test); ok; parent, _, ok = cutLast(parent) {
				if p := byName[parent]; p != nil {
					p.group = true
				}
			}
		}
		switch e.Action {
		case "run":
			fmt.Fprintf(to, "%s %s\n", time.Now().Format(time.TimeOnly), e.Test)
		case "output":
			r.hear(e.Output, to)
		case "pass", "fail", "skip":
			r.action, r.seconds = e.Action, e.Elapsed
		}
	}
	return order, lines.Err()
}

func cutLast(name string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// hear keeps the test's last word, and shows everything that is no log of the
// sensor's own.
func (r *result) hear(text string, to io.Writer) {
	if m := logged.FindStringSubmatch(text); m != nil {
		r.said = m[1]
		fmt.Fprint(to, text)
		return
	}
	if strings.HasPrefix(strings.TrimSpace(text), "--- FAIL") {
		fmt.Fprint(to, text)
	}
}

// summarize prints one line a test.
func summarize(to io.Writer, all []*result) {
	names := map[string]string{"pass": "ok", "fail": "FAIL", "skip": "skipped", "": "FAIL (did not end)"}
	count := map[string]int{}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w)
	for _, r := range all {
		if r.group && slices.ContainsFunc(all, func(part *result) bool {
			return part.action == r.action && strings.HasPrefix(part.name, r.name+"/")
		}) {
			continue
		}
		count[r.action]++
		fmt.Fprintf(w, "%s\t%s\t%.0f s\t%s\n", names[r.action], strings.TrimPrefix(r.name, "TestIntegration"), r.seconds, cut(r.said, 200))
	}
	w.Flush()
	fmt.Fprintf(to, "\n%d ran well, %d failed, %d skipped\n", count["pass"], count["fail"]+count[""], count["skip"])
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
