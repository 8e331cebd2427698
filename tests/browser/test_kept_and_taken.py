"""What the labelling page keeps by itself, and what it takes from a file saved elsewhere."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.test_labelling_page import given, queue

pytestmark = pytest.mark.browser


def test_every_step_is_kept_at_once(page, tmp_path):
    """Whatever was done last, a page that is closed then has lost nothing."""
    path = queue(tmp_path, [f"own/{i}" for i in range(3)])
    page.open(path)

    def after_reload():
        page.reload()
        shown = page.element("comment").get_property("value")
        return page.text("count")[:6], page.text("heading"), page.text("answer"), shown

    page.press("1")
    assert after_reload() == ("1 of 3", "Clip 2 of 3", "no answer yet", "")
    page.press("c")
    page.press("far away")
    assert after_reload() == ("1 of 3", "Clip 2 of 3", "no answer yet", "far away")
    page.press("s")
    page.press("3")
    assert after_reload()[0] == "3 of 3", "the last answer too"
    page.press(Keys.ARROW_LEFT)
    assert after_reload()[1] == "Clip 2 of 3"
    page.press("u")
    page.press("2")
    page.press("z")
    assert after_reload() == ("3 of 3", "Clip 2 of 3", "unusable", "far away")
    page.element("name").send_keys("Ada")
    page.reload()
    assert page.element("name").get_property("value") == "Ada"


def test_a_queue_that_a_spreadsheet_saved_is_taken(page, tmp_path):
    """It writes semicolons and leaves out empty cells at the end; people write as they like."""
    page.open(queue(tmp_path, [f"own/{i}" for i in range(5)]))
    lines = [
        "Rank;UTT;audio;Label;Status;annotator;comment",
        "1;own/0;x;Anger ",
        "2;own/1;x;;Skipped",
    ]
    lines += ["3;own/2;x;SAD;labelled;;far away", "4;own/3;x", "5;own/4;x;furious;;;;"]
    saved = tmp_path / "saved.csv"
    saved.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    taken, left = page.give(saved).removeprefix("saved.csv: ").splitlines()
    assert taken.startswith("3 answers taken") and left.startswith("1 rows have an unknown")
    page.call_me("Ada")
    found = given(page.download())
    assert found["own/0"] == ("labelled", "anger", "")
    assert found["own/1"] == ("skipped", "", "")
    assert found["own/2"] == ("labelled", "sad", "far away")
    assert found["own/3"] == found["own/4"] == ("", "", "")
