# What the unix port carries frozen: asyncio, the stack under its own name
# and under MicroPython's, and the NICs of this directory. Directories are taken whole, so that the
# next build freezes a new file without its being listed. No `opt`: asserts stay in on the host.
import os


def modules(directory):
    names = os.listdir(directory)
    return sorted(n for n in names if n.endswith(".py") and n[0] != "." and n != "manifest.py")


include("../../lib/faces")
include("../../lib/manifest.py")
freeze("../../lib", modules("../../lib"))
freeze(".", modules("."))
