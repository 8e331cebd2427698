"""What a person does on a labelling page, with real keys and clicks."""

import csv
import time
from contextlib import contextmanager

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

COLUMNS = ["rank", "utt", "audio", "label", "status", "annotator", "comment"]
PATIENCE = 30  # seconds; only what does not work takes so long


class LabellingPage:
    def __init__(self, driver, downloads):
        self.driver, self.downloads = driver, downloads
        self.expected = []  # complaints of the browser that a test provokes, by a part of them

    def open(self, path):
        self.driver.get(path.resolve().as_uri())
        return self

    def reload(self):
        self.driver.refresh()

    def element(self, name):
        return self.driver.find_element(By.ID, name)

    def text(self, name):
        return self.element(name).text

    def press(self, *keys):
        """Type keys into whatever has the keyboard, as a person does."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, name):
        self.element(name).click()

    def choose(self, label):
        """Click the button of a class."""
        buttons = self.driver.find_elements(By.CSS_SELECTOR, "#classes button")
        next(b for b in buttons if b.find_element(By.TAG_NAME, "span").text == label).click()

    def call_me(self, name):
        self.element("name").clear()
        self.element("name").send_keys(name, Keys.ENTER)

    def comment(self, text):
        self.press("c")
        self.press(text, Keys.ENTER)

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    @contextmanager
    def before_each_load(self, code):
        """Run a script before those of any page that is loaded inside this block."""
        add, remove = (f"Page.{one}ScriptToEvaluateOnNewDocument" for one in ("add", "remove"))
        script = self.driver.execute_cdp_cmd(add, {"source": code})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd(remove, script)

    def wait(self, condition, why):
        return WebDriverWait(self.driver, PATIENCE, 0.1).until(lambda _: condition(), why)

    def download(self):
        """Click the download, wait for the file, and return its path."""
        before = set(self.downloads.glob("*.csv"))
        self.click("export")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            new = set(self.downloads.glob("*.csv")) - before
            if new and not list(self.downloads.glob("*.crdownload")):
                return new.pop()
            time.sleep(0.1)
        raise AssertionError("nothing was downloaded")

    def give(self, path):
        """Choose a file in the import's dialog and wait for what the page says about it."""
        self.script("document.getElementById('report').textContent = ''")
        self.element("file").send_keys(str(path))
        return self.wait(lambda: self.text("report"), "the file is reported")

    def complaints(self):
        """What the browser wrote to its console (errors of scripts, refused requests)."""
        entries = [entry["message"] for entry in self.driver.get_log("browser")]
        return [text for text in entries if not any(part in text for part in self.expected)]

    def forget(self):
        if self.driver.current_url.startswith("file:"):
            self.script("localStorage.clear()")
        self.driver.get("about:blank")


def answers(path):
    """The rows of a downloaded CSV as Python's own reader sees them."""
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS
    return rows
