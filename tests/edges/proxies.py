"""What stands between phones and servers in the world: nginx as its users set it up, and haproxy."""

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.process import Process, Server
from tests.services.programs import HAPROXY, NGINX, OPENSSL, require

UPGRADE = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
HTTP11 = f"proxy_http_version 1.1; {UPGRADE}"
NGINX_WAYS = {
    "nginx": HTTP11,
    "nginx unbuffered": f"{HTTP11} proxy_buffering off; proxy_request_buffering off;",
    # nginx's default towards servers: HTTP/1.0, and no websockets come through
    "nginx http/1.0": "proxy_http_version 1.0;",
    "nginx kept": f"{HTTP11} proxy_socket_keepalive on;",
}


class Nginx(Server):
    """nginx on 127.0.0.1 before servers, with the directives of `location /`."""

    def __init__(self, directory: Path, servers: Sequence[int], way: str, *, tls: bool = False) -> None:
        super().__init__()
        self._directory, self._servers, self._tls = directory, servers, tls
        self._location = NGINX_WAYS[way]
        # Connections that are kept are given no `Connection` header of their own but for an upgrade.
        self._kept = way == "nginx kept"
        directory.mkdir(parents=True, exist_ok=True)

    def _launch(self, port: int) -> Process:
        folder = self._directory
        listen = f"listen 127.0.0.1:{port}" + (" ssl http2" if self._tls else "")
        if self._tls:
            make_certificate(folder)
            listen += f"; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem"
        servers = "".join(f"server 127.0.0.1:{server};" for server in self._servers)
        user = "user root;" if os.geteuid() == 0 else ""  # or it could not write what it buffers
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)
        (folder / "nginx.conf").write_text(f"""
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; {temporary}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' '{"" if self._kept else "close"}'; }}
  upstream gochat {{ {servers} {"keepalive 32;" if self._kept else ""} }}
  server {{
    {listen}; client_max_body_size 16m; proxy_read_timeout 60s;
    location / {{
      proxy_pass http://gochat; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; {self._location}
    }}
  }}
}}
""")
        command = [str(require(NGINX)), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
        process = Process(command, folder / "nginx.log")
        process.wait_until(lambda: is_open(port), timeout=30)
        return process


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Haproxy(Server):
    """haproxy on 127.0.0.1, which uses each connection to the servers for whoever comes next."""

    def __init__(self, directory: Path, servers: Sequence[int]) -> None:
        super().__init__()
        self._directory, self._servers = directory, servers
        directory.mkdir(parents=True, exist_ok=True)

    def _launch(self, port: int) -> Process:
        servers = "\n".join(
            f"  server s{n} 127.0.0.1:{server} check inter 500ms" for n, server in enumerate(self._servers)
        )
        (self._directory / "haproxy.cfg").write_text(f"""
defaults
  mode http
  option forwardfor
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend all
  bind 127.0.0.1:{port}
  default_backend gochat
backend gochat
  balance roundrobin
  http-reuse always
{servers}
""")
        command = [str(require(HAPROXY)), "-f", f"{self._directory}/haproxy.cfg"]
        process = Process(command, self._directory / "haproxy.log")
        process.wait_until(lambda: is_open(port), timeout=30)
        return process


def make_certificate(folder: Path) -> None:
    """Make a certificate of 127.0.0.1's own."""
    subprocess.run(
        [str(require(OPENSSL)), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def is_open(port: int) -> bool:
    """Whether something listens there."""

    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
