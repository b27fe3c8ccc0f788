"""The sockets that a server listens on, and what the connections that they accept have of them."""

import socket
from contextlib import closing

import pytest

from gochat.listening import UNSENT, listen, reserve, share


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "a worker's"])
def test_the_kernel_takes_little_for_a_connection(shared: bool) -> None:
    with closing(reserve("127.0.0.1", 0)) as reserved:
        if shared:
            (listening,) = [share("127.0.0.1", reserved.getsockname()[1])]
        else:
            (listening,) = listen("127.0.0.1", 0)
            listening.listen()
        with closing(listening), closing(socket.create_connection(listening.getsockname())):
            accepted, _ = listening.accept()
            with closing(accepted):
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT
