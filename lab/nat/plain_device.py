"""Makes network devices hand over plain packets: no segmentation and no checksum left for hardware that is not there.

A virtual cable passes on super-packets of 64 KiB whose checksums nobody has computed. Programs that read packets
from its other end (wire.py) need them as a real cable would carry them. Usage: plain_device.py DEVICE...
"""
import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
# The older single-feature commands of ethtool: every kernel has them, and they need no table of names.
SWITCH_OFF = {"checksums": 0x17, "tcp segmentation": 0x1F, "segmentation": 0x24, "receive merging": 0x2C}


def switch_off(device: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in SWITCH_OFF.values():
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), value.buffer_info()[0])
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)


for name in sys.argv[1:]:
    switch_off(name)
