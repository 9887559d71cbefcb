"""A headless Chromium that a test drives by its keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PATIENCE = 20.0


class Page:
    """A page in a browser with a new profile in `profile`."""

    def __init__(
        self, chromium: str, profile: Path, *, width: int = 1280, height: int = 800, dark: bool = False
    ) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, address: str) -> None:
        """Open a review and wait for its groups."""
        self.driver.get(address)
        self.until("document.querySelector('.group:not(.waiting)') || document.querySelector('.empty:not([hidden])')")

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self.driver.execute_script(f"return ({script});")

    def _value(self, script: str) -> Any:
        """Return the value of an expression, None where it names elements that are not there (yet)."""
        return self.driver.execute_script(f"try {{ return ({script}); }} catch {{ return null; }}")

    def until(self, script: str) -> Any:
        """Wait until a JavaScript expression is true, and return it."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, _PATIENCE, 0.05).until(lambda _driver: self._value(script), script)

    def keys(self, *names: str) -> None:
        """Press keys, one after the other; names of one letter are that letter, others those of selenium's Keys."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        chain = ActionChains(self.driver)
        for name in names:
            chain = chain.send_keys(name if len(name) == 1 else getattr(Keys, name.upper()))
        chain.perform()

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return str(self.run(f"document.querySelector({selector!r})?.textContent ?? ''"))

    def problems(self) -> list[str]:
        """Return what the browser complained about."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def shot(self, path: Path) -> None:
        """Save what is seen."""
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()


Opened = Callable[..., Page]
