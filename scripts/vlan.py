#!/usr/bin/python3
"""A tagged VLAN of a boot segment where the kernel has no 802.1Q of its own: an access port in user space.

    ip netns exec NETNS scripts/vlan.py ID TRUNK ACCESS

TRUNK and ACCESS are existing tap devices of the namespace. Frames tagged with ID that come by TRUNK, a member of the
bridge, leave by ACCESS without the tag, and the other way round; all others are dropped. Runs until it is killed.
"""
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
ETHERTYPE = struct.pack("!H", 0x8100)
LARGEST = 65536


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def main():
    vlan, trunk, access = int(sys.argv[1]), tap(sys.argv[2]), tap(sys.argv[3])
    tag = ETHERTYPE + struct.pack("!H", vlan)
    while True:
        for device in select.select([trunk, access], [], [])[0]:
            frame = os.read(device, LARGEST)
            if device == access:
                os.write(trunk, frame[:12] + tag + frame[12:])
            elif frame[12:14] == ETHERTYPE and struct.unpack("!H", frame[14:16])[0] & 0xFFF == vlan:
                os.write(access, frame[:12] + frame[16:])


main()
