# Everything frozen into the MPS2_AN385 image.
import os

include("../../ports/qemu/manifest.py", kernels=("thumb",), nic="lan9118")
if os.environ.get("NETSTACK", "1") != "0":
    module("board.py", base_path=".")
