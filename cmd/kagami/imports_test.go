package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Dir string
	GoFiles         []string
	Imports         []string
}

// below is the import rule: what of this module a package may import. Imports go
// one way, and adapters never import each other.
var below = map[string][]string{
	"packet":   {},
	"records":  {"packet"},
	"sensor":   {"packet", "records"},
	"decoders": {"packet", "records", "sensor"},
	"detectors": {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident", "detectors/suppress",
		"detectors/beacon", "detectors/egress", "detectors/scan", "detectors/download", "detectors/canary"},
	"site":             {"packet", "records", "sensor"},
	"exporters":        {"packet", "records", "sensor", "exporters/spool", "exporters/secret", "exporters/chain", "signing"},
	"exporters/spool":  {},
	"exporters/secret": {},
	"exporters/chain":  {"atomicfile", "signing"},
	"signing":          {"atomicfile"},
	"atomicfile":       {},
	"capture":          {"packet", "records", "sensor"},
	"capture/doctor":   {"packet", "records", "sensor"},
	"evidence":         {"packet", "records", "sensor", "evidence/segment", "evidence/index"},
	"bpf":              {"packet", "records", "sensor"},
	"bpf/filter":       {"packet"},
	"configs":          {"packet", "records", "sensor", "decoders", "detectors", "exporters", "capture", "evidence", "evidence/cases", "site"},
	"cmd/kagami": {"packet", "records", "sensor", "decoders", "detectors", "exporters", "capture", "capture/doctor", "evidence", "evidence/segment", "evidence/index",
		"evidence/query", "evidence/search", "evidence/cases", "evidence/replay", "evidence/replay/har", "evidence/replay/warc", "evidence/replay/objects",
		"evidence/replay/page", "evidence/replay/browse", "evidence/replay/server", "evidence/replay/tlskeys", "bpf", "bpf/filter", "configs", "site",
		"detectors/census", "detectors/incident", "detectors/state", "detectors/suppress", "detectors/canary", "atomicfile", "exporters/chain", "exporters/spool", "signing"},

	"detectors/state":    {},
	"detectors/table":    {"detectors/state"},
	"detectors/rhythm":   {"detectors/state"},
	"detectors/census":   {"packet", "records", "sensor", "detectors/state", "detectors/table"},
	"detectors/incident": {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census"},
	"detectors/suppress": {"packet", "records", "detectors/incident"},
	"detectors/beacon":   {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident", "detectors/rhythm"},
	"detectors/egress":   {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident"},
	"detectors/scan":     {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident"},
	"detectors/download": {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident"},
	"detectors/canary":   {"packet", "records", "sensor", "detectors/state", "detectors/table", "detectors/census", "detectors/incident"},

	"evidence/segment":               {"packet", "sensor"},
	"evidence/index":                 {"packet", "evidence/segment"},
	"evidence/query":                 {"packet"},
	"evidence/search":                {"packet", "records", "sensor", "evidence/segment", "evidence/index", "evidence/query"},
	"evidence/wiretext":              {},
	"evidence/cases":                 {"packet", "records", "evidence/segment", "evidence/index", "evidence/query", "evidence/search", "evidence/wiretext", "atomicfile", "signing"},
	"evidence/replay":                {"packet", "records", "sensor", "evidence/replay/links", "evidence/replay/tlskeys"},
	"evidence/replay/links":          {},
	"evidence/replay/tlskeys":        {"packet", "records"},
	"evidence/replay/har":            {"evidence/replay", "evidence/replay/internal/plain"},
	"evidence/replay/warc":           {"evidence/replay", "evidence/replay/internal/plain"},
	"evidence/replay/objects":        {"evidence/replay", "evidence/replay/internal/plain", "evidence/replay/sealedzip"},
	"evidence/replay/page":           {"evidence/replay", "evidence/wiretext"},
	"evidence/replay/browse":         {"evidence/replay", "evidence/replay/server"},
	"evidence/replay/server":         {"evidence/replay"},
	"evidence/replay/sealedzip":      {},
	"evidence/replay/internal/plain": {"evidence/replay"},

	// The laboratory judges the sensor: it must not share its parser. Only what
	// compares kagami with a bare reader of its rings opens them itself.
	"lab":                     {},
	"lab/events":              {"lab", "packet", "records"},
	"lab/peers":               {"packet", "records"},
	"lab/zeeklog":             {"packet", "records", "sensor"},
	"lab/detection":           {"packet", "records", "sensor", "detectors", "detectors/scan", "lab/events", "lab/peers"},
	"lab/cmd/detectionreport": {"detectors", "lab/detection"},
	"lab/cmd/groundtruth":     {},
	"lab/cmd/zeekread":        {"records", "sensor", "detectors", "lab/detection", "lab/peers", "lab/zeeklog"},
	"lab/cmd/agree":           {},
	"lab/cmd/bench":           {"lab"},
	"lab/cmd/benchdelivery":   {"capture", "configs", "decoders", "detectors", "exporters", "exporters/spool", "records", "sensor", "site"},
	"lab/cmd/benchevidence":   {},
	"lab/cmd/repeat":          {},
	"lab/cmd/benchlive":       {"capture", "sensor"},
	"lab/cmd/corpus":          {},
	"lab/cmd/genuine":         {},
	"lab/cmd/lab":             {"lab"},
	"lab/cmd/squidtwin":       {},
	"lab/integration":         {},
	"lab/cmd/integration":     {"lab/integration"},
}

// only says which packages may import what is not for everyone. A name that ends
// in a slash is for all packages below it.
var only = map[string][]string{
	"net/http":                   {"cmd/kagami", "exporters", "evidence/replay/server", "lab", "lab/cmd/benchdelivery", "lab/cmd/genuine", "lab/cmd/squidtwin", "lab/integration"},
	"html":                       {"evidence/replay/links", "evidence/cases", "evidence/replay/page"}, // and what is below it
	"html/template":              {"evidence/cases", "evidence/replay/page"},
	"os/exec":                    {"lab/cmd/", "lab/integration", "evidence/replay/browse"}, // a browser
	"github.com/google/gopacket": {"lab", "lab/events", "lab/cmd/repeat"},                   // it panics on hostile input
	"github.com/miekg/dns":       {"decoders", "lab", "lab/events", "lab/cmd/"},
	"github.com/BurntSushi/toml": {"configs", "detectors/suppress", "lab"},
	"github.com/alecthomas/kong": {"cmd/kagami"},
	"github.com/chromedp":        {"evidence/replay/browse"},
	"github.com/cilium/ebpf":     {"bpf"},
}

func TestImports(t *testing.T) {
	packages := goList(t)
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, "kagami/")
		allowed, known := below[name]
		if !known {
			t.Errorf("%s has no import rule: add it to the list below", name)
		}
		for _, path := range p.Imports {
			if own, ok := strings.CutPrefix(path, "kagami/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s must not import %s", name, own)
			}
			for module, users := range only {
				if (path == module || strings.HasPrefix(path, module+"/")) && !among(name, users) {
					t.Errorf("%s must not import %s; only %v may", name, path, users)
				}
			}
		}
	}
	if len(packages) < 10 {
		t.Errorf("go list finds %d packages only", len(packages))
	}
}

func among(name string, users []string) bool {
	return slices.ContainsFunc(users, func(u string) bool {
		return name == u || strings.HasSuffix(u, "/") && strings.HasPrefix(name, u)
	})
}

// TestSources checks rules that hold for every production file.
func TestSources(t *testing.T) {
	timeless := []string{"packet", "records", "sensor", "decoders", "detectors", "site"}
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, "kagami/")
		first, _, _ := strings.Cut(name, "/")
		for _, file := range p.GoFiles {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range slices.Concat(hidden(f, file), clocks(f, slices.Contains(timeless, first))) {
				t.Errorf("%s/%s: %s", name, file, problem)
			}
		}
	}
}

// hidden finds what works behind the reader's back: unsafe memory outside its
// files, init functions, and imports for their side effects.
func hidden(f *ast.File, file string) (problems []string) {
	for _, i := range f.Imports {
		if i.Path.Value == `"unsafe"` && !strings.HasSuffix(file, "_unsafe_linux.go") {
			problems = append(problems, "unsafe belongs into a file *_unsafe_linux.go")
		}
		if i.Name != nil && i.Name.Name == "_" && i.Path.Value != `"embed"` {
			problems = append(problems, "blank import of "+i.Path.Value)
		}
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			problems = append(problems, "has an init function")
		}
	}
	return problems
}

// clocks finds readings of the wall clock in packages that know no time but the
// packets'.
func clocks(f *ast.File, timeless bool) (problems []string) {
	reads := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok || !timeless {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(reads, s.Sel.Name) {
			problems = append(problems, "time."+s.Sel.Name+": time comes from packets here")
		}
		return true
	})
	return problems
}

// goList lists the packages of the module as they are built for Linux.
func goList(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// TestRuleIsOneWay: the rule itself has no way around.
func TestRuleIsOneWay(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(below)) {
		for _, low := range below[name] {
			if slices.Contains(below[low], name) {
				t.Errorf("%s and %s may import each other", name, low)
			}
		}
	}
}
