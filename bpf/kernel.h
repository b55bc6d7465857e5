/* What the programs need of the kernel's interface (uapi/linux/bpf.h, in_ether
 so that no kernel headers are needed to build them.
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

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9 };
enum { BPF_HDR_START_MAC = 0, BPF_HDR_START_NET = 1 };

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_skb_load_bytes)(const void *skb, __u32 offset, void *to, __u32 len) = (void *)26;
static long (*bpf_skb_load_bytes_relative)(const void *skb, __u32 offset, void *to, __u32 len, __u32 start) = (void *)68;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define INLINE static __attribute__((always_inline)) inline

/* Network order, for little-endian machines. */
#define HTONS(x) ((__u16)((x) >> 8 & 0xff | ((x) & 0xff) << 8))
INLINE __u32 ntohs(__u16 x) { return __builtin_bswap16(x); }
INLINE __u32 ntohl(__u32 x) { return __builtin_bswap32(x); }
INLINE __u64 ntohll(__u64 x) { return __builtin_bswap64(x); }
INLINE __u32 smaller(__u32 a, __u32 b) { return a < b ? a : b; }

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_VLAN = 0x8100,
	ETHER_IPV6 = 0x86dd,
	ETHER_PPP = 0x880b,
	ETHER_MPLS = 0x8847,
	ETHER_MPLS_MULTI = 0x8848,
	ETHER_PPPOE = 0x8864,
	ETHER_QINQ = 0x88a8,
	ETHER_OLD_QINQ = 0x9100,
};

/* Headers as they are on the wire, numbers in network order. */
struct ipv4 {
	__u8 version; /* and the header's length in words */
	__u8 tos;
	__u16 total;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 proto;
	__u16 sum;
	__u32 src, dst;
};

struct ipv6 {
	__u8 version; /* and half of the traffic class */
	__u8 flow[3];
	__u16 payload;
	__u8 next;
	__u8 hops;
	__u64 src[2], dst[2];
};
