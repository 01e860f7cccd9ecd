# Everything frozen into the VIRT_RV32 image.
import os

include("../../ports/qemu/manifest.py", kernels=("32",), nic="virtio_net")
if os.environ.get("NETSTACK", "1") != "0":
    module("board.py", base_path=".")
