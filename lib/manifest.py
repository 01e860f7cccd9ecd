# The stack as every port freezes it. Directories are taken whole, so that the next build freezes a
# new file without its being listed.
#
#   kernels  which of core/move_*.py suit the processor; its own compiler takes no foreign one
#
# TCP Fast Open is left out, unless make runs with NETSTACK_FASTOPEN=1 in its environment.
import os

options.defaults(kernels=("32", "64"))


def _files(top):
    for where, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            if name == "fastopen.py" and os.environ.get("NETSTACK_FASTOPEN", "0") == "0":
                continue
            kernel = name[5:-3] if name.startswith("move_") else None
            if name.endswith(".py") and (kernel is None or kernel in options.kernels):
                yield os.path.relpath(os.path.join(where, name), top)


package("netstack", files=_files("netstack"))
