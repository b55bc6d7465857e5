package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// user gives the system one more user for this case, by a password; the user's
// home is the folder that it returns.
func (s *stage) user(ctx context.Context, name, password string) (home string, err error) {
	home = filepath.Join(s.dir, "home-"+name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return "", fmt.Errorf("make home: %w", err)
	}
	hash, err := exec.CommandContext(ctx, "openssl", "passwd", "-6", password).Output()
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	for file, line := range map[string]string{
		"/etc/passwd": name + ":x:4001:4001::" + home + ":/bin/sh\n",
		"/etc/shadow": name + ":" + strings.TrimSpace(string(hash)) + ":20000:0:99999:7:::\n",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read users: %w", err)
		}
		if err := s.cover(file, string(text)+line); err != nil {
			return "", err
		}
	}
	return home, nil
}
