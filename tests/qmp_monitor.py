"""A QMP monitor for testing, and the recorder's command run as people run it."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from nfvlab.readers import ReaderError
from nfvlab.recorder import record_migration

GREETING = {
    "QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": ""}, "capabilities": []}
}
SETTINGS = {
    "query-version": GREETING["QMP"]["version"],
    "query-status": {"running": True, "status": "running"},
    "query-migrate-capabilities": [
        {"capability": "multifd", "state": True},
        {"capability": "xbzrle", "state": False},
    ],
    "query-migrate-parameters": {"max-bandwidth": 10**8, "downtime-limit": 250, "tls-hostname": "lab7"},
    "query-cpus-fast": [{"cpu-index": 0}, {"cpu-index": 1}],
}  # query-memory-size-summary is answered with CommandNotFound


class Monitor:
    """A QMP server on a unix socket in a thread: says what it is told to, and remembers what it was asked."""

    def __init__(self, path, replies, *, settings=SETTINGS, greeting=GREETING, stay=True):
        self.path, self.replies, self.settings = str(path), list(replies), settings
        self.greeting, self.stay, self.asked = greeting, stay, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.close()
        self.thread.join(10)

    def serve(self):
        with contextlib.suppress(OSError), self.server.accept()[0] as link:
            self.link = link
            self.say(self.greeting)
            for request in self.requests():
                self.asked.append(request["execute"])
                answer = self.answer(request["execute"])
                if answer is None:
                    return
                if isinstance(answer, dict) and "id" in request:
                    answer = {**answer, "id": request["id"]}
                if answer is not ...:
                    self.say(answer)

    def requests(self):
        text = ""
        while data := self.link.recv(65536):
            text += data.decode()
            with contextlib.suppress(
                json.JSONDecodeError
            ):  # one ends where its object does, without a newline
                while text:
                    request, end = json.JSONDecoder().raw_decode(text)
                    text = text[end:].lstrip()
                    yield request

    def say(self, value):
        self.link.sendall(((value if isinstance(value, str) else json.dumps(value)) + "\r\n").encode())

    def answer(self, command):
        if command == "qmp_capabilities":
            return {"return": {}}
        if command in self.settings:
            return {"return": self.settings[command]}
        if command != "query-migrate":
            return {
                "error": {"class": "CommandNotFound", "desc": f"The command {command} has not been found"}
            }
        if not self.replies:
            return None
        now = self.replies[0] if len(self.replies) == 1 and self.stay else self.replies.pop(0)
        return now if now is ... or isinstance(now, str) else {"return": now}


def refusal(*args, **options) -> ReaderError:
    with pytest.raises(ReaderError) as caught:
        record_migration(*args, **options)
    assert caught.value.remedy
    return caught.value


def command(socket_path, output, *more):
    arguments = [
        sys.executable,
        "-m",
        "nfvlab",
        "record",
        "migration",
        "--qmp",
        str(socket_path),
        "-o",
        str(output),
    ]
    return subprocess.Popen([*arguments, *more], stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
