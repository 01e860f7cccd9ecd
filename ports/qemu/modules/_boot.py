# Runs at each start before boot.py: mounts the board's files, formatting them the first time.
import vfs
from _qemu import Flash

_dev = Flash()
try:
    _fs = vfs.VfsLfs2(_dev, progsize=256)
except OSError:
    vfs.VfsLfs2.mkfs(_dev, progsize=256)
    _fs = vfs.VfsLfs2(_dev, progsize=256)
vfs.mount(_fs, "/")
del vfs, Flash, _dev, _fs
