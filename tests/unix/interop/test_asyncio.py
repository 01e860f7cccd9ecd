"""asyncio on the unix port: what waits costs nothing, and a frame wakes it."""

import os
import re
import statistics
import sys
import time

from netns import OURS, ROOT

# One byte at a time over one connection, at moments that the server cannot foresee.
CLIENT = """
import random, socket, sys, time
conn = socket.create_connection((sys.argv[1], 7))
conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(100):
    time.sleep(random.uniform(0.003, 0.02))
    start = time.perf_counter()
    conn.sendall(b"x")
    assert conn.recv(10) == b"x"
    print(time.perf_counter() - start)
"""


def sleeps(process):
    """How often it has gone to sleep by itself."""
    with open("/proc/%d/status" % process.pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("voluntary"))


def cpu(process):
    """Seconds of processor time."""
    with open("/proc/%d/stat" % process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quiet(lan, process, seconds=3, per_second=20):
    """It costs next to nothing while nothing happens. Linux may have something to say after it has
    come up, so there are some tries."""
    lan.judged = False  # nothing need be on the wire
    for _ in range(5):
        before = sleeps(process), cpu(process)
        time.sleep(seconds)
        count, used = sleeps(process) - before[0], cpu(process) - before[1]
        if count <= per_second * seconds and used < 0.01 * seconds:
            return
    raise AssertionError("%d sleeps and %.2f s of CPU in %d s" % (count, used, seconds))


def test_idle_server_does_not_tick(lan):
    quiet(lan, lan.ready("echo_async"))


def test_a_frame_wakes(lan):
    lan.ready("echo_async")
    took = [
        float(s) for s in lan.run(sys.executable, "-c", CLIENT, OURS, timeout=120).stdout.split()
    ]
    # What does not wake at a frame wakes when the stack is due, every half second: then most of
    # them would take nearly as long, on however busy a machine.
    assert statistics.median(took) < 0.15, sorted(took)


def test_idle_with_standard_input(lan):
    """A program that waits for a key as well: a descriptor that becomes ready ends the wait."""
    process = lan.program("key_async", stdin=-1)  # subprocess.PIPE
    process.expect("^ready")
    quiet(lan, process)
    process.stdin.write("k")
    process.stdin.flush()
    process.expect("^key k")


def test_thread_wakes(lan):
    """Another thread schedules a callback, which sets a flag that a task waits for."""
    lan.judged = False
    lan.program("thread_async").expect("^woken")


def test_the_page(lan, tmp_path):
    """What docs/asyncio.md begins with, as it stands there: a lease, streams, the link's end."""
    with open(os.path.join(ROOT, "docs/asyncio.md")) as f:
        program = tmp_path / "main.py"
        program.write_text(re.search(r"```python\n(.*?)```", f.read(), re.DOTALL).group(1))
    lan.ns.dnsmasq(tmp_path, "--port=0", "--dhcp-range=10.99.0.50,10.99.0.50,1h")
    process = lan.ns.micropython(str(program), env=lan._env)
    process.expect("Hello world")
    lan.run("ip", "link", "set", "tap0", "down")
    process.finish()
