# The stack as every port freezes it. Directories are taken whole, so that the next build freezes a
# new file without its being listed.
#
#   kernels  what the names of the kernels that suit the processor end in: "thumb" (Cortex-M; other
#            processors' compilers do not take it), "64", "32" (any other)
#
# TCP Fast Open is left out, unless make runs with NETSTACK_FASTOPEN=1 in its environment.
import os

options.defaults(kernels=("32", "64"))

_KERNELS = ("thumb", "64", "32")


def _files(top):
    for where, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            if name == "fastopen.py" and os.environ.get("NETSTACK_FASTOPEN", "0") == "0":
                continue
            kernel = name[:-3].rpartition("_")[2]
            if name.endswith(".py") and (kernel not in _KERNELS or kernel in options.kernels):
                yield os.path.relpath(os.path.join(where, name), top)


package("netstack", files=_files("netstack"))
