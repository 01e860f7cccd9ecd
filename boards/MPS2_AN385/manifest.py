# Everything frozen into the MPS2_AN385 image.
include("../../ports/qemu/manifest.py")
module("board.py", base_path=".")
