/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts about a namespace and about the files a process resolves names with.
 * The loader collects them (netns/facts.c), the collector reasons about them
 * (dns/). Flat and bounded, so that one travels over the socketpair as it is.
 * Every string is untrusted bytes, NUL-terminated.
 */
#ifndef NSWATCH_DNS_FACTS_H
#define NSWATCH_DNS_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"
#include "util/ipaddr.h"

#define RESOLV_MAX_SERVERS  8 /* more are counted, not kept; libc uses 3 */
#define RESOLV_MAX_SEARCH   6
#define RESOLV_NAME_LEN	    256
#define RESOLV_PATH_LEN	    256
#define RESOLV_MAX_IGNORED  8
#define FACTS_MAX_LISTENERS 64
#define FACTS_MAX_SERVICES  16

enum resolv_ignored { RESOLV_TOO_MANY, RESOLV_NO_ADDRESS, RESOLV_INDENTED };

/* A resolv.conf(5), parsed. Line numbers are 1-based. */
struct resolv_conf {
	uint32_t nr_servers;	   /* kept below */
	uint32_t nr_servers_total; /* valid nameserver lines in the file */
	uint32_t nr_ignored;	   /* lines that name a server and that libc ignores */
	struct {
		uint32_t line;
		uint32_t why;	       /* enum resolv_ignored */
	} ignored[RESOLV_MAX_IGNORED]; /* the first of them */
	struct {
		struct ipaddr addr;
		uint32_t line;
	} servers[RESOLV_MAX_SERVERS];
	uint32_t nr_search;
	char search[RESOLV_MAX_SEARCH][RESOLV_NAME_LEN];
	uint32_t ndots, timeout, attempts; /* defaults 1, 5, 2 */
	bool rotate, single_request, single_request_reopen, use_vc, edns0, trust_ad;
	/* Docker writes the upstreams behind its embedded resolver as a comment:
	 * "# ExtServers: [host(127.0.0.53) 1.1.1.1]" */
	bool has_ext_servers;
	uint32_t nr_ext;
	struct {
		struct ipaddr addr;
		bool via_host; /* host(...): asked from the host's namespace */
	} ext[RESOLV_MAX_SERVERS];
};

/* Where the file was found, strongest evidence first. */
enum resolv_source {
	RESOLV_NONE,	   /* no such file could be read */
	RESOLV_PROCESS,	   /* /proc/PID/root of the asking process itself */
	RESOLV_SAME_MNTNS, /* of another process in the same mount namespace */
	RESOLV_PARENT,	   /* of the asking process's parent */
	RESOLV_TARGET,	   /* of the container's own main process */
	RESOLV_HOST,	   /* the host's file */
};

struct resolv_file {
	enum resolv_source source;
	int error;			 /* errno of reading it, 0 if read */
	uint32_t pid;			 /* whose root it was read through */
	char path[RESOLV_PATH_LEN];	 /* as the process names it, links resolved, e.g.
					  * /run/systemd/resolve/stub-resolv.conf */
	char host_path[RESOLV_PATH_LEN]; /* the same file as the host sees it; empty if unknown */
	bool is_hosts_own; /* the very file (device, inode) that is the host's /etc/resolv.conf */
	struct resolv_conf conf;
};

struct listener {
	struct ipaddr addr; /* may be 0.0.0.0 or :: */
	uint16_t port;
	uint8_t proto;	/* IPPROTO_UDP, IPPROTO_TCP */
	bool v6only;	/* a :: socket that does not take IPv4 */
	uint32_t inode; /* of the socket; 0 unknown */
};

/* A TCP socket that listens on a loopback address, or a UDP one to which a port is published;
 * nobody takes that port on another address. */
struct service {
	struct listener socket;
	struct owner owner; /* pid 0 unknown */
	uint16_t published; /* the host's port that leads to it; 0 none is known */
};

/* Whether a packet's address is translated. */
enum nat_answer { NAT_UNKNOWN, NAT_NO, NAT_YES };

/* How one name server looks from the namespace. */
struct server_facts {
	struct ipaddr addr;
	int route_errno;   /* 0: there is a route; ENETUNREACH etc. */
	bool is_gateway;   /* the default route's next hop */
	bool listening;	   /* loopback and local addresses: a socket takes port 53 */
	bool host_listens; /* a socket of the host takes asked_port of that address */
};

enum target_kind {
	TARGET_UNKNOWN,
	TARGET_DOCKER,
	TARGET_PODMAN,
	TARGET_CRI,
	TARGET_NETNS,
	TARGET_PID,
	TARGET_PATH,
	TARGET_HOST,
	TARGET_NEW,
	TARGET_MACHINE,
};

/* All that the rules need to know about one namespace and one asking process. */
struct dns_facts {
	int64_t time;	/* when they were read, ns since the epoch; 0: as the engine gets them */
	uint64_t netns; /* inode */
	enum target_kind kind;
	char target[TARGET_NAME_LEN]; /* name to use in a fix */
	bool is_host_netns;
	bool lo_up;
	bool has_default_route; /* IPv4 or IPv6 */
	struct ipaddr gateway;	/* family 0 if none */
	struct owner asker;	/* pid 0: the target itself, not one process */
	struct resolv_file resolv;
	uint32_t nr_servers; /* parallel to resolv.conf.servers, then any server asked about */
	struct server_facts servers[RESOLV_MAX_SERVERS + 1];
	uint16_t asked_port; /* what servers[].host_listens is about; 53 unless asked */
	/* Another watched namespace, of which a socket takes asked_port of the server that was
	 * asked about; empty if none. Filled in by whoever watches both. */
	char listens_in[TARGET_NAME_LEN];
	uint32_t nr_listeners; /* port 53 and Docker's sockets on 127.0.0.11 */
	struct listener listeners[FACTS_MAX_LISTENERS];
	/* The host's upstreams: /run/systemd/resolve/resolv.conf, else its resolv.conf. */
	uint32_t nr_upstreams;
	struct ipaddr upstreams[RESOLV_MAX_SERVERS];
	char bridge_addr[IPADDR_STRLEN]; /* of the host end's bridge; empty if none */
	/* A way to other machines or containers: an interface but lo is up and has an address. */
	bool has_uplink;
	/* The default route ends where it begins: the filter of the namespace it leads into drops
	 * everything, or that forwards nothing. Filled in by whoever looks at both. */
	bool is_blocked;
	/* What becomes of a query to 127.0.0.11 port 53; known if a server has that address. */
	bool docker_known;
	enum nat_answer docker_nat_udp, docker_nat_tcp;
	uint32_t nr_services; /* all of them; facts_services() fills it in, facts_collect() not */
	struct service services[FACTS_MAX_SERVICES];
	bool inherits_servers; /* a container known to have been started without --dns */
	bool sudo;	       /* the user came by sudo: commands of a fix are prefixed with it */
};

#endif
