# Everything frozen into the MPS2_AN385 image.
include("../../ports/qemu/manifest.py", kernels=("thumb",), nic="lan9118")
module("board.py", base_path=".")
