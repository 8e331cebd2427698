"""The labelling page in a real browser: keys, clicks, reload, download, import, hostile names."""

import csv
import io
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from after_ser.studies.annotation.page import write_page
from after_ser.studies.annotation.queue import QueuedClip
from tests.browser.labelling import COLUMNS, answers

pytestmark = pytest.mark.browser

CLASSES = ["anger", "neutral", "sad", "happy"]
OWN = "document.documentElement.setAttribute('owned', 1)"
HARM = [
    f"</script><script>{OWN}</script><!--",
    f'<img src=x onerror="{OWN}">',
    f"\"'><svg onload={OWN}>, \"quoted\"; 'too'",
    "two\nlines, and a {{data}} slot\t",
    '=HYPERLINK("http://x")',
    "__proto__",
    "constructor",
    "ümläut \u2028 😀 $& %2e%2e #?x",
]


def queue(folder, utts, classes=CLASSES, embed=True, names=None):
    """Write a page for short tones and return its path."""
    (folder / "audio").mkdir(parents=True)
    clips = []
    for index, utt in enumerate(utts):
        path = folder / "audio" / (names[index] if names else f"{index}.wav")
        tone = np.sin(np.arange(4000 + 800 * index) / 10).astype("float32") / 4
        soundfile.write(path, tone, 16_000, subtype="PCM_16", format="WAV")
        clips.append(QueuedClip(index + 1, utt, path, len(tone) / 16_000))
    page = folder / "annotations/own/round1/page.html"
    write_page(page, run="own", asked="round1", classes=classes, clips=clips[::-1], embed=embed)
    return page


def given(path):
    return {row["utt"]: (row["status"], row["label"], row["comment"]) for row in answers(path)}


@pytest.mark.parametrize("embed", [True, False], ids=["embedded", "files"])
def test_a_queue_is_labelled_with_a_reload_in_between(page, tmp_path, embed):
    utts = [f"own/clip{i}" for i in range(10)]
    page.open(queue(tmp_path, utts, embed=embed))
    assert page.text("heading") == "Clip 1 of 10" and page.text("answer") == "no answer yet"
    page.call_me("Ada Lovelace")
    page.press("1")
    page.press("4")
    page.choose("sad")
    page.press("s")
    page.press("u")
    page.click("skip")
    assert page.text("heading") == "Clip 7 of 10" and "6 of 10 answered" in page.text("count")
    page.press("2")
    page.press("z")
    assert page.text("heading") == "Clip 7 of 10" and page.text("answer") == "no answer yet"
    page.comment('far away, "noisy"; 1234 sz')
    assert page.text("answer") == "no answer yet", "what is typed is no answer"

    page.reload()
    assert page.text("heading") == "Clip 7 of 10" and "6 of 10 answered" in page.text("count")
    assert page.element("name").get_property("value") == "Ada Lovelace"
    assert page.element("comment").get_property("value") == 'far away, "noisy"; 1234 sz'
    page.press("3")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert page.text("heading") == "Clip 5 of 10" and page.text("answer") == "unusable"
    page.press("2")
    assert page.text("heading") == "Clip 8 of 10", "on to the next one without an answer"
    partial = answers(page.download())
    assert [row["status"] for row in partial[7:]] == ["", "", ""]
    assert [row["annotator"] for row in partial[6:8]] == ["Ada Lovelace", ""]
    page.press("4", Keys.ARROW_LEFT, "n", "4", "1")
    assert page.element("done").is_displayed() and "10 of 10 answered" in page.text("count")

    rows = answers(page.download())
    assert [row["utt"] for row in rows] == utts
    assert [row["rank"] for row in rows] == [str(i) for i in range(1, 11)]
    assert [row["audio"] for row in rows] == [f"../../../audio/{i}.wav" for i in range(10)]
    assert {row["annotator"] for row in rows} == {"Ada Lovelace"}
    expected = ["anger", "happy", "sad", "", "neutral", "", "sad", "happy", "happy", "anger"]
    statuses = ["labelled"] * 3 + ["skipped", "labelled", "skipped"] + ["labelled"] * 4
    assert [row["label"] for row in rows] == expected
    assert [row["status"] for row in rows] == statuses
    assert [row["comment"] for row in rows] == [""] * 6 + ['far away, "noisy"; 1234 sz'] + [""] * 3


@pytest.mark.parametrize("embed", [True, False], ids=["embedded", "files"])
def test_space_plays_and_a_lost_file_is_told(page, tmp_path, embed):
    path = queue(tmp_path, ["own/a", "own/b"], embed=embed, names=["a #1 50%.wav", "b ü?.wav"])
    (tmp_path / "audio/b ü?.wav").unlink()
    page.open(path)
    sound = "return document.getElementById('audio')"
    page.press(Keys.SPACE)
    page.wait(lambda: page.script(f"{sound}.currentTime") > 0.05, "it plays")
    page.wait(lambda: page.script(f"{sound}.ended"), "it comes to its end")
    assert page.element("play").text == "Play again"
    page.click("play")
    page.wait(lambda: page.script(f"{sound}.played.length") > 0, "the button plays it again")
    page.press("1")
    if embed:
        page.wait(lambda: page.script(f"{sound}.currentTime") > 0.05, "the next plays by itself")
        assert "cannot be played" not in page.text("notice")
    else:
        page.expected = ["ERR_FILE_NOT_FOUND"]
        page.wait(lambda: "Clip 2 cannot be played" in page.text("notice"), "it is told")
        page.press("u")
        assert page.element("done").is_displayed()


def test_hostile_names_do_no_harm(page, tmp_path):
    files = ["'\"><img src=x onerror=alert(1)>.wav", "=1+1.wav", "..%2e.wav", "a b,c;d.wav"]
    utts = [f"own/{text}" for text in HARM[:4]]
    page.open(queue(tmp_path, utts, classes=HARM, embed=False, names=files))
    page.call_me("=cmd|' /C calc'!A0")
    page.click("all")
    page.script("document.getElementById('names').click()")
    shown = [e.text for e in page.driver.find_elements(By.CSS_SELECTOR, "#classes span")]
    assert shown[0] == HARM[0] and shown[1] == HARM[1]
    assert page.text("utt") == utts[0]
    for key, text in zip("1357", HARM[::2], strict=True):
        page.comment(f"@{text[:4]}")
        page.press(key)
    assert page.element("done").is_displayed()
    page.reload()
    rows = answers(page.download())
    assert [row["utt"] for row in rows] == utts
    assert [row["label"] for row in rows] == HARM[::2], "labels are what the queue calls them"
    assert {row["annotator"] for row in rows} == {"'=cmd|' /C calc'!A0"}
    assert [row["comment"] for row in rows] == [f"'@{text[:4]}" for text in HARM[::2]]
    assert page.script("return document.documentElement.getAttribute('owned')") is None
    assert page.script("return document.querySelectorAll('img, svg:not(#play svg)').length") == 0
    assert page.script("return document.scripts.length") == 4


def test_an_earlier_file_is_gone_on_from(page, tmp_path):
    utts = [f"own/{text}" for text in HARM]
    path = queue(tmp_path, utts, classes=HARM)
    page.open(path)
    page.call_me("Grace")
    page.comment("=1+1")
    page.press("42s")
    first = page.download()
    page.forget()

    page.open(path)
    assert "0 of 8" in page.text("count"), "nothing is kept"
    assert "3 answers taken" in page.give(first).splitlines()[0]
    assert page.element("name").get_property("value") == "Grace"
    assert page.text("heading") == "Clip 4 of 8"
    page.press("1")
    second = given(page.download())
    assert second == given(first) | {utts[3]: ("labelled", HARM[0], "")}
    assert second[utts[0]] == ("labelled", HARM[3], "'=1+1")
    page.press("z", "z")
    assert "0 of 8" in page.text("count"), "an import is one step"


def test_what_a_file_may_not_bring(page, tmp_path):
    page.open(queue(tmp_path, [f"own/{i}" for i in range(6)]))
    page.call_me("Ada")
    page.press("1")
    other = tmp_path / "other.csv"
    lines = [
        *("own/0;sad;labelled;Ada", "own/1;sad;labelled;Ada", "own/2;fear;labelled;Ada"),
        *("own/3;sad;labelled;Ada", "own/3;happy;labelled;Ada", "own/4;;gone;Ada"),
        *("own/5;happy;;Ada", "foreign;sad;labelled;Ada", "own/1;sad;labelled;Ada"),
    ]
    header = "utt;label;status;annotator"
    other.write_text("\ufeff" + "\r\n".join([header, *lines]) + "\r\n", encoding="utf-8")
    expected = [
        "2 answers taken from the file.",
        "1 clips have other answers here, which stay.",
        "1 clips are in the file twice with different answers: not taken.",
        "2 rows have an unknown label or status: not taken.",
        "1 rows are about clips of another queue: not taken.",
    ]
    assert page.give(other).removeprefix("other.csv: ").splitlines() == expected
    assert given(page.download())["own/0"] == ("labelled", "anger", "")
    for content, what in (
        ("a,b\n1,2\n", "no column utt"),
        (f'{",".join(COLUMNS)}\n1,own/1,x,"sad', "breaks off"),
        (f"{header.replace(';', ',')}\nown/1,sad,labelled,Ada,x\n", "row 2 has 5 cells"),
        (f"{header}\nown/2;sad;labelled;Bob\n", "it is by Bob"),
        (f"{header}\nown/2;sad;labelled;Ada\nown/3;sad;labelled;Bob\n", "answers of 2 people"),
        ("", "empty"),
    ):
        other.write_text(content, encoding="utf-8")
        assert what in page.give(other) and "3 of 6" in page.text("count")


def test_a_browser_that_keeps_nothing(page, tmp_path):
    code = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }"
    with page.before_each_load(code):
        page.open(queue(tmp_path, ["own/a", "own/b", "own/c"]))
        assert "does not keep your answers" in page.text("notice")
        page.call_me("Ada")
        page.press("12")
        # a driver accepts the browser's question before it can be seen, so the page is asked
        leave = "const e = new Event('beforeunload', {cancelable: true}); return !dispatchEvent(e)"
        assert page.script(leave), "it asks before the answers are lost"
        assert "2 of 3 answered" in page.text("count")
        rows = answers(page.download())
        assert [row["label"] for row in rows] == ["anger", "neutral", ""]
        assert not page.script(leave), "nothing is lost, so nothing is asked"
        page.reload()
        assert "0 of 3 answered" in page.text("count")


def test_what_the_browser_kept_is_not_trusted(page, tmp_path):
    path = queue(tmp_path, ["own/a", "own/b", "own/c"])
    page.open(path)
    page.press("1")
    key = page.script("return Object.keys(localStorage).find((name) => name.includes('round1'))")
    assert key.startswith("after-ser/own/round1/")
    bad = (
        '{"version":1,"name":7,"at":99,"answers":{"own/a":{"status":"labelled","label":"fear"},'
        '"own/b":{"status":"labelled","label":"sad","comment":5},"own/c":null,"x":{}}}'
    )
    for kept, count in (("{", 0), ("[]", 0), ('{"version":2}', 0), ("null", 0), (bad, 1)):
        before = f"localStorage.setItem({json.dumps(key)}, {json.dumps(kept)})"
        with page.before_each_load(before):
            page.reload()
        assert f"{count} of 3 answered" in page.text("count"), kept
    assert page.text("heading") == "Clip 1 of 3"


def test_another_queue_has_other_answers(page, tmp_path):
    page.open(queue(tmp_path / "one", ["own/a", "own/b"]))
    page.press("1")
    page.open(queue(tmp_path / "two", ["own/a", "own/c"]))
    assert "0 of 2" in page.text("count")


def test_keys_of_the_keyboard_alone(page, driver, tmp_path):
    page.open(queue(tmp_path, [f"own/{i}" for i in range(5)]))
    key = {"key": "1", "code": "Digit1", "text": "1", "windowsVirtualKeyCode": 49}
    for repeated in (False, True, True):
        held = {**key, "type": "keyDown", "autoRepeat": repeated}
        driver.execute_cdp_cmd("Input.dispatchKeyEvent", held)
    driver.execute_cdp_cmd("Input.dispatchKeyEvent", {**key, "type": "keyUp"})
    assert "1 of 5" in page.text("count"), "a key that is held answers one clip"
    french = {"key": "é", "code": "Digit2", "type": "keyDown", "text": "é"}
    driver.execute_cdp_cmd("Input.dispatchKeyEvent", french)
    assert "2 of 5" in page.text("count"), "digits need no shift on a French keyboard"
    driver.execute_cdp_cmd("Input.dispatchKeyEvent", {**key, "type": "keyDown", "modifiers": 2})
    assert "2 of 5" in page.text("count"), "Ctrl+1 is the browser's"
    page.script("document.getElementById('skip').focus()")
    page.press(Keys.SPACE)
    assert page.text("heading") == "Clip 4 of 5", "a button that has the keyboard is pressed"
    page.press("z")
    assert page.text("heading") == "Clip 3 of 5"


def test_every_control_has_a_name_and_is_large_enough(page, driver, tmp_path):
    page.open(queue(tmp_path, [f"own/{i}" for i in range(3)]))
    page.script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    try:
        for width in (1280, 360):
            driver.set_window_size(width, 900)
            shown = driver.find_elements(
                By.CSS_SELECTOR, "button, input, textarea, select, progress"
            )
            shown = [element for element in shown if element.is_displayed()]
            assert len(shown) > 20
            for element in shown:
                assert element.accessible_name.strip(), element.get_attribute("outerHTML")
            for button in driver.find_elements(By.CSS_SELECTOR, "#clip button"):
                assert min(button.size["height"], button.size["width"]) >= 44
            wide = "return document.documentElement.scrollWidth - innerWidth"
            assert page.script(wide) <= 0, "nothing is beside the screen"
    finally:
        driver.set_window_size(1280, 1000)


class Counter(BaseHTTPRequestHandler):
    seen: list[str] = []

    def do_GET(self):
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_the_page_reaches_no_network(page, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    ask = (
        "const done = arguments[1], url = arguments[0]; new Image().src = url + '/image';"
        "const sound = new Audio(url + '/sound'); sound.load();"
        "const script = document.createElement('script'); script.src = url + '/script';"
        "document.body.append(script);"
        f"const inline = document.createElement('script'); inline.textContent = `{OWN}`;"
        f"document.body.append(inline); setTimeout(`{OWN}`, 0);"
        "fetch(url + '/fetch').then(() => done('reached'), () => done('refused'));"
    )
    own = "return document.documentElement.getAttribute('owned')"
    try:
        policed = queue(tmp_path, ["own/a"])
        free = policed.with_name("free.html")
        text = re.sub('content="default-src[^"]*"', "", policed.read_text("utf-8"))
        free.write_text(text, "utf-8")
        page.open(free)
        assert page.driver.execute_async_script(ask, url) == "reached", "it would be seen"
        page.wait(lambda: len(set(Counter.seen)) == 4, "by every way")
        page.wait(lambda: page.script(own) == "1", "text would run as code")
        Counter.seen.clear()
        page.complaints()
        page.open(policed)
        page.expected = ["Content Security Policy", "violates", "Refused to"]
        assert page.driver.execute_async_script(ask, url) == "refused"
        assert page.script(own) is None, "no text runs as code"
        assert Counter.seen == []
    finally:
        server.shutdown()
        server.server_close()


def test_the_csv_is_read_back_as_it_was(page, tmp_path):
    """The page's own reader and Python's agree about everything that Python can write."""
    page.open(queue(tmp_path, ["own/a"]))
    cells = [*HARM, "", " ", "'", "''=", '"', '""', ",", ";", "\r", "\n", "\r\n", "a\u0000b", "'x"]
    target = tmp_path / "cells.csv"
    with target.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        writer.writerows([[i, cell, cell, cell, "", "", cell] for i, cell in enumerate(cells)])
    text = target.read_bytes().decode()
    read = page.script("return parseCsv(arguments[0])", text)
    assert [row["utt"] for row in read] == cells
    written = page.script("return formatCsv(parseCsv(arguments[0]))", text)
    rows = list(csv.DictReader(io.StringIO(written, newline=""), strict=True))
    assert rows == read and [row["comment"] for row in rows] == cells
