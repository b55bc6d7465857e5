// Package integration starts the servers of others that records are sent to, for
// tests: rsyslog, Kafka, OpenSearch and the like, as Debian and their makers ship
// them. `make integration` runs those tests, `make integration-tools` gets what is
// missing; nothing is installed, all of it is unpacked below out/integration.
//
// A test calls Need first. Everything listens on loopback, keeps its files in the
// test's own directory and ends with the test, or with its process.
package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Gate is the environment variable without which tests that start servers are
// skipped. "1": a test whose tool is missing is skipped with the reason; "all": it
// fails.
const Gate = "KAGAMI_INTEGRATION"

// Tool is a program of others that tests need.
type Tool struct {
	Name  string
	For   string // what is tested with it
	Debs  string // Debian packages that are unpacked below out/integration/NAME
	Get   string // else: the command that gets it
	check []string
}

// Tools are all tools, in the order in which they are listed.
func Tools() []Tool {
	return []Tool{
		{Name: "rsyslogd", For: "syslog over UDP, TCP, TLS, unix sockets", Debs: "rsyslog rsyslog-openssl rsyslog-gnutls"},
		{Name: "syslog-ng", For: "syslog over UDP, TCP, TLS, unix sockets", Debs: "syslog-ng-core"},
		{Name: "lognormalizer", For: "CEF as rsyslog's mmnormalize reads it", Debs: "liblognorm-utils"},
		{Name: "nfcapd", For: "IPFIX", Debs: "nfdump"},
		{Name: "nfdump", For: "IPFIX", Debs: "nfdump"},
		{Name: "kcat", For: "what lies in Kafka, as text", Debs: "kcat"},
		{Name: "nats-server", For: "NATS JetStream", Debs: "nats-server"},
		{Name: "clickhouse-server", For: "ClickHouse of 2018, as Debian has it", Debs: "clickhouse-server clickhouse-common"},
		{Name: "chdb", For: "ClickHouse's current engine, the tables that are shipped", Get: "make integration-tools (pip install chdb)", check: []string{"-c", "import chdb"}},
		{Name: "aiosmtpd", For: "mail", Get: "make integration-tools (pip install aiosmtpd), or apt-get install python3-aiosmtpd", check: []string{"-c", "import aiosmtpd"}},
		{Name: "java", For: "Kafka, OpenSearch, Elasticsearch", Get: "apt-get install openjdk-17-jdk-headless"},
		{Name: "mvn", For: "their jars", Get: "apt-get install maven"},
	}
}

func toolOf(name string) *Tool {
	all := Tools()
	if i := slices.IndexFunc(all, func(t Tool) bool { return t.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// How is the command that gets the tool.
func (t *Tool) How() string {
	if t.Get != "" {
		return t.Get
	}
	return "make integration-tools (unpacks Debian's " + t.Debs + ")"
}

// Root is where tools are unpacked: out/integration of this module.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "out", "integration"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find tools: no go.mod above the working directory")
		}
	}
}

// Path is where a tool's program is: unpacked, in PATH, or where PATH of ordinary
// users does not reach.
func (t *Tool) Path() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	if t.check != nil {
		for _, p := range []string{filepath.Join(root, "python", "bin", "python3"), "python3", "/usr/bin/python3"} {
			if exec.Command(p, t.check...).Run() == nil {
				return p, nil
			}
		}
		return "", errors.New("no python3 has it")
	}
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		if p := filepath.Join(root, t.Name, dir, t.Name); executable(p) {
			return p, nil
		}
	}
	if p, err := exec.LookPath(t.Name); err == nil {
		return p, nil
	}
	if p := "/usr/sbin/" + t.Name; executable(p) {
		return p, nil
	}
	return "", errors.New("not installed")
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// Need skips a test that starts other programs, unless it is asked for and they
// are there.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	if os.Getenv(Gate) == "" {
		t.Skip("starts other programs: make integration, or set " + Gate + "=1")
	}
	for _, name := range tools {
		tool := toolOf(name)
		if tool == nil {
			t.Fatalf("unknown tool %q: add it to integration.Tools", name)
		}
		if _, err := tool.Path(); err != nil {
			Lacks(t, "%s: %v; %s", name, err, tool.How())
		}
	}
}

// Lacks ends a test that lacks something of its machine.
func Lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(Gate) == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Command is a command of a tool; of chdb and aiosmtpd, one of the Python that has
// them. Its process ends with this one.
func Command(name string, args ...string) *exec.Cmd {
	path, root := name, ""
	if tool := toolOf(name); tool != nil {
		if p, err := tool.Path(); err == nil {
			path = p
		}
	}
	cmd := exec.Command(path, args...)
	if base, err := Root(); err == nil && strings.HasPrefix(path, filepath.Join(base, name)+"/") {
		root = filepath.Join(base, name)
		libs, _ := filepath.Glob(root + "/usr/lib/*")
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, root+"/usr/lib"), ":"))
	}
	cmd.Args = append(cmd.Args, modules(name, root)...)
	endWithUs(cmd)
	return cmd
}

// modules are the options that tell an unpacked daemon where its modules are.
func modules(name, root string) []string {
	if root == "" {
		return nil
	}
	dirs := func(pattern string) string {
		found, _ := filepath.Glob(root + pattern)
		return strings.Join(found, ":")
	}
	switch name {
	case "rsyslogd":
		return []string{"-M" + dirs("/usr/lib/*/rsyslog")}
	case "syslog-ng":
		return []string{"--module-path=" + dirs("/usr/lib/syslog-ng/*")}
	}
	return nil
}

// Jars has Maven fetch what a pom.xml names, once, and returns the directory that
// the jars are in.
func Jars(t testing.TB, name, pom string) string {
	t.Helper()
	Need(t, "java", "mvn")
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, name)
	if err := FetchJars(dir, pom); err != nil {
		Lacks(t, "%v", err)
	}
	return dir
}

// FetchJars has Maven copy what a pom.xml names into dir, if it is not there.
func FetchJars(dir, pom string) error {
	done := filepath.Join(dir, "pom.xml")
	if b, err := os.ReadFile(done); err == nil && string(b) == pom {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fresh := filepath.Join(dir, "fetch.xml")
	if err := os.WriteFile(fresh, []byte(pom), 0o644); err != nil {
		return err
	}
	out, err := Command("mvn", "-q", "-B", "-f", fresh, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fetch the jars of %s from Maven Central: %w: %.500s", filepath.Base(dir), err, out)
	}
	return os.Rename(fresh, done) // what is there is complete
}
