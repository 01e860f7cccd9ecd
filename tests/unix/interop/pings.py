"""Linux's ping, all of whose requests have to be answered, however slow the machine is."""

import re
import time


def ping(ns, address, count, *options, seconds=60):
    """Have `count` requests answered, none lost, in their order; returns what ping says.

    Without -w ping would wait for the last answers only as long as two of the others took. With
    it, it sends more while some are late, and their numbers have a gap if one is lost."""
    argv = ("ping", "-c", count, "-w", seconds, *options, address)
    said = ns.run(*argv, check=False, timeout=seconds + 30).stdout
    numbers = [int(n) for n in re.findall(r"icmp_seq=(\d+) ttl=(?!.*DUP)", said)]
    assert numbers == list(range(1, count + 1)) and "wrong data" not in said, said[-4000:]
    return said


def reach(ns, address, *options, seconds=60):
    """Ping until there is an answer: links are up, both ends know their neighbours."""
    end = time.monotonic() + seconds
    while ns.run("ping", "-c", "1", "-W", "1", *options, address, check=False).returncode:
        assert time.monotonic() < end, "no answer from %s" % address
        time.sleep(0.1)
