"""A headless Chromium for the tests; without one they fail, since a skipped test proves nothing."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.browser.labelling import LabellingPage


def program(*names):
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"no {names[0]} on this machine; make test-browser installs it", pytrace=False)
    return found


def browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for argument in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "mute-audio"),
        "disable-features=LocalNetworkAccessChecks",  # which would ask about the tests' own server
        *("window-size=1280,1000", f"user-data-dir={folder / 'profile'}", "lang=en"),
    ):
        options.add_argument(f"--{argument}")
    downloads = folder / "downloads"
    downloads.mkdir(exist_ok=True)
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(downloads), "download.prompt_for_download": False},
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(program("chromedriver")))


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    driver = browser(folder)
    driver.downloads = folder / "downloads"
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    """A page to open; afterwards the browser keeps nothing, and has complained about nothing."""
    page = LabellingPage(driver, driver.downloads)
    yield page
    complaints = page.complaints()
    page.forget()
    assert not complaints
