package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kagami/lab/integration"
)

// python are the packages of the tools that are Python's.
var python = []string{"chdb", "aiosmtpd"}

// getTools gets what is missing below out/integration. Nothing is installed and no
// service is started: Debian's packages are downloaded with what they need and the
// machine has not, and unpacked. It needs no root.
func getTools(ctx context.Context, to io.Writer) error {
	root, err := integration.Root()
	if err != nil {
		return err
	}
	for _, t := range integration.Tools() {
		if _, err := t.Path(); err == nil || t.Debs == "" {
			continue
		}
		fmt.Fprintf(to, "%s: unpacks Debian's %s\n", t.Name, t.Debs)
		if err := unpack(ctx, filepath.Join(root, t.Name), strings.Fields(t.Debs)); err != nil {
			return fmt.Errorf("get %s: %w", t.Name, err)
		}
	}
	if err := getPython(ctx, to, filepath.Join(root, "python")); err != nil {
		fmt.Fprintln(to, "python:", err) // the tests with the other tools run all the same
	}
	return getJars(to, root)
}

// unpack downloads packages and what they depend on, and unpacks them into dir.
func unpack(ctx context.Context, dir string, debs []string) error {
	cache, err := filepath.Abs(dir + ".debs")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(cache, "partial"), 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	args := append([]string{"-q", "-o", "Debug::NoLocking=1", "-o", "Dir::Cache::archives=" + cache, "-o", "APT::Sandbox::User=",
		"--download-only", "--reinstall", "-y", "--no-install-recommends", "install"}, debs...)
	if err := run(ctx, "apt-get", args...); err != nil {
		return err
	}
	files, _ := filepath.Glob(filepath.Join(cache, "*.deb"))
	if len(files) == 0 {
		return fmt.Errorf("apt-get downloaded nothing for %v", debs)
	}
	for _, f := range files {
		if err := run(ctx, "dpkg-deb", "-x", f, dir); err != nil {
			return err
		}
	}
	return nil
}

// getPython makes a virtual environment with the Python packages that no Python of
// the machine has.
func getPython(ctx context.Context, to io.Writer, dir string) error {
	var missing []string
	for _, t := range integration.Tools() {
		for _, name := range python {
			if _, err := t.Path(); t.Name == name && err != nil {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(to, "python: %s into %s\n", strings.Join(missing, ", "), dir)
	if err := run(ctx, "python3", "-m", "venv", dir); err != nil {
		return fmt.Errorf("%w (apt-get install python3-venv)", err)
	}
	return run(ctx, filepath.Join(dir, "bin", "pip"), append([]string{"-q", "install"}, missing...)...)
}

// getJars has Maven fetch what runs in Java.
func getJars(to io.Writer, root string) error {
	for _, p := range []struct{ name, pom string }{{"kafka", integration.KafkaPOM}, {"opensearch", integration.OpenSearchPOM},
		{"elasticsearch", integration.ElasticsearchPOM}} {
		if _, err := exec.LookPath("mvn"); err != nil {
			fmt.Fprintf(to, "%s: no mvn: apt-get install openjdk-17-jdk-headless maven\n", p.name)
			continue
		}
		fmt.Fprintf(to, "%s: jars of Maven Central\n", p.name)
		if err := integration.FetchJars(filepath.Join(root, p.name), p.pom); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.1000s", name, err, out)
	}
	return nil
}
