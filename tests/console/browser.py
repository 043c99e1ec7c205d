"""A real browser, driven by Selenium: Chromium of the distribution, without a window."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from deadlines import until

AXE = Path(__file__).parent / "axe"
WITHIN_S = 20.0
# A browser tells in its console of every answer that is a refusal, also where the page expects it and copes; and of
# requests that were broken off because the machine has got another network, as with each container that starts.
EXPECTED = ("Failed to load resource: the server responded with a status of", "net::ERR_NETWORK_CHANGED")


class Browser:
    """One window. What the page complains of in the browser's console is kept until `complaints` is asked."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, view: str = "") -> None:
        """Show a view of the console, as `#/keys`."""
        self.driver.get(f"{self.url}/{view}")
        self._await_start()

    def reload(self) -> None:
        """Load the page again."""
        self.driver.refresh()
        self._await_start()

    def _await_start(self) -> None:
        """Wait until the console has started; load it again where a part was broken off."""

        def has_started() -> bool:
            if self.all("#console > *"):
                return True
            if any(EXPECTED[1] in str(each) for each in self.driver.get_log("browser")):  # type: ignore[no-untyped-call]
                self.driver.refresh()
            return False

        until(has_started, WITHIN_S, "the console does not start")

    def resize(self, width: int, height: int) -> None:
        """Make the page so large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def theme(self, name: str) -> None:
        """Let the system prefer `light` or `dark`."""
        features = [
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str, *arguments: object) -> Any:
        """Run `script` in the page."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that fit."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def see(self, selector: str, text: str = "", within_s: float = WITHIN_S) -> WebElement:
        """Wait until an element that fits is seen, with `text` in it; return it."""

        def found() -> WebElement | None:
            try:
                return next((each for each in self.all(selector) if each.is_displayed() and text in each.text), None)
            except (StaleElementReferenceException, NoSuchElementException):
                return None

        return until(found, within_s, f"{selector} {text!r} is not seen:\n{self.text()[:1500]}")

    def wait(self, condition: Callable[[], Any], otherwise: str, within_s: float = WITHIN_S) -> Any:
        """Wait until `condition` holds; elements may come and go meanwhile."""

        def holds() -> Any:
            try:
                return condition()
            except StaleElementReferenceException:
                return None

        return until(holds, within_s, otherwise)

    def click(self, selector: str, text: str = "") -> None:
        """Click what is seen."""
        self.see(selector, text).click()

    def fill(self, selector: str, text: str) -> None:
        """Put `text` into a field in place of what is there."""
        field = self.see(selector)
        field.clear()
        field.send_keys(text)

    def text(self) -> str:
        """Return all that the page shows."""
        return str(self.run("return document.body ? document.body.innerText : ''"))

    def upload(self, *files: Path, by: str = "#files") -> None:
        """Choose files, or a folder, in the field `by` of the dialog for uploads."""
        self.click("#upload")
        self.see("dialog")
        field = self.driver.find_element(By.CSS_SELECTOR, by)
        field.send_keys("\n".join(str(file) for file in files))

    def complaints(self) -> list[str]:
        """Return what the browser's console has said since it was asked: errors of scripts, and of the policy."""
        logged: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        said = [each["message"] for each in logged if each["level"] == "SEVERE"]
        return [message for message in said if not any(words in message for words in EXPECTED)]

    def violations(self) -> list[str]:
        """Return what axe-core finds in the page."""
        self.run((AXE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def screenshot(self, path: Path) -> None:
        """Write what is seen into a PNG."""
        path.write_bytes(self.driver.get_screenshot_as_png())


@contextmanager
def browser(url: str) -> Iterator[Browser]:
    """Start a browser for the console at `url`; skip the test if there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium is not installed (apt install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--lang=en-GB"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # the sandbox refuses root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = Chrome(options=options, service=ChromeService(driver))
    try:
        shown = Browser(started, url)
        shown.resize(1280, 800)
        shown.theme("light")
        yield shown
    finally:
        started.quit()


def install_axe() -> None:
    """Install axe-core, as its lock has it."""
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]
    subprocess.run(install, cwd=AXE, check=True, capture_output=True)


def pretty(found: list[str]) -> str:
    """Return the findings one below the other."""
    return json.dumps(found, indent=2, ensure_ascii=False)
