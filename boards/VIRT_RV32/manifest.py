# Everything frozen into the VIRT_RV32 image.
include("../../ports/qemu/manifest.py", kernels=("32",), nic="virtio_net")
module("board.py", base_path=".")
