"""Empties the connection table of the network namespace that it runs in: what a NAT router does when it restarts.

The same as `conntrack -F`, without that package: one netlink message.
"""
import os
import socket
import struct

NETLINK_NETFILTER = 12
CTNETLINK_DELETE = (1 << 8) | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE; with no tuple it means all
NLM_F_REQUEST_ACK = 1 | 4

with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netfilter:
    netfilter.bind((0, 0))
    body = struct.pack("BBH", socket.AF_INET, 0, 0)
    netfilter.send(struct.pack("IHHII", 16 + len(body), CTNETLINK_DELETE, NLM_F_REQUEST_ACK, 1, 0) + body)
    error = struct.unpack_from("i", netfilter.recv(4096), 16)[0]
    if error:
        raise SystemExit(f"the connection table was not emptied: {os.strerror(-error)}")
