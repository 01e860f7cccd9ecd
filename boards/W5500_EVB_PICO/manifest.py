# Everything frozen into the W5500_EVB_PICO image.
include("../../ports/rp2/manifest.py", nics=("w5500",))
module("board.py", base_path=".")
