package doctor

import (
	"fmt"
	"net/netip"
	"strings"
)

// listed bounds lists in a sentence.
const listed = 8

func nothingSeen(f *Facts) (Finding, bool) {
	n := &f.Frames
	if n.All-n.Own > 0 {
		return Finding{}, false
	}
	found := "not a single frame"
	if n.Own > 0 {
		found = fmt.Sprintf("only this machine's own traffic (%s)", count(n.Own, "frame", "frames"))
	}
	if m := f.Machine; m != nil && (m.State == "down" || m.State == "lower layer down") {
		found += fmt.Sprintf("; %s is down: no cable, or not set up (ip link set %s up)", m.Interface, m.Interface)
	}
	return number("nothing-seen", Bad, 0, "count", found), true
}

func noMirror(f *Facts) (Finding, bool) {
	n := &f.Frames
	all := n.Unicast + n.Group
	s := share(n.Unicast, all)
	if all < groupFrames || s >= unicastLeast {
		return Finding{}, false
	}
	return finding("no-mirror", Bad, s, fmt.Sprintf("%s of %s go from one host to another; the others are broadcast and multicast",
		percent(s), count(all, "frame", "frames"))), true
}

func oneWay(f *Facts) (Finding, bool) {
	n := &f.Flows
	s, sev := grade(n.OneWay, n.Conversations, oneWayWarn, oneWayBad)
	return finding("one-way", sev, s, fmt.Sprintf("%s of TCP conversations show one direction only (%s of %s)",
		percent(s), thousands(n.OneWay), thousands(n.Conversations))), sev > OK
}

func missed(f *Facts) (Finding, bool) {
	n := &f.Flows
	if _, cut := cutByMirror(f); cut {
		return Finding{}, false // what was cut off is what is missing
	}
	s, sev := grade(n.Missed, n.Payload, missedWarn, missedBad)
	return finding("missed", sev, s, fmt.Sprintf("%s of TCP data was acknowledged or skipped but never seen (%s of %s)",
		percent(s), octets(n.Missed), octets(n.Payload))), sev > OK
}

func networksUnseen(f *Facts) (Finding, bool) {
	n := &f.Flows
	unseen := len(n.Unseen)
	if unseen == 0 {
		return Finding{}, false
	}
	sev := Warn
	if unseen == n.Wanted {
		sev = Bad
	}
	return finding("networks-unseen", sev, share(uint64(unseen), uint64(n.Wanted)),
		fmt.Sprintf("%d of %s have sent nothing: %s", unseen, count(uint64(n.Wanted), "internal network", "internal networks"),
			list(n.Unseen, netip.Prefix.String))), true
}

func loneHost(f *Facts) (Finding, bool) {
	n := &f.Flows
	if n.Unicast < loneFlows || len(n.Hosts) == 0 {
		return Finding{}, false
	}
	return number("one-host", Warn, 1, "count", fmt.Sprintf("all %s between hosts are %s's",
		count(n.Unicast, "flow", "flows"), list(n.Hosts, netip.Addr.String))), true
}

func unreadable(f *Facts) (Finding, bool) {
	n := &f.Frames
	s, sev := grade(n.Unread, n.Unicast, unreadWarn, unreadBad)
	return finding("unreadable", sev, s, fmt.Sprintf("%s of frames between hosts are neither IP nor ARP, or their headers make no sense (%s)",
		percent(s), thousands(n.Unread))), sev > OK
}

// cutSeverity judges frames cut after at octets.
func cutSeverity(cut uint64, f *Facts, at int) (s float64, sev Severity) {
	bad := float64(never)
	if at <= cutHeaders {
		bad = cutBad
	}
	return grade(cut, f.Frames.All-f.Frames.Own, cutWarn, bad)
}

func cutByCapture(f *Facts) (Finding, bool) {
	n := &f.Frames
	s, sev := cutSeverity(n.Cut, f, n.CutAt)
	return finding("snap-length", sev, s, fmt.Sprintf("%s of frames were cut by the capture, after %d octets", percent(s), n.CutAt)), sev > OK
}

func cutByMirror(f *Facts) (Finding, bool) {
	n := &f.Frames
	s, sev := cutSeverity(n.Short, f, n.ShortAt)
	return finding("mirror-truncation", sev, s, fmt.Sprintf("%s of frames end before the datagram in them does, after at most %d octets",
		percent(s), n.ShortAt)), sev > OK
}

func duplicates(f *Facts) (Finding, bool) {
	n := &f.Flows
	s, sev := grade(n.Duplicates, n.Packets+n.Duplicates, duplicatesWarn, never)
	return finding("duplicates", sev, s, fmt.Sprintf("%s of packets are copies of others (%s)%s",
		percent(s), thousands(n.Duplicates), pathHint(n))), sev > OK
}

// pathHint says where the copies come from.
func pathHint(n *Flows) string {
	p := &n.Path
	switch {
	case n.OtherPath == 0:
		return "; they are alike, so the same place is mirrored twice"
	case p.TTL != p.CopyTTL:
		return fmt.Sprintf("; seen %s with TTL %d and again %s with TTL %d: both sides of a router are mirrored", vlan(p.VLAN), p.TTL, vlan(p.CopyVLAN), p.CopyTTL)
	}
	return fmt.Sprintf("; seen %s and again %s with the same TTL: two ports on the path are mirrored", vlan(p.VLAN), vlan(p.CopyVLAN))
}

func vlan(id uint16) string {
	if id == 0 {
		return "untagged"
	}
	return fmt.Sprintf("on VLAN %d", id)
}

func remoteMirror(f *Facts) (Finding, bool) {
	n := &f.Frames
	if len(n.Tunnels) == 0 {
		return Finding{}, false
	}
	t := n.Tunnels[0]
	s := share(t.Frames, n.All-n.Own)
	return finding("remote-mirror", OK, s, fmt.Sprintf("%s of frames come inside %s: a remote mirror, which is read", percent(s), t.Kind)),
		s >= tunnelled
}

func vlansSeen(f *Facts) (Finding, bool) {
	n := &f.Frames
	if len(n.VLANs) == 0 {
		return Finding{}, false
	}
	all := n.Untagged
	for _, v := range n.VLANs {
		all += v.Frames
	}
	found := list(n.VLANs, func(v VLANCount) string { return fmt.Sprintf("%d (%s)", v.ID, percent(share(v.Frames, all))) })
	if n.Untagged > 0 {
		found += fmt.Sprintf("; untagged %s", percent(share(n.Untagged, all)))
	}
	return number("vlans", OK, float64(len(n.VLANs)), "count", found), true
}

func tunnelsSeen(f *Facts) (Finding, bool) {
	n := &f.Frames
	if len(n.Tunnels) == 0 || len(n.Tunnels) == 1 && share(n.Tunnels[0].Frames, n.All-n.Own) >= tunnelled {
		return Finding{}, false // none, or remoteMirror has said it
	}
	return number("tunnels", OK, float64(len(n.Tunnels)), "count", list(n.Tunnels, func(t TunnelCount) string {
		return fmt.Sprintf("%s (%s of frames)", t.Kind, percent(share(t.Frames, n.All-n.Own)))
	})), true
}

// list names the first few.
func list[T any](xs []T, name func(T) string) string {
	var b strings.Builder
	for i, x := range xs {
		if i == listed {
			fmt.Fprintf(&b, " and %d more", len(xs)-listed)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name(x))
	}
	return b.String()
}
