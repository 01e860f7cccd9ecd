# asyncio as upstream has it, but for wait_for(), and streams, which are those of
# lib/netstack/api/streams.py. This directory is in nobody's sys.path: there it would hide the rest
# of the package.

package(
    "asyncio",
    ("core.py", "event.py", "funcs.py", "lock.py"),
    base_path="$(MPY_DIR)/extmod",
    opt=3,
)
package("asyncio", ("__init__.py", "stream.py", "wait.py"), base_path=".")
module("uasyncio.py", base_path="$(MPY_DIR)/extmod/asyncio", opt=3)
