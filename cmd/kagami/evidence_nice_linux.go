package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// searchNice is how much a search gives way to the sensor; the kernel derives the
// priority of its reading from it (ioprio_set(2)).
const searchNice = 10

// giveWay lowers the priority of this process, a thread at a time: on Linux each
// has its own, and new ones take after those that make them. Without the right to
// do so nothing changes.
func giveWay() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			unix.Setpriority(unix.PRIO_PROCESS, id, searchNice)
		}
	}
}
