// SPDX-License-Identifier: GPL-2.0
/* rtnetlink through libmnl, and getifaddrs(3). In: nothing. Out: addresses and routes as they are now. */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DUMP_BYTES 16384 /* larger than a netlink dump's page */

static bool address_of(const struct sockaddr *sockaddr, struct netlink_address *ret_address)
{
	struct netlink_address address = { 0 };

	if (!sockaddr)
		return false;
	if (sockaddr->sa_family == AF_INET) {
		address.family = 4;
		memcpy(address.addr_be, &((const struct sockaddr_in *)sockaddr)->sin_addr, 4);
	} else if (sockaddr->sa_family == AF_INET6) {
		address.family = 6;
		memcpy(address.addr_be, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, 16);
	} else {
		return false;
	}
	*ret_address = address;
	return true;
}

int netlink_own_addresses(void (*take)(void *context, const struct netlink_address *address), void *context)
{
	struct netlink_address address;
	struct ifaddrs *list, *one;

	if (getifaddrs(&list))
		return -errno;
	for (one = list; one; one = one->ifa_next) {
		if (address_of(one->ifa_addr, &address))
			take(context, &address);
	}
	freeifaddrs(list);
	return 0;
}

struct route_walk {
	void (*take)(void *context, unsigned ifindex, const struct netlink_address *gateway);
	void *context;
};

/* One next hop: where it leaves, and through whom. */
struct hop {
	unsigned ifindex;
	bool has_gateway;
	struct netlink_address gateway;
};

static void set_gateway(struct hop *hop, int family, const void *address, size_t len)
{
	if (len != (family == AF_INET ? 4 : 16))
		return;
	memset(&hop->gateway, 0, sizeof(hop->gateway));
	hop->gateway.family = family == AF_INET ? 4 : 6;
	memcpy(hop->gateway.addr_be, address, len);
	hop->has_gateway = true;
}

/* RTA_VIA is an IPv4 route through an IPv6 neighbour. Source: rtnetlink(7), struct rtvia in linux/rtnetlink.h. */
static void take_hop_attr(const struct nlattr *attr, int family, struct hop *hop)
{
	const void *payload = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		set_gateway(hop, family, payload, len);
	else if (mnl_attr_get_type(attr) == RTA_VIA && len > sizeof(struct rtvia))
		set_gateway(hop, ((const struct rtvia *)payload)->rtvia_family,
			    ((const struct rtvia *)payload)->rtvia_addr, len - sizeof(struct rtvia));
}

static void give_hop(const struct route_walk *walk, const struct hop *hop)
{
	walk->take(walk->context, hop->ifindex, hop->has_gateway ? &hop->gateway : NULL);
}

/* The hops of a multipath route, each a struct rtnexthop with attributes of its own. */
static void take_multipath(const struct nlattr *all, int family, const struct route_walk *walk)
{
	const struct rtnexthop *next = mnl_attr_get_payload(all);
	int left = mnl_attr_get_payload_len(all);

	for (; RTNH_OK(next, left); left -= RTNH_ALIGN(next->rtnh_len), next = RTNH_NEXT(next)) {
		struct hop hop = { .ifindex = next->rtnh_ifindex };
		const struct nlattr *attr;

		mnl_attr_for_each_payload((const void *)RTNH_DATA(next), next->rtnh_len - sizeof(*next))
			take_hop_attr(attr, family, &hop);
		give_hop(walk, &hop);
	}
}

static int take_route(const struct nlmsghdr *header, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);
	const struct route_walk *walk = data;
	const struct nlattr *attr;
	struct hop hop = { 0 };

	if (route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST || route->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, header, sizeof(*route)) {
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH) {
			take_multipath(attr, route->rtm_family, walk);
			return MNL_CB_OK;
		}
		if (mnl_attr_get_type(attr) == RTA_OIF && mnl_attr_get_payload_len(attr) == 4)
			hop.ifindex = mnl_attr_get_u32(attr);
		take_hop_attr(attr, route->rtm_family, &hop);
	}
	give_hop(walk, &hop);
	return MNL_CB_OK;
}

static int dump_routes(struct mnl_socket *socket, int family, struct route_walk *walk)
{
	char buffer[DUMP_BYTES];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	unsigned seq = time(NULL), port = mnl_socket_get_portid(socket);
	struct rtmsg *route;
	ssize_t n;
	int more;

	header->nlmsg_type = RTM_GETROUTE;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = seq;
	route = mnl_nlmsg_put_extra_header(header, sizeof(*route));
	route->rtm_family = family;
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buffer, n, seq, port, take_route, walk);
	} while (more > MNL_CB_STOP);
	return more < 0 ? -errno : 0;
}

int netlink_default_routes(void (*take)(void *context, unsigned ifindex, const struct netlink_address *gateway), void *context)
{
	struct route_walk walk = { .take = take, .context = context };
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!socket)
		return -errno;
	err = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!err)
		err = dump_routes(socket, AF_INET, &walk);
	if (!err)
		err = dump_routes(socket, AF_INET6, &walk);
	mnl_socket_close(socket);
	return err;
}

int netlink_watch_open(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

bool netlink_watch_drain(int fd)
{
	char buffer[DUMP_BYTES];
	bool any = false;
	ssize_t n;

	for (;;) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno != ENOBUFS)
			return any;
		any = true;
	}
}
