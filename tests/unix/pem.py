# A certificate, which is its own authority and good until 2120, its key, and contexts of TLS with
# them: for tests inside MicroPython.

import binascii
import ssl

NAME = "netstack.example"
KEY = binascii.a2b_base64(
    "MHcCAQEEIA84WYOpVXmUHZBf3R99y7EEeQZJRBZCY+imleciXK5loAoGCCqGSM49AwEHoUQDQgAEG0q6hWEaS1/4"
    "qL79CI/uERaRYRz6BGok3JlFUEJv0RK8FrVRr2p5BNP/OStDp5taW+bPjFMr/tgINxImGngCXQ=="
)
CERT = binascii.a2b_base64(
    "MIIBdjCCARygAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBuZXRzdGFjay5leGFtcGxlMCAXDTIwMDEw"
    "MTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAbMRkwFwYDVQQDDBBuZXRzdGFjay5leGFtcGxlMFkwEwYHKoZIzj0C"
    "AQYIKoZIzj0DAQcDQgAEG0q6hWEaS1/4qL79CI/uERaRYRz6BGok3JlFUEJv0RK8FrVRr2p5BNP/OStDp5taW+bP"
    "jFMr/tgINxImGngCXaNPME0wGwYDVR0RBBQwEoIQbmV0c3RhY2suZXhhbXBsZTAPBgNVHRMBAf8EBTADAQH/MB0G"
    "A1UdDgQWBBT/LTHvJZ9kH3PKZMfZoFDJr1R4TzAKBggqhkjOPQQDAgNIADBFAiBCskHzxSBtfz+QrgDFYuA3QSyV"
    "vwEalT7jqaGeUgGxKQIhAN+8/b924dAhkSzso2t1LRcO4jvZyW+tHyzS5gBVn4YR"
)


def contexts(dtls=False):
    """(client's, server's), and the client believes the server."""
    client = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT if dtls else ssl.PROTOCOL_TLS_CLIENT)
    client.verify_mode = ssl.CERT_REQUIRED
    client.load_verify_locations(cadata=CERT)
    server = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER if dtls else ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERT, KEY)
    return client, server
