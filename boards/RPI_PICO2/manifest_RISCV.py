# Everything frozen into the RPI_PICO2 image for its RISC-V cores.
include("../../ports/rp2/manifest.py", kernels=("32",), nics=("w5500", "enc28j60"))
module("board.py", base_path="../RPI_PICO")  # wired the same way
