# Managed by trenova.selfhost.
"""A way to the Docker Engine that is closed while it does not run.

systemd holds the Engine's socket and starts the Engine for whoever connects. `docker exec` connects once more when it
is cut off, to ask how its command ended: it would start again what an administrator has just stopped.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading

VARIABLE, SCHEME = "DOCKER_HOST", "unix://"
ENGINE = SCHEME + "/run/docker.sock"
#: A disk that is full must not keep a backup from saying so.
DIRECTORY = "/run" if os.geteuid() == 0 else None
SIZE = 65536


@contextlib.contextmanager
def guarded(is_open):
    """Have all commands that are started meanwhile reach the Engine by a socket of ours. is_open: asked each time."""
    before = os.environ.get(VARIABLE)
    way = before or ENGINE
    if not way.startswith(SCHEME):
        # No socket of this host: nothing is started by it.
        yield
        return
    # The socket is as good as the Engine's, so nobody else enters its directory.
    with tempfile.TemporaryDirectory(prefix="trenova-backup-", dir=DIRECTORY) as directory, \
            socket.socket(socket.AF_UNIX) as listening:
        path = os.path.join(directory, "engine.sock")
        listening.bind(path)
        listening.listen()
        _begin(_serve, listening, way[len(SCHEME):], is_open)
        os.environ[VARIABLE] = SCHEME + path
        try:
            yield
        finally:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before
            # Whoever waits in accept() is not woken by a close.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


def _serve(listening, engine, is_open):
    with contextlib.suppress(OSError):  # it is closed
        while True:
            client, _address = listening.accept()
            _begin(_connect, client, engine, is_open)


def _connect(client, engine, is_open):
    with client, socket.socket(socket.AF_UNIX) as server:
        if not is_open():
            return
        with contextlib.suppress(OSError):
            server.connect(engine)
            back = _begin(_pass, server, client)
            _pass(client, server)
            back.join()


def _pass(source, sink):
    """Hand on what comes until its end, and that end: the other direction may go on."""
    with contextlib.suppress(OSError):
        for data in iter(lambda: source.recv(SIZE), b""):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _begin(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
