"""How resctrl says no: an errno, and the text of info/last_cmd_status.

The text is a buffer of 512 bytes that a command clears when it starts and adds to as it fails (rdt_last_cmd_clear,
_puts and _printf in fs/resctrl/rdtgroup.c, on lib/seq_buf.c). A failure that adds nothing leaves "ok".
"""

import errno as codes
import os

BUFFER_BYTES = 512


class ResctrlError(OSError):
    """A call that the kernel refuses.

    errno : the kernel's error number
    status : what info/last_cmd_status read right after, "ok\\n" if the kernel had nothing to say
    """

    def __init__(self, number: int, path: str, status: str):
        super().__init__(number, os.strerror(number), path)
        self.status = status

    def __str__(self) -> str:
        name = codes.errorcode.get(self.errno, str(self.errno))
        return f"{name} on {self.filename!r}: {self.strerror}; last_cmd_status: {self.status.rstrip()}"

    def __reduce__(self):
        return type(self), (self.errno, self.filename, self.status)


class Refused(Exception):
    """Inside the parts: give up with this error number, and add `message` (if any) to the status."""

    def __init__(self, number: int, message: str = ""):
        self.errno, self.message = number, message
        super().__init__(codes.errorcode[number], message)


class LastCommand:
    """The status of the last command, as its buffer holds it: text in bytes, one character each."""

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """A command begins."""
        self._text, self._full = "", False

    def add(self, message: str) -> None:
        """Add a message; one that does not fit is cut to what fits, and nothing is added after it."""
        room = BUFFER_BYTES - len(self._text)
        if not self._full:
            self._full = len(message) >= room
            self._text += message[: room - 1]

    def read(self) -> str:
        """What the file shows."""
        return self._text or "ok\n"
