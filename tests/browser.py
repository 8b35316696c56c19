"""A browser without a window: Chromium, driven over a pipe in its own protocol. A test skips where there is none."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run"


class Page:
    """A page in a browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._rest, self.events = 0, b"", list[dict[str, Any]]()
        self._session: dict[str, str] = {}
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; return its result. Events that come before it are kept."""
        number = self._tell(method, params)
        while True:
            while b"\0" not in self._rest:
                assert select.select([self._answers], [], [], 30)[0], f"the browser is silent after {method}"
                self._rest += os.read(self._answers, 1 << 20)
            one, _, self._rest = self._rest.partition(b"\0")
            said = json.loads(one)
            if said.get("id") == number:
                assert "error" not in said, said
                return dict(said["result"])
            self.events.append(said)
            if said.get("method") == "Page.javascriptDialogOpening":  # "leave the page?"
                self._tell("Page.handleJavaScriptDialog", {"accept": True})

    def _tell(self, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        return self._number

    def run(self, script: str) -> Any:
        """Run a script in the page; return its value, of a promise what it becomes."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 20) -> Any:
        """Wait for a script to have a value that is true; return it."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}: {self.problems}"
            time.sleep(0.05)
        return found

    def open(self, url: str, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Open a URL in a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=url)
        self.events.clear()
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Press and leave a key."""
        more = {"windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

    def picture(self) -> bytes:
        """Return the window as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    @property
    def requested(self) -> set[str]:
        """The URLs that the page has asked for since it was opened."""
        asked = [one["params"] for one in self.events if one.get("method") == "Network.requestWillBeSent"]
        return {one["request"]["url"] for one in asked}

    @property
    def problems(self) -> list[str]:
        """What the page did wrong so far: exceptions, errors of the console, what its policy refused."""
        found = []
        for one in self.events:
            if one.get("method") == "Runtime.exceptionThrown":
                found.append(str(one["params"]["exceptionDetails"]))
            if one.get("method") == "Log.entryAdded" and one["params"]["entry"]["level"] == "error":
                found.append(str(one["params"]["entry"]))
        return found


@contextmanager
def browser() -> Iterator[Page]:
    """Start a browser with one page, and end it."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    their_end, commands = os.pipe()
    answers, their_voice = os.pipe()

    def wire() -> None:
        """Give the browser its pipe: it reads commands at 3 and answers at 4."""
        os.dup2(their_end, 3)
        os.set_inheritable(3, True)
        os.dup2(their_voice, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        line = [CHROMIUM, *OPTIONS.split(), f"--user-data-dir={folder}", "--remote-debugging-pipe"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = subprocess.Popen(line, preexec_fn=wire, close_fds=False, **quiet)
        os.close(their_end)
        os.close(their_voice)
        try:
            yield Page(commands, answers)
        finally:
            running.kill()
            running.wait()
            os.close(commands)
            os.close(answers)
