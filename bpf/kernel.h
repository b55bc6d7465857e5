/* What the programs need of the kernel's interface (uapi/linux/bpf.h, in_ether
 * numbers), written out so that no kernel headers are needed to build them.
 * Only little-endian machines are built for, see doc.go. */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

/* The start of struct __sk_buff: the context of a socket filter. */
struct __sk_buff {
	__u32 len;
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex;
	__u32 ifindex;
	__u32 tc_index;
	__u32 cb[5];
};

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_LRU_HASH = 9 };
enum { BPF_HDR_START_MAC = 0, BPF_HDR_START_NET = 1 };

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_skb_load_bytes)(const void *skb, __u32 offset, void *to, __u32 len) = (void *)26;
static long (*bpf_skb_load_bytes_relative)(const void *skb, __u32 offset, void *to, __u32 len, __u32 start) = (void *)68;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define INLINE static __attribute__((always_inline)) inline

/* Octets of a header to a number. */
INLINE __u32 be16(const __u8 *p) { return (__u32)p[0] << 8 | p[1]; }
INLINE __u32 be32(const __u8 *p) { return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3]; }
INLINE __u32 smaller(__u32 a, __u32 b) { return a < b ? a : b; }

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_VLAN = 0x8100,
	ETHER_IPV6 = 0x86dd,
	ETHER_QINQ = 0x88a8,
	ETHER_OLD_QINQ = 0x9100,
};

INLINE int is_vlan(__u32 proto) { return proto == ETHER_VLAN || proto == ETHER_QINQ || proto == ETHER_OLD_QINQ; }
