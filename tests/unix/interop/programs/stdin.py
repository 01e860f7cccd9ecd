# Waits for lines of stdin, each in another way.

import lan
import sys

lan.up()
print("ready")
print("got", input())
print("got", sys.stdin.readline().strip())
print("got", sys.stdin.read(3))
for line in sys.stdin:
    print("got", line.strip())
print("end")
