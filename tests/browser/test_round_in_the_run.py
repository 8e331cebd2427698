"""A person labels a round in a real browser, and the run goes on to the next one."""

import shutil

import pytest
from people import (
    CONFIG,
    RUN,
    fill_csv,
    last_line,
    read_queue,
    recordings,
    snakemake,
    write_speech,
)
from selenium.webdriver.common.keys import Keys

from tests.browser.labelling import answers

pytestmark = pytest.mark.browser


def go_on(folder):
    done = snakemake(folder, CONFIG)
    assert done.returncode == 0, done.stderr[-4000:]
    return last_line(done)


def test_a_round_labelled_on_the_page_brings_the_run_to_the_next_round(page, tmp_path):
    truth = write_speech(tmp_path / "speech", recordings(tmp_path / "recorded"), labels=False)
    own = tmp_path / "annotations" / RUN
    go_on(tmp_path)
    fill_csv(own / "val/answers/val.csv", read_queue(own / "val"), truth)
    assert "round0" in go_on(tmp_path)
    asked = read_queue(own / "round0")
    assert len(asked) > 1

    page.open(own / "round0/page.html")
    page.call_me("Ada")
    buttons = page.driver.find_elements("css selector", "#classes button span")
    classes = [button.text for button in buttons]
    # the first by a click, all others by the class's key
    page.choose(truth[asked[0]["utt"]])
    for row in asked[1:]:
        page.press(Keys.SPACE)
        page.press(str(1 + classes.index(truth[row["utt"]])))
    assert page.element("done").is_displayed()
    exported = page.download()
    rows = answers(exported)
    assert {row["utt"]: row["label"] for row in rows} == {
        row["utt"]: truth[row["utt"]] for row in asked
    }
    shutil.copy(exported, own / "round0/answers")

    assert "round1" in go_on(tmp_path)
    assert (own / "round1/page.html").is_file() and read_queue(own / "round1")
    fitted = next((tmp_path / "results" / RUN).rglob("round0/labelled.tsv"))
    for row in asked:
        assert row["utt"] in fitted.read_text(encoding="utf-8")
