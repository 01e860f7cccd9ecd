# TCP (RFC 9293), the same for every network protocol. Cut by concern:
#   protocol    who gets a segment, ports, initial sequence numbers   (start here)
#   segment     the wire format          connection  control block and user calls
#   input       a segment arrives        output      reasons to send
#   listen      passive opens            timers      what happens by itself
#   options     their wire format        timestamps   RFC 7323
#   sack        RFC 2018, 2883           ranges       what of a sequence space is there
#   scoreboard  RFC 6675: what the peer has
#   rack        RFC 8985: when it was sent, what is lost
#   tlp         RFC 8985: tail loss probes
#   prr         RFC 9937: the window in recovery
#   undo        RFC 3522, 4015: what was no loss
#   congestion  RFC 5681, 6582, 6675     rto         RFC 6298
#   ecn         RFC 3168
#   reno, cubic, bbr which of them       reassembly  text out of order
#   pmtu        as large as the path takes: RFC 1191, 4821
#   fastopen    RFC 7413, if it is attached
#   settings    what programs may set    info        what they may ask


def attach(st):
    from netstack.transport.tcp.protocol import TCP

    return TCP(st)
