"""A headless Chromium that a test drives: opens a page, waits for text, gives it a file, takes a picture."""

import base64
import contextlib
import json
import re
import subprocess
from shutil import which

from websockets.sync.client import connect

PROGRAM = which("chromium") or which("chromium-browser") or which("google-chrome")
_LONGEST = 60  # seconds that a page may take to show something
# Resolves as soon as the condition holds after a change of the page.
_WAIT = """new Promise((resolve, reject) => {
  const holds = () => %s;
  const look = () => { if (holds()) { watch.disconnect(); resolve(true); } };
  const watch = new MutationObserver(look);
  watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
  setTimeout(() => { watch.disconnect(); reject(document.body.innerText); }, %d);
  look();
})"""


class Browser:
    """One page of a browser that was started for it.

    Args:
        profile: an empty folder.
    """

    def __init__(self, profile):
        self._process = subprocess.Popen(
            [
                PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                "--window-size=1280,1000", "--hide-scrollbars", "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream", f"--user-data-dir={profile}", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        address = next(filter(None, (re.search(r"ws://\S+", line) for line in self._process.stderr)))
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(address[0], max_size=None))
        self._number, self._session = 0, None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv(_LONGEST + 10))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        """Goes to a page."""
        self._call("Page.navigate", url=url)

    def run(self, script):
        """The value of a JavaScript expression; promises are waited for."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition):
        """Until a JavaScript expression holds."""
        self.run(_WAIT % (condition, 1000 * _LONGEST))

    def wait_for(self, text):
        """Until the page shows a text."""
        self.wait(f"document.body && document.body.innerText.includes({json.dumps(text)})")

    def text(self):
        """All that the page shows."""
        return self.run("document.body.innerText")

    def click(self, selector, text=""):
        """Clicks the first element of a CSS selector that holds a text."""
        elements, text = f"document.querySelectorAll({json.dumps(selector)})", json.dumps(text)
        chosen = f"[...{elements}].find(element => !element.disabled && element.innerText.includes({text}))"
        self.wait(chosen)
        self.run(f"{chosen}.click()")

    def load(self):
        """Until all pictures are there; how many."""
        return self.run(
            "Promise.all([...document.images].map(image => image.decode())).then(all => all.length)"
        )

    def film(self):
        """Until the page shows a camera's first picture."""
        self.wait("document.querySelector('video')")
        self.run(
            """new Promise(done => {
              const video = document.querySelector('video');
              if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) done();
              else video.addEventListener('loadeddata', () => done());
            })"""
        )

    def give(self, selector, path):
        """Gives an input element a file, as dropping it does."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self):
        """A PNG of what is seen."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
