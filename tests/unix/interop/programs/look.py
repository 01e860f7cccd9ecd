# What people type at the REPL: look.py <statement>...; Ctrl-C ends one, not the program.

import lan
import netstack
import network
import sys

lan.up()
network.ipconfig(dns=lan.LINUX)
print("ready")
for statement in sys.argv[1:]:
    print(">>>", statement)
    try:
        exec(statement)
    except KeyboardInterrupt:
        print("interrupted")
print("end", netstack.fastpath)
