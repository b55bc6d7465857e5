//go:build !linux

package browse

import (
	"context"
	"errors"
	"net"
)

const loopback = "lo"

// IsInside tells whether this process was started by Walk, to run the browser.
func IsInside() bool { return false }

// Inside does what such a process is for, and returns its exit status.
func Inside() int { return 1 }

func isolate(context.Context, job, func(net.Listener)) (*outcome, error) {
	return nil, errors.New("a browser can be isolated from the network on Linux only")
}
