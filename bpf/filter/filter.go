// Package filter compiles the text of a pcap-filter(7) expression, as given to
// tcpdump, to a classic BPF program: `tcp port 80 and not net 10.0.0.0/8`.
//
// It owns the language (lexer, parser, meaning of each primitive per link
// type), the code generator and a small interpreter for capture files. It
// resolves no names, opens no socket and knows nothing of the sensor: it
// imports the standard library and golang.org/x/net/bpf only.
//
// A text passes through five forms, one file each:
//
//	lex.go      characters -> tokens
//	parse.go    tokens -> syntax tree (ast.go)
//	generate.go syntax tree -> tree of tests on packet bytes (predicate.go, link.go, arith.go)
//	graph.go    tree of tests -> graph of compare-and-branch blocks (optimize.go drops tests already decided)
//	emit.go     graph -> instructions with relative jumps
//
// Meaning follows libpcap 1.10, checked against tcpdump by the tests. The
// differences are deliberate:
//
//   - `%` and `^` bind as in C; libpcap gives them no precedence of their own.
//   - On BSD loopback (NULL, LOOP) IPv6 is any of the systems' AF_INET6 values
//     (10, 24, 28, 30) and NULL is read in either byte order.
//   - A relation checks the protocol of every accessor in it; libpcap forgets
//     that of the right operand of + - * / and the like.
//   - Port names come from a built-in table; host and network names, `gateway`,
//     `protochain`, `ip broadcast` and some historic protocols are refused.
//
// As in libpcap, reading a byte past the end of a packet rejects the packet,
// also inside `not`, unless the outcome is decided before. (libpcap's optimizer
// also drops reads whose outcome decides nothing, as in `tcp or not tcp`; here
// they are kept, so packets cut short may be rejected there that tcpdump
// accepts. tcpdump -O agrees.) And `vlan`, `mpls` and `pppoes` move the offsets of
// everything written after them, whatever parentheses or `or` stand between.
package filter

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Limits on one expression; exceeding one is an error, never a panic.
const (
	maxText         = 64 << 10 // bytes of expression text
	maxNesting      = 64       // parentheses, brackets and negations inside each other
	maxBlocks       = 1 << 13  // comparisons before optimization
	maxInstructions = 4096     // BPF_MAXINSNS, linux/bpf_common.h
)

// acceptBytes is how much of a matching packet a program keeps: more than any
// frame, and what tcpdump uses by default.
const acceptBytes = 262144

// Link types a program can be compiled for, as numbered in the header of a
// pcap file (LINKTYPE_*) or by libpcap (DLT_*).
const (
	LinkNull     uint16 = 0   // BSD loopback, address family in the capturing host's byte order
	LinkEthernet uint16 = 1   // IEEE 802.3
	linkRawBSD   uint16 = 12  // raw IP, DLT_RAW on most systems
	linkRawOBSD  uint16 = 14  // raw IP, DLT_RAW on OpenBSD
	LinkRaw      uint16 = 101 // raw IPv4 or IPv6
	LinkLoop     uint16 = 108 // OpenBSD loopback, address family in network byte order
	LinkSLL      uint16 = 113 // Linux cooked capture v1
	LinkIPv4     uint16 = 228 // raw IPv4
	LinkIPv6     uint16 = 229 // raw IPv6
	LinkSLL2     uint16 = 276 // Linux cooked capture v2
)

// Error is what is wrong with an expression and where.
type Error struct {
	Col int    // 1-based column, in characters
	Msg string // one line, with a hint where there is one
}

func (e *Error) Error() string { return fmt.Sprintf("filter: col %d: %s", e.Col, e.Msg) }

// Program is a compiled expression, immutable and safe for concurrent use.
// The zero value is not a program: use Compile.
type Program struct {
	ins []bpf.Instruction
}

// Compile translates expr for packets as they stand in a capture file of the
// given link type, VLAN tags in place. An empty expression accepts every
// packet. A returned error is an *Error, except for an unknown link type.
func Compile(expr string, link uint16) (Program, error) {
	return compile(expr, link, tagInFrame)
}

// CompileLive translates expr for an AF_PACKET socket. Linux takes the outer
// 802.1Q or 802.1ad tag out of a received frame and keeps it beside, so here
// the first `vlan` of the expression asks the kernel (SKF_AD_VLAN_TAG_PRESENT,
// SKF_AD_VLAN_TAG) and moves no offsets; later ones read the frame. An outer
// tag the kernel does not strip (TPID 0x9100) is not seen by that first `vlan`.
// `inbound` and `outbound` also become available, from SKF_AD_PKTTYPE.
//
// The kernel charges 8 bytes an instruction to net.core.optmem_max, which may
// refuse (ENOMEM) a program that is within BPF_MAXINSNS.
func CompileLive(expr string, link uint16) (Program, error) {
	return compile(expr, link, tagBeside)
}

func compile(expr string, link uint16, tag tagPlace) (Program, error) {
	layer, err := newLayer(link, tag)
	if err != nil {
		return Program{}, err
	}
	if len(expr) > maxText {
		return Program{}, &Error{Col: 1, Msg: fmt.Sprintf("expression of %d bytes; at most %d are allowed", len(expr), maxText)}
	}
	tree, err := parse(expr)
	if err != nil {
		return Program{}, err
	}
	pred := predicate{op: opTrue}
	if tree != nil {
		g := generator{layer: layer, text: expr}
		if pred, err = g.node(tree); err != nil {
			return Program{}, err
		}
	}
	gr, err := newGraph(pred)
	if err != nil {
		return Program{}, err
	}
	gr.optimize()
	ins := gr.emit()
	if len(ins) > maxInstructions {
		return Program{}, &Error{Col: 1, Msg: fmt.Sprintf("expression needs %d instructions; the kernel takes at most %d: use fewer terms, for example net instead of many host", len(ins), maxInstructions)}
	}
	return Program{ins: ins}, nil
}

// Instructions returns a copy of the program, for bpf.NewVM or for printing.
func (p Program) Instructions() []bpf.Instruction {
	return append([]bpf.Instruction(nil), p.ins...)
}

// Raw returns the program as the kernel takes it (SO_ATTACH_FILTER). A matching
// packet returns acceptBytes (262,144), any other 0.
func (p Program) Raw() ([]bpf.RawInstruction, error) {
	if len(p.ins) == 0 {
		return nil, fmt.Errorf("assemble filter: empty program; make one with Compile")
	}
	raw, err := bpf.Assemble(p.ins)
	if err != nil {
		return nil, fmt.Errorf("assemble filter: %w", err)
	}
	return raw, nil
}

// MatchesNothing reports that no packet of this link type can match, such as
// `arp` on raw IP: worth a warning to whoever wrote the expression. False does
// not promise that some packet matches.
func (p Program) MatchesNothing() bool {
	return len(p.ins) == 1 && p.ins[0] == bpf.RetConstant{Val: 0}
}
