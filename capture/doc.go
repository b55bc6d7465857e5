// Package capture turns a capture file or a live interface into a
// sensor.Source. It owns the reading of pcap and pcapng files and of AF_PACKET
// TPACKET_V3 rings, and knows nothing of what the frames mean.
//
// It imports packet and sensor only, never another adapter. Filters come in
// ready-made: a Matcher for files, BPF instructions for the kernel for rings.
package capture
