package browse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

// grace is what a walk may take longer than its Timeout: to start and to end.
const grace = 10 * time.Second

const (
	maxAnswered = 20_000
	maxMissed   = 2000
)

// ErrNoStart says that there is nothing to visit.
var ErrNoStart = errors.New("nothing to visit: no page was recorded with its request and its answer")

// Walk lets a browser visit what was recorded, and confirms edges of the chain.
func Walk(ctx context.Context, o Options) (*Result, error) {
	o = o.withDefaults()
	program, err := find(o.Program)
	if err != nil {
		return nil, err
	}
	if o.Start == nil {
		o.Start = startOf(o.Chain)
	}
	if o.Start == nil || !visitable(o.Start) {
		return nil, ErrNoStart
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout+grace)
	defer cancel()
	w := &walk{Result: Result{Start: o.Start}}
	out, err := w.run(ctx, o, newJob(o, program))
	if err != nil {
		return nil, fmt.Errorf("walk replay: %w", err)
	}
	w.Browser, w.Sandbox, w.Timeout, w.Died, w.Interfaces = out.Browser, out.Sandbox, out.Timeout, out.Died, out.Interfaces
	w.UserAgent = printable(field(o.Start.Request, "User-Agent"))
	for _, i := range w.Interfaces {
		if i.Name != loopback {
			w.Left += i.Sent
		}
	}
	w.confirm(o, out.Requests)
	w.Duration = time.Since(began)
	o.Log.Debug("browser walked", "asked", w.Asked, "answered", len(w.Answered), "missed", len(w.Missed), "confirmed", w.Confirmed, "edges", w.Edges, "left", w.Left)
	return &w.Result, nil
}

// walk is one under way.
type walk struct {
	Result
	mu     sync.Mutex   // of Answered and missed, while the server runs
	missed bytes.Buffer // lines of JSON
}

// run serves the Reading to the browser until that is done.
func (w *walk) run(ctx context.Context, o Options, j job) (*outcome, error) {
	limits := server.Limits{Misses: maxMissed, Header: 16 << 10}
	s, err := server.New(o.Reading, server.Options{Client: o.Start.Flow.Client.Addr(), Misses: &w.missed, Limits: limits, Hit: func(h server.Hit) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.Answered) < maxAnswered {
			w.Answered = append(w.Answered, h)
		}
		o.Log.Debug("browser was answered", "method", h.Method, "url", h.URL, "status", h.Status)
	}})
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	listening := false
	out, err := isolate(ctx, j, func(l net.Listener) {
		listening = true
		go func() { served <- s.Serve(l) }()
	})
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	stopped := s.Shutdown(stop)
	if errors.Is(stopped, context.DeadlineExceeded) {
		stopped = nil // the browser is gone, whoever was answered is not there any more
	}
	if listening {
		stopped = errors.Join(stopped, <-served)
	}
	if err = errors.Join(err, stopped); err != nil {
		return nil, err
	}
	n := s.Stats()
	for _, c := range n.Noise {
		w.Noise += c
	}
	w.Asked = n.Hits + n.Misses + n.Malformed
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := json.NewDecoder(&w.missed); d.More(); {
		var m server.Miss
		if err := d.Decode(&m); err != nil {
			return nil, fmt.Errorf("read misses: %w", err)
		}
		w.Missed = append(w.Missed, m)
	}
	return out, nil
}

// find is the path of the browser's program.
func find(program string) (string, error) {
	names := []string{program}
	if program == "" {
		names = []string{"chromium", "chromium-browser", "google-chrome"} // Debian, Ubuntu, Google's own package
	}
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return filepath.Abs(path)
		}
	}
	if program != "" {
		return "", fmt.Errorf("%q: %w", program, ErrNoBrowser)
	}
	return "", ErrNoBrowser
}

// startOf is where an attack begins: the first page on the way to the worst suspect
// that can be visited, else the first root that led to something, else the first root.
func startOf(c *replay.Chain) *replay.Transaction {
	for _, s := range c.Suspects() {
		for _, n := range s.Path {
			if visitable(n.Transaction) {
				return n.Transaction
			}
		}
	}
	var first *replay.Transaction
	for _, n := range c.Roots {
		switch {
		case !visitable(n.Transaction):
		case len(n.Children) > 0:
			return n.Transaction
		case first == nil:
			first = n.Transaction
		}
	}
	return first
}

// visitable tells whether a browser can be sent to it by its URL.
func visitable(t *replay.Transaction) bool {
	return t.Flow != nil && t.Response != nil && t.Request != nil && t.Request.Method == "GET" && t.Request.URL != nil && t.Request.URL.Host != "" &&
		(t.Request.URL.Scheme == "http" || t.Request.URL.Scheme == "https")
}

// job is what the second process is to do.
type job struct {
	Program, URL, Referer         string
	UserAgent, Platform, Language string
	Begin                         float64 // of the visit, seconds since the epoch; 0 = now
	Timeout                       time.Duration
}

// outcome is what it did.
type outcome struct {
	Error      string // "" = none
	Browser    string
	Sandbox    bool
	Timeout    bool
	Died       bool
	Requests   []request // in order
	Interfaces []Interface
}

// newJob makes the browser as much like the victim's as it can be.
func newJob(o Options, program string) job {
	q := o.Start.Request
	u := *q.URL
	u.Fragment, u.User = "", nil
	agent := printable(field(q, "User-Agent"))
	return job{
		Program: program, URL: u.String(), Referer: referer(field(q, "Referer")),
		UserAgent: agent, Platform: platform(agent), Language: languages(field(q, "Accept-Language")),
		Begin: float64(q.Time) / 1e9, Timeout: o.Timeout,
	}
}

func field(q *replay.Request, name string) string {
	for _, f := range q.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// printable is what of a field can be an argument of a program.
func printable(s string) string {
	const most = 4 << 10
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

// referer is one that Chromium accepts, "" = none.
func referer(s string) string {
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return s
}

// platform is what scripts get from navigator.platform, by the User-Agent; "" = not
// known.
func platform(agent string) string {
	for _, p := range [][2]string{{"Windows", "Win32"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Macintosh", "MacIntel"}, {"Android", "Linux armv8l"}, {"Linux", "Linux x86_64"}} {
		if strings.Contains(agent, p[0]) {
			return p[1]
		}
	}
	return ""
}

// languages are those of an Accept-Language field, without weights: Chromium gives
// them its own.
func languages(accept string) string {
	var all []string
	for l := range strings.SplitSeq(accept, ",") {
		l, _, _ = strings.Cut(l, ";")
		if l = strings.TrimSpace(l); l != "" && strings.Trim(l, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == "" {
			all = append(all, l)
		}
	}
	return strings.Join(all, ",")
}
