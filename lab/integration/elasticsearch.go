package integration

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ElasticsearchPOM names the jars of one Elasticsearch node at Maven Central: the
// server and its HTTP module, without what belongs to Elastic's x-pack.
//
//go:embed testdata/elasticsearch/pom.xml
var ElasticsearchPOM string

//go:embed testdata/elasticsearch/Launcher.java
var elasticsearchLauncher string

//go:embed testdata/elasticsearch/plugin-descriptor.properties
var elasticsearchNetty string

// Elasticsearch starts one node made of its published jars.
func Elasticsearch(t testing.TB) *Server {
	t.Helper()
	jars, home := Jars(t, "elasticsearch", ElasticsearchPOM), t.TempDir()
	lib, netty := filepath.Join(home, "lib"), filepath.Join(home, "modules", "transport-netty4")
	for _, dir := range []string{lib, netty, filepath.Join(home, "config"), filepath.Join(home, "plugins")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(jars + "/*.jar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no jars in %s: %v", jars, err)
	}
	for _, file := range files { // a class must be in the server or in its module, not in both
		dir, name := lib, filepath.Base(file)
		if strings.HasPrefix(name, "netty-") || strings.HasPrefix(name, "transport-netty4-") {
			dir = netty
		}
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	launcher, port, transport := filepath.Join(home, "Launcher.java"), FreePort(t), FreePort(t)
	save(t, launcher, elasticsearchLauncher)
	save(t, filepath.Join(home, "log4j2.properties"), openSearchLog)
	save(t, filepath.Join(netty, "plugin-descriptor.properties"), elasticsearchNetty)
	args := []string{"-Xms1g", "-Xmx1g", "--module-path", lib, "--add-modules", "ALL-MODULE-PATH", "-cp", home}
	for _, p := range []string{"node", "env", "common.settings", "common.logging"} {
		args = append(args, "--add-exports", "org.elasticsearch.server/org.elasticsearch."+p+"=ALL-UNNAMED")
	}
	return Start(t, "http://127.0.0.1:"+port, func() *exec.Cmd {
		return Command("java", append(args, launcher, home, port, transport)...)
	})
}
