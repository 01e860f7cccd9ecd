# Everything frozen into the W5100S_EVB_PICO image.
include("../../ports/rp2/manifest.py", nics=("w5100s",))
module("board.py", base_path=".")
