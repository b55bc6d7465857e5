package integration

import (
	"archive/zip"
	_ "embed"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// OpenSearchSecurityPOM names OpenSearch's security plugin at Maven Central.
//
//go:embed testdata/opensearch-security/pom.xml
var OpenSearchSecurityPOM string

//go:embed testdata/opensearch-security/Launcher.java
var openSearchSecurityLauncher string

// OpenSearchSecurity starts one node of OpenSearch with its security plugin on
// https://localhost. home/config must have ca.pem, and node.pem and node.key of the
// subject CN=localhost. The first user is admin, password admin; it is there some
// seconds after the node.
func OpenSearchSecurity(t testing.TB, home string) *Server {
	t.Helper()
	jars := Jars(t, "opensearch", OpenSearchPOM)
	plugin, err := filepath.Glob(Jars(t, "opensearch-security", OpenSearchSecurityPOM) + "/opensearch-security-*.zip")
	if err != nil || len(plugin) != 1 {
		t.Fatalf("no plugin: %q, %v", plugin, err)
	}
	unzip(t, plugin[0], func(name string) string {
		switch dir, file := filepath.Split(name); {
		case strings.HasSuffix(file, ".jar") && dir == "":
			return filepath.Join(home, "security", file)
		case strings.HasSuffix(file, ".yml") && dir == "config/":
			return filepath.Join(home, "config", "opensearch-security", file)
		}
		return ""
	})
	launcher, port, transport := filepath.Join(home, "Launcher.java"), FreePort(t), FreePort(t)
	save(t, launcher, openSearchSecurityLauncher)
	save(t, filepath.Join(home, "log4j2.properties"), openSearchLog)
	return Start(t, "127.0.0.1:"+port, func() *exec.Cmd {
		return Command("java", "-Xms1g", "-Xmx1g", "-cp", home+":"+home+"/security/*:"+jars+"/*", launcher, home, port, transport)
	})
}

// unzip writes an archive's files where place says, those that it has a place for.
func unzip(t testing.TB, archive string, place func(name string) string) {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		path := place(f.Name)
		if path == "" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		save(t, path, string(b))
	}
}
