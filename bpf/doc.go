// Package bpf holds the programs that run in the kernel, and loads them: Shunt
// counts and drops packets of flows that nobody reads any more, Fanout spreads
// packets over rings. Either is an addition: without the right or the kernel for
// it, the sensor works and says the same, at more cost.
//
// The programs are in C (shunt.c, fanout.c over kernel.h) and come with their
// compiled form, so that building needs no clang; TestGenerated compares the two
// where the pinned one is installed. They read no kernel structures, hence one
// little-endian object serves amd64, arm64 and arm, from Linux 5.4 on.
//
// Capture filters are classic BPF, of which a socket takes one or an eBPF
// program, not both: translate turns them into eBPF in front of the shunt.
//
// It imports packet and sensor, for the types of its API, and no adapter.
//
// XDP and AF_XDP are not used: the shunt takes 91 % of the reader's CPU time off
// a bulk flow, and what XDP could spare beyond that is the kernel's own receive
// path, only with a driver that has native XDP. AF_XDP gives no VLAN metadata,
// and on drivers without zero copy it is the same copy.
package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror" shunt shunt.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror" fanout fanout.c
