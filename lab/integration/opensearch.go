package integration

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// OpenSearchPOM names the jars of one OpenSearch node at Maven Central.
//
//go:embed testdata/opensearch/pom.xml
var OpenSearchPOM string

//go:embed testdata/opensearch/Launcher.java
var openSearchLauncher string

//go:embed testdata/opensearch/log4j2.properties
var openSearchLog string

// OpenSearch starts one node made of its published jars.
func OpenSearch(t testing.TB) *Server {
	t.Helper()
	jars, home := Jars(t, "opensearch", OpenSearchPOM), t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	launcher, port, transport := filepath.Join(home, "Launcher.java"), FreePort(t), FreePort(t)
	save(t, launcher, openSearchLauncher)
	save(t, filepath.Join(home, "log4j2.properties"), openSearchLog)
	return Start(t, "http://127.0.0.1:"+port, func() *exec.Cmd {
		return Command("java", "-Xms1g", "-Xmx1g", "-cp", home+":"+jars+"/*", launcher, home, port, transport)
	})
}
