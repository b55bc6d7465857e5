package doctor

// advice says what a finding means for detection and how to mend it. Port names
// are examples: port 1 leads to the router, port 24 to this machine. IFACE is
// the interface of this machine.
func advice(id string) (means string, mend []string) {
	switch id {
	case "nothing-seen", "no-mirror":
		return "Nothing can be detected: this port gets no copy of other hosts' traffic.", mirrorBoth()
	case "one-way":
		return "Half of every such conversation is missing: no answers or no requests. Detectors that need both stay silent, and file and name extraction fails.",
			append(mirrorBoth(), "If the two directions take different links (port channel, two uplinks), mirror all of them.")
	case "missed":
		return "Holes in streams hide requests, names and downloads; a decoder loses what follows a hole. Flow-based detection (scans, beacons) still works.",
			[]string{"The switch drops copies when the mirrored ports carry more than the mirror port: mirror fewer ports, or use a faster mirror port.",
				"Cisco IOS: show interfaces Gi1/0/24 counters errors; ArubaOS-CX: show interface 1/1/24; Junos: show interfaces ge-0/0/24 extensive (drops, output queue).",
				"If kernel-drops or nic-drops is reported as well, mend that first."}
	case "networks-unseen":
		return "Nothing can be detected in networks whose traffic never comes by.",
			[]string{"Add the ports or VLANs of these networks to the mirror's sources, or put a mirror where they are routed:",
				"Cisco IOS: monitor session 1 source vlan 10 , 20 both",
				"ArubaOS-CX: mirror session 1; source vlan 10 both",
				"Junos: set forwarding-options analyzer KAGAMI input ingress vlan v10",
				"If a network is merely quiet, watch for longer (--for 10m); if it no longer exists, take it out of network.zones."}
	case "one-host":
		return "Only one host is watched; movement between the other hosts cannot be seen.",
			[]string{"Mirror the uplink or the VLAN instead of that host's port.", "On a host's own capture, or behind a NAT router, this is as it must be."}
	case "unreadable":
		return "Frames that are not understood are not decoded.",
			[]string{"If the switch adds a header of its own to copies (timestamps, DSA tags, a vendor's encapsulation), turn that off on the mirror port.",
				"If the frames are encrypted (MACsec, IPsec), mirror a place where they are not."}
	case "snap-length":
		return "Requests, names and files beyond the cut are lost; flows are complete.",
			[]string{"Live: set capture.snaplen = 65535. For files: capture whole frames (tcpdump -s 0)."}
	case "mirror-truncation":
		return "The copies arrive shortened, and nothing on this machine can bring the rest back: contents are lost, streams have holes.",
			[]string{"Take the truncation out of the mirror session. Cisco NX-OS: no mtu under monitor session; Arista: no monitor session KAGAMI truncate.",
				"With ERSPAN or another remote mirror: let the path carry frames 50 octets longer (jumbo frames)."}
	case "merged":
		return "The frames are not those on the wire: packet counts, sizes and times are wrong, copies and retransmissions harder to tell, and kept packets are no evidence of what was sent.",
			[]string{"ethtool -K IFACE gro off lro off tso off gso off   (kagami run does so by itself, capture.offload_off = true)",
				"Some cards need: ethtool -K IFACE rx-gro-hw off",
				"If the file was captured on one of the hosts themselves, that is why: capture at a mirror port."}
	case "duplicates":
		return "Copies are recognised and not counted twice, but they take up the mirror port's bandwidth, and what exceeds it is dropped by the switch.",
			[]string{"Mirror each packet in one place: either the received frames of all ports, or both directions of the uplink alone.",
				"Cisco IOS: monitor session 1 source interface Gi1/0/1 - 23 rx   (or source vlan 10 rx)",
				"ArubaOS-CX: mirror session 1; source interface 1/1/1 rx. ArubaOS-Switch: interface 1-23 monitor all in mirror 1",
				"Junos: keep only input ingress in the analyzer; on EX9200 also: set forwarding-options port-mirroring mirror-once"}
	case "reordered":
		return "Streams are put in order again, at the price of delay; a response that overtakes its request may be assigned late.",
			[]string{"One receive queue keeps the order of both directions: ethtool -L IFACE combined 1",
				"If more queues are needed, make their hash symmetric: ethtool -X IFACE hfunc toeplitz hkey with a repeating 6d:5a key.",
				"Two mirror sessions onto two ports of a bond do this too: use one port, or an aggregating tap."}
	}
	return machineAdvice(id)
}

func machineAdvice(id string) (means string, mend []string) {
	switch id {
	case "kernel-drops":
		return "This machine was too slow or its ring too small: what was dropped cannot be detected.",
			[]string{"Raise capture.ring_mib, and capture.workers up to the number of processors.",
				"Leave out bulk traffic, for example: kagami run 'not port 3260'"}
	case "nic-drops":
		return "The card lost frames before the kernel saw them.",
			[]string{"ethtool -G IFACE rx 4096   (the largest value: ethtool -g IFACE)", "ethtool -A IFACE rx off tx off   (pause frames have no place on a mirror port)"}
	case "nic-errors":
		return "Damaged frames are dropped by the card; they show as holes in streams.",
			[]string{"Change the cable or transceiver; check speed and duplex on both sides (ethtool IFACE)."}
	case "rx-dropped":
		return "Either frames that no program wanted (harmless), or frames for which there was no room; kernel-drops and missed tell which.",
			[]string{"If kernel-drops or missed is reported too: sysctl net.core.netdev_max_backlog=10000"}
	case "clock-step":
		return "Flows under way are cut in two at the step; times before and after do not fit together, nor do periods that beacon detection measures.",
			[]string{"Let chrony or systemd-timesyncd slew the clock instead of stepping it (chrony: makestep 1 3).",
				"With several files: name them in the order of their times, and only files of one capture."}
	case "clock-unsynchronised":
		return "Times drift away from those in other logs.",
			[]string{"Install and enable chrony or systemd-timesyncd; timedatectl shows the state."}
	case "clock-offset":
		return "Times do not match those in the logs of firewalls, proxies and servers.",
			[]string{"Set the clock of the capturing machine by NTP; if it is right, a time server of the network is wrong."}
	case "remote-mirror":
		return "The inner frames are decoded. Copies that the network loses on the way show as missed.", nil
	}
	return "", nil
}

// mirrorBoth is how a mirror port is made.
func mirrorBoth() []string {
	return []string{
		"Cisco IOS: monitor session 1 source interface Gi1/0/1 both; monitor session 1 destination interface Gi1/0/24",
		"ArubaOS-CX: mirror session 1; source interface 1/1/1 both; destination interface 1/1/24; enable",
		"HPE ArubaOS-Switch: mirror 1 port 24; interface 1 monitor all both mirror 1",
		"Junos: set forwarding-options analyzer KAGAMI input ingress interface ge-0/0/1.0, the same with egress, and output interface ge-0/0/24.0",
	}
}
