package cases

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Who did something, as far as the machine can tell.
type Who struct {
	Program string `json:"program"`             // of the process: "kagami"
	UID     int    `json:"uid"`                 // real user id
	User    string `json:"user,omitempty"`      // its name
	Sudo    string `json:"sudo_user,omitempty"` // whom sudo says it acts for: the environment's claim
	PID     int    `json:"pid"`
	TTY     string `json:"tty,omitempty"` // terminal of standard input
}

// CurrentWho describes this process.
func CurrentWho() Who {
	w := Who{Program: "kagami", UID: os.Getuid(), Sudo: cut(os.Getenv("SUDO_USER"), 64), PID: os.Getpid()}
	if u, err := user.LookupId(strconv.Itoa(w.UID)); err == nil {
		w.User = cut(u.Username, 64)
	}
	if t, err := os.Readlink("/proc/self/fd/0"); err == nil && (strings.HasPrefix(t, "/dev/pts/") || strings.HasPrefix(t, "/dev/tty")) {
		w.TTY = t
	}
	return w
}

// String is for people.
func (w Who) String() string {
	s := w.User
	if s == "" {
		s = "user " + strconv.Itoa(w.UID)
	}
	if w.Sudo != "" {
		s += " (sudo by " + w.Sudo + ")"
	}
	if w.TTY != "" {
		s += " on " + w.TTY
	}
	return s + ", process " + strconv.Itoa(w.PID)
}

// cut shortens a text to at most n octets, at a whole character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
