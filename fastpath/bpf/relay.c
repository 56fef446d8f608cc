/* Forwards the packets of latched streams in the kernel, at XDP or at tc.
 *
 * A packet is forwarded only if user space said so for its local address and port, if it comes
 * from the latched peer, and if there is nothing about it that user space has to see. Everything
 * else goes up the stack to the relay's sockets as if this program were not there: RTCP, unknown
 * payload types and SSRCs, jumps in the numbering, fragments, options, VLAN tags, strangers.
 *
 * Layouts are shared with src/layout.rs. Addresses, ports and SSRCs are in network order; numbers
 * and times that are computed with are in host order. */
#include "kernel.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#define swap16(value) (value)
#define swap32(value) (value)
#else
#define swap16(value) __builtin_bswap16(value)
#define swap32(value) __builtin_bswap32(value)
#endif

/* How many streams there may be at most; the loader sets what the port range allows. */
#define FLOWS_MAX 32768
#define PAYLOADS 4

enum {
    FLOW_RTP = 1, /* otherwise any datagram, passed on as it is */
    FLOW_XDP = 2, /* the way out can be taken from XDP */
    FLOW_TC = 4,  /* ... from tc */
    FLOW_PEER = 8, /* it is a veth whose other end is in another network namespace */
};

/* RFC 3550 A.1: a jump ahead of fewer packets is loss, a packet that is fewer behind is late. */
#define DROPOUT_MAX 3000
#define MISORDER_MAX 100
/* The longest UDP datagram that is summed up. */
#define PACKET_MAX 1508
/* DSCP EF, like the relay's sockets. */
#define TOS_MEDIA (46 << 2)
#define TTL 64

struct key {
    u32 address;
    u16 port;
    u16 zero;
};

struct flow {
    u64 idle_ns; /* a stream that was silent for longer has expired */
    u32 peer;
    u32 from;
    u32 to;
    u16 peer_port;
    u16 from_port;
    u16 to_port;
    u16 flags;
    u32 ifindex;
    u8 to_mac[6];
    u8 from_mac[6];
    u32 ssrc;
    u32 sent_ssrc;
    u32 time_delta;
    u32 ticks_q32; /* ticks of the media clock in a nanosecond, times 2^32 */
    u32 record;
    u16 sequence_delta;
    u8 payloads[PAYLOADS]; /* as they come; 0xff is none */
    u8 sent[PAYLOADS];     /* as they go */
    u16 zero;
    u32 zero_too;
};
_Static_assert(sizeof(struct flow) == 80, "src/layout.rs");

/* What the kernel counted of a stream; user space maps these into its memory. */
struct record {
    u64 packets;
    u64 bytes;
    u64 last_ns;
    u32 highest; /* extended sequence number */
    u32 last_time;
    u32 jitter; /* 16 times the jitter in ticks */
    u32 late;
    u32 repeated;
    u32 zero;
    u64 time_ns; /* when the packet of last_time came; 0 if that is not known */
    u64 zero_too;
};
_Static_assert(sizeof(struct record) == 64, "src/layout.rs");

struct {
    UINT(type, MAP_HASH);
    UINT(max_entries, FLOWS_MAX);
    TYPE(key, struct key);
    TYPE(value, struct flow);
} flows SECTION(".maps");

struct {
    UINT(type, MAP_ARRAY);
    UINT(max_entries, FLOWS_MAX);
    UINT(map_flags, MAP_MMAPABLE);
    TYPE(key, u32);
    TYPE(value, struct record);
} records SECTION(".maps");

struct headers {
    struct ethernet *ethernet;
    struct ipv4 *ip;
    struct udp *udp;
    struct rtp *rtp;
};

/* What is decided about a packet before it is touched. */
struct decision {
    struct flow *flow;
    u32 head;
    u32 time;
    u32 ssrc;
    /* one's complement differences for the UDP checksum */
    u64 pseudo;
    u64 rest;
};

INLINE u32 fold32(u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (u32)((sum & 0xffffffff) + (sum >> 32));
}

INLINE u16 fold16(u64 sum)
{
    sum = fold32(sum);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)((sum & 0xffff) + (sum >> 16));
}

INLINE u64 change(u32 before, u32 after)
{
    return (u64)(u32)~before + after;
}

/* Finds the headers of a plain IPv4 UDP packet with room for an RTP header. */
INLINE int find(void *data, void *end, struct headers *found)
{
    struct ethernet *ethernet = data;
    struct ipv4 *ip = (void *)(ethernet + 1);
    struct udp *udp = (void *)(ip + 1);
    struct rtp *rtp = (void *)(udp + 1);

    if ((void *)(rtp + 1) > end)
        return 0;
    if (ethernet->protocol != swap16(0x0800) || ip->version_length != 0x45 || ip->protocol != 17)
        return 0;
    if (ip->fragment & swap16(0x3fff))
        return 0;
    found->ethernet = ethernet;
    found->ip = ip;
    found->udp = udp;
    found->rtp = rtp;
    return 1;
}

/* True for an RTP packet whose CSRC list and extension lie inside it. Padding is left to user
 * space. */
INLINE int is_sound(struct rtp *rtp, u32 length, void *end)
{
    u8 first = *(u8 *)rtp;
    u32 needed = sizeof(*rtp) + (first & 0x0f) * 4;

    if ((first & 0xe0) != 0x80)
        return 0;
    if (first & 0x10) {
        u16 *extension = (void *)rtp + needed;
        if ((void *)(extension + 2) > end)
            return 0;
        needed += 4 + swap16(extension[1]) * 4;
    }
    return needed <= length;
}

/* Counts as RFC 3550 A.1 and A.8 say; false for a jump, which user space shall judge. */
INLINE int count(struct flow *flow, struct record *record, u16 sequence, u32 time, u64 now)
{
    u32 highest = record->highest;
    u16 ahead = sequence - (u16)highest;

    if (ahead == 0) {
        __sync_fetch_and_add(&record->repeated, 1);
    } else if (ahead < DROPOUT_MAX) {
        /* from the packet that the timestamp is compared with, whatever has come since */
        u64 since = now - record->time_ns;
        record->highest = highest + ahead;
        if (record->time_ns && time != record->last_time && since < 0xffffffff) {
            u32 ticks = (u32)((since * flow->ticks_q32) >> 32);
            int difference = (int)(ticks - (time - record->last_time));
            u32 jitter = record->jitter;
            if (difference < 0)
                difference = -difference;
            /* a step of more than some minutes is a clock change */
            if ((u32)difference < 1 << 23)
                record->jitter = jitter + difference - ((jitter + 8) >> 4);
        }
        /* a timestamp that is repeated says when the first of its packets was sent */
        if (!record->time_ns || time != record->last_time)
            record->time_ns = now;
        record->last_time = time;
    } else if (ahead > 0xffff - MISORDER_MAX) {
        __sync_fetch_and_add(&record->late, 1);
    } else {
        return 0;
    }
    return 1;
}

/* Decides whether the packet is forwarded here, and counts it if so. */
INLINE int decide(struct headers *at, void *end, u16 hook, struct decision *decision)
{
    struct ipv4 *ip = at->ip;
    struct udp *udp = at->udp;
    struct rtp *rtp = at->rtp;
    struct key key = { .address = ip->to, .port = udp->to };
    struct flow *flow = map_lookup(&flows, &key);
    struct record *record;
    u32 index, length;
    u64 now;

    if (!flow || flow->peer != ip->from || flow->peer_port != udp->from || !(flow->flags & hook))
        return 0;
    length = swap16(udp->length);
    if (length < sizeof(*udp) + sizeof(*rtp) || swap16(ip->total_length) != length + sizeof(*ip))
        return 0;
    length -= sizeof(*udp);
    if ((void *)rtp + length > end)
        return 0;
    decision->flow = flow;
    decision->pseudo = change(ip->from, flow->from) + change(ip->to, flow->to);
    decision->rest = change(*(u32 *)udp, flow->from_port | (u32)flow->to_port << 16);
    index = flow->record;
    record = map_lookup(&records, &index);
    if (!record)
        return 0;
    now = ktime_ns();
    if (now - record->last_ns > flow->idle_ns)
        return 0;
    if (flow->flags & FLOW_RTP) {
        u32 head = swap32(rtp->head);
        u8 payload = (head >> 16) & 0x7f;
        u8 sent;
        u32 time = swap32(rtp->time);

        if (rtp->ssrc != flow->ssrc || !is_sound(rtp, length, end))
            return 0;
        if (payload == flow->payloads[0])
            sent = flow->sent[0];
        else if (payload == flow->payloads[1])
            sent = flow->sent[1];
        else if (payload == flow->payloads[2])
            sent = flow->sent[2];
        else if (payload == flow->payloads[3])
            sent = flow->sent[3];
        else
            return 0;
        if (!count(flow, record, (u16)head, time, now))
            return 0;
        head = (head & 0xff800000) | (u32)sent << 16 | (u16)(head + flow->sequence_delta);
        decision->head = swap32(head);
        decision->time = swap32(time + flow->time_delta);
        decision->ssrc = flow->sent_ssrc;
        decision->rest += change(rtp->head, decision->head) + change(rtp->time, decision->time) +
                          change(rtp->ssrc, decision->ssrc);
    } else {
        decision->head = rtp->head;
        decision->time = rtp->time;
        decision->ssrc = rtp->ssrc;
    }
    record->last_ns = now;
    __sync_fetch_and_add(&record->packets, 1);
    __sync_fetch_and_add(&record->bytes, length);
    return 1;
}

/* Writes everything but the UDP checksum. */
INLINE void rewrite(struct headers *at, struct decision *decision)
{
    struct flow *flow = decision->flow;
    struct ipv4 *ip = at->ip;
    u32 *words = (void *)ip;

    __builtin_memcpy(at->ethernet->to, flow->to_mac, 6);
    __builtin_memcpy(at->ethernet->from, flow->from_mac, 6);
    ip->tos = TOS_MEDIA | (ip->tos & 3);
    ip->ttl = TTL;
    ip->from = flow->from;
    ip->to = flow->to;
    ip->checksum = 0;
    ip->checksum =
        ~fold16((u64)words[0] + words[1] + words[2] + (u64)words[3] + words[4]);
    at->udp->from = flow->from_port;
    at->udp->to = flow->to_port;
    at->rtp->head = decision->head;
    at->rtp->time = decision->time;
    at->rtp->ssrc = decision->ssrc;
}

/* True for the checksum of a local sender that leaves it to its device: the sum of the pseudo
 * header alone. XDP cannot know that the rest is missing. */
INLINE int is_partial(struct ipv4 *ip, struct udp *udp)
{
    u64 sum = (u64)ip->from + ip->to + udp->length + swap16(17);
    return udp->checksum == fold16(sum);
}

/* One packet in 65,536 looks like that although its checksum is whole: those are summed up. */
INLINE int is_whole(struct ipv4 *ip, struct udp *udp, void *end)
{
    u32 length = swap16(udp->length);
    u64 sum = (u64)ip->from + ip->to + udp->length + swap16(17);
    u16 *at = (void *)udp;

    for (u32 word = 0; word < PACKET_MAX / 2; word++) {
        if (length < 2)
            break;
        /* the verifier wants to see this very pointer compared, not a count of what is left */
        __asm__ volatile("" : "+r"(at));
        if ((void *)(at + 1) > end)
            return 0;
        sum += *at;
        at++;
        length -= 2;
    }
    if (length > 1)
        return 0;
    if (length) {
        if ((void *)at + 1 > end)
            return 0;
        sum += swap16(*(u8 *)at << 8);
    }
    return fold16(sum) == 0xffff;
}

SECTION("xdp") int strowger_xdp(struct xdp_md *context)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct headers at;
    struct decision decision;
    u16 checksum;

    if (!find(data, end, &at))
        return XDP_PASS;
    checksum = at.udp->checksum;
    if (checksum && is_partial(at.ip, at.udp) && !is_whole(at.ip, at.udp, end))
        return XDP_PASS;
    if (!decide(&at, end, FLOW_XDP, &decision))
        return XDP_PASS;
    rewrite(&at, &decision);
    if (checksum) {
        u64 difference = (u64)fold32(decision.pseudo) + fold32(decision.rest);
        checksum = ~fold16((u64)(u16)~checksum + difference);
        at.udp->checksum = checksum ? checksum : 0xffff;
    }
    if (decision.flow->ifindex == context->ingress_ifindex)
        return XDP_TX;
    return redirect(decision.flow->ifindex, 0);
}

SECTION("classifier") int strowger_tc(struct __sk_buff *skb)
{
    const u32 needed = sizeof(struct ethernet) + sizeof(struct ipv4) + sizeof(struct udp) +
                       sizeof(struct rtp);
    const u32 checksum_at = sizeof(struct ethernet) + sizeof(struct ipv4) + 6;
    struct headers at;
    struct decision decision;

    /* A tagged frame belongs to the VLAN's own device. */
    if (skb->vlan_present || skb->len < needed)
        return TC_NEXT;
    if ((void *)(long)skb->data + needed > (void *)(long)skb->data_end &&
        skb_pull_data(skb, skb->len))
        return TC_NEXT;
    if (!find((void *)(long)skb->data, (void *)(long)skb->data_end, &at))
        return TC_NEXT;
    if (!decide(&at, (void *)(long)skb->data_end, FLOW_TC, &decision))
        return TC_NEXT;
    rewrite(&at, &decision);
    /* These see only the checksum; what it sums up has changed by so much. */
    l4_csum_replace(skb, checksum_at, 0, fold32(decision.pseudo),
                    CSUM_PSEUDO_HEADER | CSUM_KEEP_ZERO);
    l4_csum_replace(skb, checksum_at, 0, fold32(decision.rest), CSUM_KEEP_ZERO);
    /* The other end has it at once, without a device's queue and another softirq between. */
    if (decision.flow->flags & FLOW_PEER)
        return redirect_peer(decision.flow->ifindex, 0);
    return redirect(decision.flow->ifindex, 0);
}

SECTION("license") char licence[] = "Dual MIT/GPL";
