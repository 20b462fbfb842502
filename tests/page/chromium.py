# Headless Chromium, driven over its DevTools protocol: JSON messages with a NUL after each, through two pipes.

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")


class PageError(Exception):
    pass


class Chromium:
    """One window. `events` collects what the page does: (method, parameters)."""

    def __init__(self, timeout=60):
        program = next((found for found in map(shutil.which, NAMES) if found), None)
        if program is None:
            raise PageError("chromium is not installed")
        self.timeout, self.events, self.count, self.buffer = timeout, [], 0, b""
        self.profile = tempfile.TemporaryDirectory(prefix="gemvec-page-", ignore_cleanup_errors=True)
        # Numbers beyond 9, so that the shell's redirections to 3 and 4 overwrite neither.
        theirs_in, self.to_browser = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        self.from_browser, theirs_out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", program, "--headless=new",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1",
             f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.browser("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.browser("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.browser("Browser.close")
            self.process.wait(timeout=10)
        except (PageError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.to_browser)
        os.close(self.from_browser)
        self.profile.cleanup()

    def browser(self, method, **parameters):
        return self._call({"method": method, "params": parameters})

    def send(self, method, **parameters):
        return self._call({"method": method, "params": parameters, "sessionId": self.session})

    def _call(self, message):
        self.count += 1
        os.write(self.to_browser, json.dumps({"id": self.count, **message}).encode() + b"\0")
        deadline = time.monotonic() + self.timeout
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise PageError(f"{message['method']}: {answer['error']['message']}")
                return answer["result"]

    def _read(self, deadline):
        """The next message; events are also kept."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_browser], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.from_browser, 1 << 20) if ready else b""
            if not data:
                raise PageError("chromium does not answer")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    def evaluate(self, expression):
        """What the JavaScript expression comes to; a promise is waited for."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise PageError(f"{expression}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def wait_for(self, expression):
        deadline = time.monotonic() + self.timeout
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise PageError(f"this never came true: {expression}")
            time.sleep(0.05)

    def open(self, url):
        self.send("Page.navigate", url="about:blank")  # otherwise another fragment is no new page
        self.send("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def colours(self, scheme):
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def press(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self):
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
