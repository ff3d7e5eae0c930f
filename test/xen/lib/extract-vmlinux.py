#!/usr/bin/env python3
"""extract-vmlinux.py BZIMAGE TARGET: the ELF kernel that a bzImage unpacks (Xen's dom0 and PVH guests boot it)."""
import lzma
import struct
import subprocess
import sys
import zlib

image = open(sys.argv[1], "rb").read()
# Where the payload is: the boot header's setup_sects, payload_offset and payload_length.
setup_sectors = image[0x1F1] or 4
offset, length = struct.unpack_from("<II", image, 0x248)
start = (setup_sectors + 1) * 512 + offset
payload = image[start : start + length]
if payload[:6] == b"\xfd7zXZ\0":
    kernel = lzma.LZMADecompressor().decompress(payload)
elif payload[:2] == b"\x1f\x8b":
    kernel = zlib.decompressobj(31).decompress(payload)
elif payload[:4] == b"\x28\xb5\x2f\xfd":
    # Its last four bytes are the unpacked size, which is not part of the zstd frame.
    kernel = subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
else:
    sys.exit(f"unknown compression: {payload[:6]!r}")
if kernel[:4] != b"\x7fELF":
    sys.exit("no ELF kernel in it")
open(sys.argv[2], "wb").write(kernel)
