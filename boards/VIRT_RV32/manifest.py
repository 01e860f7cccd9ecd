# Everything frozen into the VIRT_RV32 image.
include("../../ports/qemu/manifest.py")
module("board.py", base_path=".")
