package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"kagami/configs"
	"kagami/exporters"
)

// guard is what a running sensor gave up after it opened its packet sockets, and
// before it opened any file: so what it cannot reach later fails at the start.
type guard struct {
	entered  bool
	user     string  // that it became, "" = it stayed who it was
	uid, gid int     // of that user
	readable []place // with everything below them; nil = Landlock is off
	writable []place
}

// place is a directory that the sensor uses.
type place struct {
	dir  string
	mode fs.FileMode // when it must be made
}

// keptCapabilities are needed again when an interface goes away and comes back.
func keptCapabilities() []uint { return []uint{unix.CAP_NET_RAW} }

// systemPlaces hold what libraries read: names, time zones, certificates.
func systemPlaces() []place {
	return []place{{dir: "/etc"}, {dir: "/usr"}, {dir: "/proc"}, {dir: "/sys"}, {dir: "/run"}}
}

// enter gives up every right that capturing and writing do not need, for all
// threads and for good. The second time, after a reload, there is nothing to do.
func (g *guard) enter(c configs.Config, to []exporters.Config, config string, log *slog.Logger) error {
	if g.entered {
		return nil
	}
	g.entered = true
	own := owner{-1, -1}
	if c.Security.User != "" {
		var err error
		if own, err = findUser(c.Security.User); err != nil {
			return err
		}
		g.user, g.uid, g.gid = c.Security.User, own.uid, own.gid
	}
	readable, writable := places(c, to, config)
	for _, p := range writable {
		if err := makeDir(p, own); err != nil {
			return err
		}
	}
	attrs := []any{"user", g.user}
	if err := noNewPrivileges(); err != nil {
		log.Warn("privileges cannot be bounded", "err", err)
	}
	if err := g.drop(); err != nil {
		return err
	}
	attrs = append(attrs, "capabilities", capabilityNames())
	if abi, err := confine(readable, writable); err != nil {
		log.Warn("Landlock is off: files are not confined", "err", err)
	} else {
		g.readable, g.writable = readable, writable
		attrs = append(attrs, "landlock_abi", abi, "writes_to", strings.Join(dirs(writable), " "))
	}
	log.Info("rights kept", attrs...)
	return nil
}

// drop becomes the user, if there is one, and keeps of the capabilities only
// those of keptCapabilities. Root that stays root keeps all.
func (g *guard) drop() error {
	if g.user == "" && os.Geteuid() == 0 {
		return nil
	}
	if g.user != "" && os.Geteuid() != g.uid {
		if err := g.become(); err != nil {
			return fmt.Errorf("become user %q (security.user): %w", g.user, err)
		}
	}
	if err := keepCapabilities(keptCapabilities()); err != nil && g.user != "" {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

func (g *guard) become() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can: start as root, or leave security.user unset")
	}
	if err := prctl(unix.PR_SET_KEEPCAPS, 1); err != nil {
		return err
	}
	return errors.Join(syscall.Setgroups([]int{g.gid}), syscall.Setresgid(g.gid, g.gid, g.gid), syscall.Setresuid(g.uid, g.uid, g.uid))
}

// allows tells whether a changed configuration can be used with the rights that
// are left.
func (g *guard) allows(c configs.Config, to []exporters.Config, config string) error {
	if c.Security.User != g.user {
		return fmt.Errorf("security.user: got %q, running as %q: that needs a restart", c.Security.User, g.user)
	}
	if g.readable == nil {
		return nil
	}
	readable, writable := places(c, to, config)
	for _, p := range writable {
		if !within(p.dir, g.writable) {
			return fmt.Errorf("write to %q: not among the directories at the start (%s): that needs a restart", p.dir, strings.Join(dirs(g.writable), ", "))
		}
	}
	for _, p := range readable {
		if !within(p.dir, slices.Concat(g.readable, g.writable)) {
			return fmt.Errorf("read %q: not among the directories at the start: that needs a restart", p.dir)
		}
	}
	return nil
}

// hint says what helps when the user may not use a file.
func (g *guard) hint(err error) error {
	if g.user != "" && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; user %q must own it: chown -R %s DIRECTORY", err, g.user, g.user)
	}
	return err
}

// places are the directories that a configuration uses.
func places(c configs.Config, to []exporters.Config, config string) (readable, writable []place) {
	readable = systemPlaces()
	if config != "" {
		readable = append(readable, place{dir: parent(config)})
	}
	for _, e := range to {
		if e.Queue == exporters.QueueDisk {
			writable = append(writable, place{absolute(c.Output.QueueDir), 0o700})
		}
		u, err := url.Parse(e.To)
		if err != nil {
			continue // the export itself says so
		}
		if u.Scheme == "file" {
			writable = append(writable, place{parent(u.Path), 0o750})
		}
		for key, values := range u.Query() {
			for _, v := range values {
				path, isFile := strings.CutPrefix(v, "file:") // a secret
				if isFile || key == "ca" || key == "cert" || key == "key" {
					readable = append(readable, place{dir: parent(path)})
				}
			}
		}
	}
	if c.Account.Enable {
		writable = append(writable, place{absolute(c.Account.Dir), 0o750})
		if c.Account.Key != "" {
			writable = append(writable, place{parent(c.Account.Key), 0o700})
		}
	}
	if c.Detect.State != "" {
		writable = append(writable, place{parent(c.Detect.State), 0o700})
	}
	if c.Detect.Suppressions != "" {
		readable = append(readable, place{dir: parent(c.Detect.Suppressions)})
	}
	if c.Evidence.Enabled {
		dir, _ := filepath.Abs(c.Evidence.Dir)
		writable = append(writable, place{dir, 0o700})
		if c.Pin.Enabled && c.Pin.Dir != "" {
			dir, _ := filepath.Abs(c.Pin.Dir)
			writable = append(writable, place{dir, 0o700})
		}
	}
	unique := func(ps []place) []place {
		slices.SortStableFunc(ps, func(a, b place) int { return strings.Compare(a.dir, b.dir) })
		return slices.CompactFunc(ps, func(a, b place) bool { return a.dir == b.dir })
	}
	return unique(readable), unique(writable)
}

func absolute(path string) string {
	abs, _ := filepath.Abs(path)
	return abs
}

func parent(path string) string {
	abs, _ := filepath.Abs(path)
	return filepath.Dir(abs)
}

func dirs(ps []place) (out []string) {
	for _, p := range ps {
		out = append(out, p.dir)
	}
	return out
}

func within(dir string, ps []place) bool {
	return slices.ContainsFunc(ps, func(p place) bool {
		return dir == p.dir || strings.HasPrefix(dir, strings.TrimSuffix(p.dir, "/")+"/")
	})
}

// owner is a user and group; -1 is whoever makes it.
type owner struct{ uid, gid int }

func findUser(name string) (owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, fmt.Errorf("security.user: no user %q; make one: useradd --system --no-create-home %s", name, name)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return owner{}, fmt.Errorf("security.user: %q: %w", name, err)
	}
	return owner{uid, gid}, nil
}

// makeDir makes a directory and those above it that are missing, all the owner's.
func makeDir(p place, own owner) error {
	err := os.Mkdir(p.dir, p.mode)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(p.dir) != p.dir {
		if err := makeDir(place{filepath.Dir(p.dir), 0o755}, own); err != nil {
			return err
		}
		err = os.Mkdir(p.dir, p.mode)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chown(p.dir, own.uid, own.gid); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// noNewPrivileges makes sure that no program file gives rights back.
func noNewPrivileges() error { return prctl(unix.PR_SET_NO_NEW_PRIVS, 1) }

// prctl sets a switch in all threads.
func prctl(option, value uintptr) error {
	_, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, value, 0, 0, 0, 0)
	return allThreadsError("prctl", e)
}

// allThreadsError explains why a call for all threads failed: in a program with
// cgo it cannot be made.
func allThreadsError(call string, e syscall.Errno) error {
	switch e {
	case 0:
		return nil
	case unix.ENOTSUP:
		return fmt.Errorf("%s for all threads: this kagami was built with cgo; build it with CGO_ENABLED=0", call)
	}
	return fmt.Errorf("%s: %w", call, e)
}

// capabilityNames are the effective capabilities, for the log.
func capabilityNames() string {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return "unknown"
	}
	have := uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
	kept := uint64(0)
	for _, c := range keptCapabilities() {
		kept |= 1 << c
	}
	switch have {
	case 0:
		return "none"
	case kept:
		return "cap_net_raw"
	}
	return fmt.Sprintf("%#x", have)
}
