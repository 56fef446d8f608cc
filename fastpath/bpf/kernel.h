/* The little of the kernel's interface that the programs need, so that clang alone can build it: no
 * kernel headers, no libbpf. Numbers and layouts are those of include/uapi/linux/bpf.h, which the
 * kernel never changes. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* Map definitions by BTF: the loader reads the types. */
#define UINT(name, value) int(*name)[value]
#define TYPE(name, value) typeof(value) *name

enum { MAP_HASH = 1, MAP_ARRAY = 2 };
enum { MAP_MMAPABLE = 1 << 10 };
enum { XDP_PASS = 2, XDP_TX = 3 };
/* Not ours: the next program, then the stack. */
enum { TC_NEXT = -1 };
enum { CSUM_PSEUDO_HEADER = 1 << 4, CSUM_KEEP_ZERO = 1 << 5 };

struct xdp_md {
    u32 data;
    u32 data_end;
    u32 data_meta;
    u32 ingress_ifindex;
    u32 rx_queue_index;
    u32 egress_ifindex;
};

struct __sk_buff {
    u32 len;
    u32 pkt_type;
    u32 mark;
    u32 queue_mapping;
    u32 protocol;
    u32 vlan_present;
    u32 vlan_tci;
    u32 vlan_proto;
    u32 priority;
    u32 ingress_ifindex;
    u32 ifindex;
    u32 tc_index;
    u32 cb[5];
    u32 hash;
    u32 tc_classid;
    u32 data;
    u32 data_end;
};

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*ktime_ns)(void) = (void *)5;
static long (*l4_csum_replace)(struct __sk_buff *skb, u32 offset, u64 from, u64 to,
                               u64 flags) = (void *)11;
static long (*redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*skb_pull_data)(struct __sk_buff *skb, u32 len) = (void *)39;
static long (*redirect_peer)(u32 ifindex, u64 flags) = (void *)155;

struct ethernet {
    u8 to[6];
    u8 from[6];
    u16 protocol;
};

struct ipv4 {
    u8 version_length;
    u8 tos;
    u16 total_length;
    u16 id;
    u16 fragment;
    u8 ttl;
    u8 protocol;
    u16 checksum;
    u32 from;
    u32 to;
};

struct udp {
    u16 from;
    u16 to;
    u16 length;
    u16 checksum;
};

/* The fixed header, word by word. */
struct rtp {
    u32 head;
    u32 time;
    u32 ssrc;
};
