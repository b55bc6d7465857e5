package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kagami/atomicfile"
	"kagami/evidence/query"
)

// State of a case.
type State string

const (
	Waiting    State = "waiting"    // its segments are held; its window is not over
	Copying    State = "copying"    // packets are being copied
	Complete   State = "complete"   // sealed, with everything that was still there
	Incomplete State = "incomplete" // sealed, or given up, with less: see Why
	Released   State = "released"   // not protected any more
)

// Scope is how much a case takes.
type Scope string

const (
	ScopeAll     Scope = "all"     // the flows, the host's traffic, its DNS, both legs of the proxy
	ScopeFlows   Scope = "flows"   // over the quota: the alerted flows only
	ScopeNothing Scope = "nothing" // over the reserve, too: the manifest only
)

// Case is the state of a case. Times are nanoseconds since the epoch.
type Case struct {
	Format int    `json:"format"`
	Name   string `json:"case"`
	State  State  `json:"state"`
	Why    string `json:"why,omitempty"` // what keeps it from being complete
	Made   string `json:"made"`          // wall clock, RFC 3339
	Who    Who    `json:"who"`

	Reason string     `json:"reason,omitempty"`
	Query  string     `json:"query,omitempty"` // as asked for; "" = what an alert needs
	At     int64      `json:"at,omitempty"`    // the moment in question
	From   int64      `json:"from"`            // window; 0 = as far back as there is
	To     int64      `json:"to"`              // exclusive
	Host   netip.Addr `json:"host,omitzero"`   // whose traffic
	Alerts []Alert    `json:"alerts,omitempty"`
	Lines  []string   `json:"alert_lines,omitempty"` // the alerts' records in ECS
	More   int        `json:"more_alerts,omitempty"` // joined beyond maxAlerts

	Held       bool     `json:"held,omitempty"`        // its segments were held once
	Whole      bool     `json:"whole,omitempty"`       // then nothing of the window had rotated away
	NoLinks    bool     `json:"no_links,omitempty"`    // no hard links here: packets are copied as they come
	Copied     int64    `json:"copied,omitempty"`      // of the window, packets before this time are in Parts
	Early      bool     `json:"early,omitempty"`       // the flows' packets before the window are in Parts, if there were any
	Taken      string   `json:"taken,omitempty"`       // query of the window's packets
	TakenEarly string   `json:"taken_early,omitempty"` // and of those before it
	Scope      Scope    `json:"scope,omitempty"`       // decided when the copying of the window begins
	Full       bool     `json:"full,omitempty"`        // Scope is less because of the quota
	Parts      []Part   `json:"parts,omitempty"`       // files of packets that are on disk, in order
	Lost       []Loss   `json:"lost,omitempty"`        // found while copying
	Said       []string `json:"said,omitempty"`        // what else is to be known of the packets
	Journal    Mark     `json:"journal,omitzero"`      // the line that tells of the pin
	Tries      int      `json:"tries,omitempty"`       // of the copying that failed
	LastError  string   `json:"last_error,omitempty"`  // of these

	Packets  uint64 `json:"packets,omitempty"`  // of a sealed case
	Bytes    int64  `json:"bytes,omitempty"`    // of its files
	Manifest string `json:"manifest,omitempty"` // SHA-256 of its manifest.jsonl

	Kept bool `json:"kept,omitempty"` // released, but its directory is left

	sealed bool // Name/ is there
}

// Part is one file of packets.
type Part struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"` // as it was written
}

// Loss is a stretch of time of which packets are missing, and why.
type Loss struct {
	What    string `json:"what"` // "rotated away", "lost by the kernel" ...
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	Packets uint64 `json:"packets,omitempty"` // 0 = not known
	Bytes   uint64 `json:"bytes,omitempty"`
	Text    string `json:"text,omitempty"`
}

const (
	stateFormat = 1
	maxState    = 4 << 20 // octets of a state file
	stateSuffix = ".json"
	partial     = ".partial"
	holdInfix   = ".hold-"
)

func (e Env) statePath(name string) string   { return filepath.Join(e.Cases, name+stateSuffix) }
func (e Env) partialPath(name string) string { return filepath.Join(e.Cases, name+partial) }

// Path is the directory of a sealed case.
func (e Env) Path(name string) string { return filepath.Join(e.complete().Cases, name) }

// save replaces the state on disk.
func (e Env) save(c *Case) error {
	text, err := json.MarshalIndent(c, "", " ")
	if err == nil {
		err = atomicfile.Write(e.statePath(c.Name), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write state of case %q: %w", c.Name, err)
	}
	return nil
}

// load reads the state of a case.
func (e Env) load(name string) (*Case, error) {
	if !validName(name) {
		return nil, fmt.Errorf("read case: %q is not the name of a case", name)
	}
	text, err := readBounded(e.statePath(name), maxState)
	if err != nil {
		return nil, fmt.Errorf("read state of case %q: %w", name, err)
	}
	c, err := parseCase(text, name)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", e.statePath(name), err)
	}
	if info, err := os.Stat(filepath.Join(e.Cases, name)); err == nil {
		c.sealed = info.IsDir()
	}
	return c, nil
}

// parseCase reads a state file, which may be damaged.
func parseCase(text []byte, name string) (*Case, error) {
	var c Case
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("not the state of a case: %w", err)
	}
	states := []State{Waiting, Copying, Complete, Incomplete, Released}
	switch {
	case c.Format != stateFormat:
		return nil, fmt.Errorf("format %d is not known to this version, which reads %d", c.Format, stateFormat)
	case c.Name != name:
		return nil, fmt.Errorf("it is of case %q", c.Name)
	case !slices.Contains(states, c.State):
		return nil, fmt.Errorf("state %q is not known", c.State)
	case c.From < 0 || c.To < c.From || c.Copied < 0:
		return nil, fmt.Errorf("its window ends before it begins")
	case len(c.Alerts) > maxAlerts || len(c.Lines) > maxAlerts:
		return nil, fmt.Errorf("it has more than %d alerts", maxAlerts)
	}
	for _, p := range c.Parts {
		if !isPacketsName(p.Name) || p.Size < 0 {
			return nil, fmt.Errorf("%q is not a file of packets", p.Name)
		}
	}
	for i := range c.Alerts {
		c.Alerts[i].bound()
	}
	return &c, nil
}

// List returns the cases in a directory of cases, oldest first. A state that
// cannot be read is told of in the case's Why; a sealed directory without a state
// is a case of another sensor or an older store.
func List(dir string) ([]Case, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	env := Env{Dir: filepath.Dir(dir), Cases: dir}.complete()
	found := map[string]bool{}
	var out []Case
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), stateSuffix)
		if !ok || !e.Type().IsRegular() || !validName(name) {
			continue
		}
		found[name] = true
		c, err := env.load(name)
		if err != nil {
			c = &Case{Name: name, State: Incomplete, Why: err.Error()}
		}
		out = append(out, *c)
	}
	for _, e := range entries {
		if e.IsDir() && validName(e.Name()) && !strings.HasSuffix(e.Name(), partial) && !found[e.Name()] {
			out = append(out, stateless(filepath.Join(dir, e.Name())))
		}
	}
	slices.SortFunc(out, func(a, b Case) int {
		if c := strings.Compare(a.Made, b.Made); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

// maxName is how long a case's name may get: with it and a suffix, names of holds
// stay below 255 octets.
const maxName = 80

// validName tells whether s may name a case: it becomes a part of file names.
func validName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || s[0] == '-' || strings.HasSuffix(s, partial) || strings.Contains(s, holdInfix) {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// caseName makes a name of a moment and what happened.
func caseName(at int64, words ...string) string {
	text := time.Unix(0, at).UTC().Format("20060102t150405z")
	for _, w := range words {
		if w != "" {
			text += "-" + w
		}
	}
	b := []byte(strings.ToLower(text))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			b[i] = '-'
		}
	}
	name := strings.TrimRight(string(b[:min(len(b), maxName-8)]), ".-")
	if !validName(name) { // it holds one of our suffixes
		name = strings.ReplaceAll(name, ".", "-")
	}
	return name
}

// isPacketsName tells whether s names a file of packets of a case.
func isPacketsName(s string) bool {
	digits, ok := strings.CutPrefix(s, "packets-")
	digits, ok2 := strings.CutSuffix(digits, ".pcapng")
	if !ok || !ok2 || len(digits) < 4 || len(digits) > 8 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// Case reads the state of a case; of a sealed one without a state, its manifest.
func (e Env) Case(name string) (*Case, error) {
	e = e.complete()
	c, err := e.load(name)
	if absent(err) {
		dir := filepath.Join(e.Cases, name)
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			s := stateless(dir)
			return &s, nil
		}
		return nil, fmt.Errorf("there is no case %q", name)
	}
	return c, err
}

// SearchQuery is a query of the packets that the case took, or will take as far as
// that is known before it is copied: an alert's host and flows in the window. It is
// "" if it took nothing.
func (c *Case) SearchQuery() string {
	text := c.Taken
	switch {
	case text != "":
		return text
	case c.State != Waiting && c.State != Copying:
		return ""
	case c.Query != "":
		text = c.Query
		if q, err := query.Parse(text, query.Options{}); err == nil {
			q.From, q.To = c.From, c.To
			return q.String()
		}
	}
	var p plan
	p.narrow = p.flowsQuery(c)
	return takenText(p.wideQuery(c, new(legs)), c.From, c.To, ScopeAll)
}

// taken is the query of a sealed case, out of its manifest.
func taken(raw []byte) string {
	i := bytes.IndexByte(raw, '\n') + 1
	l, err := parseLine(raw[:i])
	var begin beginFact
	if err != nil || l.decode(&begin) != nil {
		return ""
	}
	return begin.Query
}
