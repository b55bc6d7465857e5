package integration

import (
	_ "embed"
	"os/exec"
	"path/filepath"
	"testing"
)

// GraylogPOM names the jars that GraylogReader needs.
//
//go:embed testdata/graylog/pom.xml
var GraylogPOM string

//go:embed testdata/graylog/Reader.java
var graylogReader string

// GraylogReader is a command that reads syslog messages, one a line, with the classes
// of a Graylog server, runs a pipeline rule on each, and prints its fields as JSON.
func GraylogReader(t testing.TB, rule string) *exec.Cmd {
	t.Helper()
	jars, program := Jars(t, "graylog", GraylogPOM), filepath.Join(t.TempDir(), "Reader.java")
	save(t, program, graylogReader)
	return Command("java", "-cp", jars+"/*", program, rule)
}
