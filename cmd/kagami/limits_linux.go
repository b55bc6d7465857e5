package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// minFiles is how many open files a run wants at the least: rings, programs and
// tables in the kernel, exports, evidence, metrics and what the runtime itself has.
// Without them the first thing to fail would be some library, with an odd message.
const minFiles = 64

// checkFiles says so when fewer files may be open.
func checkFiles() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur >= minFiles {
		return nil
	}
	return fmt.Errorf("only %d files may be open at a time (RLIMIT_NOFILE), and a run takes up to %d; ulimit -n 1024, or LimitNOFILE=1024 in the systemd unit", l.Cur, minFiles)
}

// memoryCap is the least limit in octets of the control groups that the process is
// in, 0 when there is none. root is "/", but for tests.
func memoryCap(root string) (least int64) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path, cgroups(7); version 2 names no controllers
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if part[1] == "memory" {
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if part[1] != "" {
			continue
		}
		for dir := part[2]; ; dir = filepath.Dir(dir) { // a group is bound by those above it, too
			if n := readLimit(filepath.Join(root, mount, dir, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return least
}

// readLimit reads a memory limit; 0 when there is none.
func readLimit(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	const unlimited = 1 << 60 // version 1 says so with the largest number of pages, version 2 with a word
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
