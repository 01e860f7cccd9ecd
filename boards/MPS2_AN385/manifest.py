# Everything frozen into the MPS2_AN385 image.
include("../../ports/qemu/manifest.py", kernels=("thumb",))
module("board.py", base_path=".")
