"""JupyterLab on a free port of localhost, on a copy of a notebook, driven by Chromium through playwright."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
CHECKOUT = Path(__file__).resolve().parents[2]

PICTURE = ".nfvlab-picture"
# In the page: note every frame in which the picture is missing or not decoded, and when a new one is painted.
WATCH = """
place => {
  const picture = () => document.querySelector(place + ' img');
  const seen = window.nfvlabSeen = {frames: 0, blank: 0, painted: [], pressed: 0, src: picture().src};
  document.addEventListener('keydown', event => { seen.pressed = event.timeStamp; }, true);
  const look = () => {
    const img = picture();
    seen.frames += 1;
    if (!img || !img.complete || img.naturalWidth === 0 || img.clientHeight < 50) seen.blank += 1;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new MutationObserver(() => {
    const img = picture();
    if (!img || img.src === seen.src) return;
    seen.src = img.src;
    const note = () => seen.painted.push(performance.now());
    img.decode().then(() => requestAnimationFrame(() => setTimeout(note, 0)));
  }).observe(document.querySelector(place), {childList: true, subtree: true, attributes: true});
}
"""


@dataclass
class Session:
    """An open notebook: the playwright page, and every request and error seen since it was opened."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """Requests that left this machine."""
        local = (
            "http://127.0.0.1:",
            "http://localhost:",
            "ws://127.0.0.1:",
            "ws://localhost:",
            "data:",
            "blob:",
        )
        return [url for url in self.requests if not url.startswith(local)]

    def run_all(self, place: str = PICTURE, timeout_s: float = 120) -> None:
        """Run every cell and wait until there is a picture in that place and the kernel is at rest."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_selector(f"{place} img", timeout=1000 * timeout_s)
        self.page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=1000 * timeout_s
        )

    def watch(self, place: str = PICTURE) -> None:
        """Start counting frames and the pictures in that place."""
        self.page.evaluate(WATCH, place)

    def seen(self) -> dict:
        """What `watch` has counted: frames, blank ones, times at which a new picture was painted (ms)."""
        return self.page.evaluate("() => window.nfvlabSeen")

    def press(self, key: str, wait_ms: float = 5000) -> float | None:
        """Press a key on the focused control; milliseconds until a new picture is painted, or None."""
        before = len(self.seen()["painted"])
        self.page.keyboard.press(key)
        try:
            self.page.wait_for_function(f"window.nfvlabSeen.painted.length > {before}", timeout=wait_ms)
        except PlaywrightTimeout:
            return None
        seen = self.seen()
        return seen["painted"][before] - seen["pressed"]


def notebook(cells: Sequence[str], path: Path) -> Path:
    """Write a notebook of code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def panel_of(path: Path) -> list[str]:
    """The first code cell of a notebook, which imports, and the first one with a panel."""
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [sources[0], next(source for source in sources if "explore(" in source)]


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """JupyterLab serving a folder, its settings in there too; yields the address of a file, with token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    state = folder / ".state"
    homes = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    environment = {**os.environ, **{name: str(state / name.lower()) for name in homes}}
    environment["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"]
    quiet = state / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with (state / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/api/status?token={token}", server, state / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(url: str, server: subprocess.Popen, log: Path, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                json.load(reply)
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def opened(path: Path, *, width: int = 1280, height: int = 860) -> Iterator[Session]:
    """A copy of the notebook, open in JupyterLab in headless Chromium; the original stays as it is."""
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder)) as address, sync_playwright() as driver:
        shutil.copy(path, folder)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            session = Session(page)
            page.on("request", lambda request: session.requests.append(request.url))
            page.on("websocket", lambda socket: session.requests.append(socket.url))
            page.on("pageerror", lambda error: session.errors.append(str(error)))
            page.goto(address.format(path.name), wait_until="domcontentloaded")
            page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")
            yield session
        finally:
            browser.close()


@contextmanager
def panel(source: Path, folder: Path, *more: str, height: int = 860) -> Iterator[Session]:
    """A notebook's panel, and more cells after it, run and watched; written into `folder` first."""
    path = notebook([*panel_of(source), *more], folder / source.name)
    with opened(path, height=height) as session:
        session.run_all()
        session.watch()
        yield session


def row(page: Page, label: str) -> Locator:
    """The first row of a panel with that label."""
    return page.locator(".nfvlab-row", has=page.get_by_text(label, exact=True)).first
