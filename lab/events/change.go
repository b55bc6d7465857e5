package events

import "net/netip"

// What turns a site upside down: nights in which everything restarts, and the
// day on which many machines get other addresses.

// patchDays are the nights of updates, from the world's start: all machines that
// are on restart within twenty minutes.
func patchDays() [2]int64 { return [2]int64{8 * day, 22 * day} }

// renumberDay is when machines get other addresses, before anybody comes in.
const renumberDay = 15 * day

// reboot is when a machine restarts between two times, 0 if it does not.
func (r *run) reboot(h *host, from, until int64) int64 {
	if r.opt.Quiet {
		return 0
	}
	for i, n := range patchDays() {
		at := r.start + n + 3*hour + h.dice(int64(i), 21, 1200)*second
		if h.always && h.role == workstation && from < at && at <= until {
			return at
		}
	}
	if at := r.start + renumberDay + 4*hour; r.moves(h) && from < at && at <= until {
		return at
	}
	return 0
}

// moves tells whether a machine is among those that get another address: a fifth
// of the workstations, all of a small site, but none that is attacked.
func (r *run) moves(h *host) bool {
	if h.role != workstation || h.planned {
		return false
	}
	return !r.site.Domain || h.seed>>30%5 == 0
}

// beginChanges puts them into the queue.
func (r *run) beginChanges() {
	for _, p := range r.plans {
		r.hosts[p.host].planned = true
	}
	r.add(r.start+renumberDay+4*hour-minute, renumber{})
}

// renumber gives every second of the machines an address that was free, and the
// others each other's.
type renumber struct{}

func (renumber) step(r *run, _ int64) int64 {
	var move []*host
	used := make(map[netip.Addr]bool, len(r.hosts))
	for _, h := range r.hosts {
		used[h.addr] = true
		if r.moves(h) {
			move = append(move, h)
		}
	}
	var swap []*host
	next := 200
	for i, h := range move {
		if i%2 == 1 {
			swap = append(swap, h)
			continue
		}
		for used[nth(r.place.clients, next)] {
			next++
		}
		h.addr = nth(r.place.clients, next)
		used[h.addr] = true
	}
	if len(swap) > 1 {
		first := swap[0].addr
		for i := range len(swap) - 1 {
			swap[i].addr = swap[i+1].addr
		}
		swap[len(swap)-1].addr = first
	}
	return 0
}
