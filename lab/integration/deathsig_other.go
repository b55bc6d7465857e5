//go:build !linux

package integration

import "os/exec"

func endWithUs(*exec.Cmd) {}
