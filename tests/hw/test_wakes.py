"""asyncio on a board: it sleeps until a frame comes, and is awake at once."""

import random
import socket
import statistics
import time


def ask(conn, line):
    """(the answer, after how many seconds)"""
    start = time.perf_counter()
    conn.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = conn.recv(100)
        assert part, "the board has closed the connection"
        answer += part
    return answer[:-1], time.perf_counter() - start


def test_a_frame_wakes_and_nothing_else(board):
    with board.running("echo_async"):
        with board.connect(80) as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = []
            for i in range(60):
                time.sleep(random.uniform(0.003, 0.02))
                answer, seconds = ask(conn, b"%d" % i)
                assert answer == b"%d" % i
                took.append(seconds)
            print(
                "answers: min %.2f ms, median %.2f ms"
                % (min(took) * 1e3, statistics.median(took) * 1e3)
            )
            time.sleep(1)
            start = time.monotonic()
            before = int(ask(conn, b"rounds")[0])
            time.sleep(3)
            woken = int(ask(conn, b"rounds")[0]) - before
            seconds = time.monotonic() - start
            print("woken %d times in %.1f s" % (woken, seconds))
            # The link is looked at every half second, ARP and DHCP have timers; a tick of 10 ms
            # would be 100 times a second.
            assert woken < 20 * seconds, "woken %d times in %.1f s" % (woken, seconds)
