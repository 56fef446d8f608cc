/* Leads the datagrams of many ports to few sockets: one for each thread of the relay.
 *
 * Attached where the kernel looks for the socket of a datagram (sk_lookup). Ports that the relay did
 * not name, and datagrams to other addresses, are looked up as if this program were not there. */
#include "kernel.h"

enum { MAP_SOCKMAP = 15 };
enum { LOOK_ON = 1 };
enum { INET = 2, UDP = 17 };

struct bpf_sk_lookup {
    u64 socket;
    u32 family;
    u32 protocol;
    u32 remote_ip4;
    u32 remote_ip6[4];
    u16 remote_port;
    u16 zero;
    u32 local_ip4;
    u32 local_ip6[4];
    u32 local_port; /* in host order */
    u32 ingress_ifindex;
};

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*release)(void *socket) = (void *)86;
static long (*assign)(struct bpf_sk_lookup *context, void *socket, u64 flags) = (void *)124;

/* Shared memory: whoever relays points a port by a store.
 * By port: the number of its socket and 1, or 0. No datagram has port 0: its place holds the address
 * that the ports belong to, in network order, or 0 for all. */
struct {
    UINT(type, MAP_ARRAY);
    UINT(max_entries, 65536);
    UINT(map_flags, MAP_MMAPABLE);
    TYPE(key, u32);
    TYPE(value, u64);
} ports SECTION(".maps");

struct {
    UINT(type, MAP_SOCKMAP);
    UINT(max_entries, 256);
    TYPE(key, u32);
    TYPE(value, u32);
} sockets SECTION(".maps");

SECTION("sk_lookup") int strowger_steer(struct bpf_sk_lookup *context)
{
    u32 port = context->local_port;
    u32 none = 0;
    u32 number;
    u64 *place, *address;
    void *socket;

    if (context->family != INET || context->protocol != UDP || !port)
        return LOOK_ON;
    place = lookup(&ports, &port);
    address = lookup(&ports, &none);
    if (!place || !*place || !address || (*address && *address != context->local_ip4))
        return LOOK_ON;
    number = *place - 1;
    socket = lookup(&sockets, &number);
    if (!socket)
        return LOOK_ON;
    assign(context, socket, 0);
    release(socket);
    return LOOK_ON;
}

SECTION("license") char licence[] = "Dual MIT/GPL";
