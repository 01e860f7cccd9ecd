# Upstream's, but that `rp2` is not imported: a kilobyte of heap, for whoever assembles for PIO.
import machine  # noqa: F401
import vfs
from _rp2 import Flash

bdev = Flash()
try:
    fs = vfs.VfsLfs2(bdev, progsize=256)  # a page of flash: nothing less can be written
except Exception:
    vfs.VfsLfs2.mkfs(bdev, progsize=256)
    fs = vfs.VfsLfs2(bdev, progsize=256)
vfs.mount(fs, "/")

del vfs, bdev, fs, Flash
