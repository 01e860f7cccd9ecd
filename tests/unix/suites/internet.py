"""The part of the internet that upstream's tests ask for, in a namespace: names, web, MQTT.

Real servers answer under the names the tests use: dnsmasq, nginx, mosquitto. Their certificates
are signed by a CA of this run's own.
"""

import os
import pathlib
import re
import subprocess

import netns
import upstream

SITE = "micropython.org"
BROKER = "test.mosquitto.org"  # its certificate on port 8883 is signed by itself

# What net_inet/asyncio_tcp_read_headers.py has seen of this page: its size, and its time, which
# nginx makes the ETag of.
PAGE = "<html><head></head><body>" + "MicroPython".center(15) + "</body></html>"
PAGE_TIME = 0x54306C85

_NGINX = """
daemon off; master_process off; user root; pid {d}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off; root {d}/www; default_type text/html; gzip on; gzip_vary on;
    client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3;
    uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
    add_header Strict-Transport-Security max-age=15768000;
    ssl_certificate {d}/site.pem; ssl_certificate_key {d}/site.key;
    server {{ listen {ip}:80; }}
    server {{ listen {ip}:443 ssl; }}
}}
"""
_MOSQUITTO = """
per_listener_settings true
listener 1883 {ip}
allow_anonymous true
listener 8883 {ip}
allow_anonymous true
certfile {d}/broker.pem
keyfile {d}/broker.key
"""


def _openssl(*argv):
    done = subprocess.run(("openssl",) + argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def certify(d, name, subject, names=(), ca=None):
    """A key and a certificate, name.key and name.pem; signed by itself if not by `ca`.

    With `names` it is a server's, else it may sign others."""
    path = os.path.join(d, name)
    argv = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    argv += ["-nodes", "-days", "30", "-keyout", path + ".key", "-out", path + ".pem"]
    argv += ["-subj", "/CN=" + subject]
    if names:
        argv += ["-addext", "subjectAltName=" + ",".join("DNS:" + n for n in names)]
        argv += ["-addext", "basicConstraints=critical,CA:false"]
    if ca:
        argv += ["-CA", os.path.join(d, ca + ".pem"), "-CAkey", os.path.join(d, ca + ".key")]
    _openssl(*argv)


def authority(d):
    """A root and, signed by it, who signs servers, as the world has them: root.pem, signer.pem.
    The same in DER for MicroPython, which believes the signer."""
    certify(d, "root", "netstack root")
    certify(d, "signer", "netstack signer", ca="root")
    for name in ("root", "signer"):
        path = os.path.join(d, name)
        _openssl("x509", "-in", path + ".pem", "-outform", "DER", "-out", path + ".der")


def _site(d):
    os.makedirs(os.path.join(d, "www", "ks"))
    for name in ("index.html", "ks/test.html"):
        path = os.path.join(d, "www", name)
        with open(path, "w") as f:
            f.write(PAGE)
        os.utime(path, (PAGE_TIME, PAGE_TIME))


def _write(d, name, text, ip):
    path = os.path.join(d, name)
    with open(path, "w") as f:
        f.write(text.format(d=d, ip=ip))
    return path


def sites():
    """Whom the tests of net_inet ask for, SITE first: who has a certificate of the CA, and a web
    server that redirects nobody."""
    found = set()
    for path in pathlib.Path(upstream.TESTS, "net_inet").glob("*.py"):
        found.update(re.findall(r'"((?:[a-z]+\.)+(?:com|org))"', path.read_text()))
    return [SITE, *sorted(found - {SITE, BROKER, "nonexistent.example.com"})]


def names(ns, d, interface, ip=netns.LINUX):
    """A DNS server that knows those names, and says of no other that it exists."""
    known = ["--address=/%s/%s" % (name, ip) for name in [*sites(), BROKER]]
    return ns.dnsmasq(d, "--port=53", "--address=/#/", *known, interface=interface)


def web(ns, d, ip=netns.LINUX):
    authority(d)
    certify(d, "site", SITE, sites(), ca="signer")
    with open(os.path.join(d, "site.pem"), "a") as chain:
        with open(os.path.join(d, "signer.pem")) as signer:
            chain.write(signer.read())
    _site(d)
    nginx = ns.start("nginx", "-p", d, "-c", _write(d, "nginx.conf", _NGINX, ip))
    ns.wait_port(443)
    return nginx


def broker(ns, d, ip=netns.LINUX):
    certify(d, "broker", BROKER)
    os.chmod(os.path.join(d, "broker.key"), 0o644)  # mosquitto gives up being root
    os.chmod(d, 0o755)
    conf = _write(d, "mosquitto.conf", _MOSQUITTO + "user root\n", ip)
    mosquitto = ns.start("mosquitto", "-c", conf)
    ns.wait_port(8883)
    return mosquitto
