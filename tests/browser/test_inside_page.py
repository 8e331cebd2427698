"""The page that looks inside an arm, in a real browser: sounds, rounds, map and mistakes."""

import pytest
from made_up_arm import config, write_run
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from selenium.webdriver.support.wait import WebDriverWait

from after_ser.studies.inside.page import write_page

pytestmark = pytest.mark.browser


class InsidePage:
    """What a reader of the page clicks on and sees."""

    def __init__(self, driver, root, embedded):
        settings = config(embedded=embedded)
        path = root / "results/made-up/inside/both/after.html"
        write_page(settings, write_run(root, settings), path.relative_to(root), root)
        self.driver = driver
        driver.get(path.as_uri())

    def rows(self, body):
        rows = self.driver.find_elements(By.CSS_SELECTOR, f"#{body} tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]

    def play(self, body, row):
        button = self.driver.find_elements(By.CSS_SELECTOR, f"#{body} button")[row]
        # the player lies over the lower edge of the window
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        played = "return document.getElementById('sound').currentTime > 0.05"
        WebDriverWait(self.driver, 30, 0.1).until(lambda d: d.execute_script(played))
        utt = self.text("playing").partition(" · ")[0]
        # the sound is that of the clip that is named, from inside the page or from its file
        data, source = self.driver.execute_script(
            "return [JSON.parse(document.getElementById('data').textContent),"
            " document.getElementById('sound').getAttribute('src')]"
        )
        number = next(i for i, clip in enumerate(data["clips"]) if clip["utt"] == utt)
        sounds = data["sounds"]
        assert source == (sounds[str(number)] if sounds else data["clips"][number]["file"])
        return utt

    def text(self, name):
        return self.driver.find_element(By.ID, name).text

    def choose(self, name, value):
        Select(self.driver.find_element(By.ID, name)).select_by_visible_text(value)

    def press(self, group, starting):
        buttons = self.driver.find_elements(By.CSS_SELECTOR, f"#{group} button")
        next(button for button in buttons if button.text.startswith(starting)).click()

    def until(self, index):
        self.driver.execute_script(
            "const one = document.getElementById('until'); one.value = arguments[0];"
            "one.dispatchEvent(new Event('input'))",
            index,
        )

    def dots(self, colour=""):
        ask = f"#map circle{colour}"
        return len(self.driver.find_elements(By.CSS_SELECTOR, ask))


@pytest.mark.parametrize("embedded", [10, 0], ids=["embedded", "files"])
def test_clips_of_each_round_are_listed_and_play(driver, tmp_path, embedded):
    page = InsidePage(driver, tmp_path, embedded)
    page.press("rounds", "round 0")
    assert [row[2] for row in page.rows("pick-rows")] == ["one/a", "one/c"]
    page.press("rounds", "round 1")
    assert [row[2] for row in page.rows("pick-rows")] == ["one/b", "two/e"]
    assert page.play("pick-rows", 1) == "two/e"
    page.choose("run", "fold 2, seed 0")
    assert [row[2] for row in page.rows("pick-rows")] == ["one/a", "one/b"]
    assert page.play("pick-rows", 0) == "one/a"
    assert not driver.get_log("browser")


def test_the_map_follows_the_rounds_and_colours(driver, tmp_path):
    page = InsidePage(driver, tmp_path, 0)
    for index, latest in ((0, 2), (1, 2)):
        page.until(index)
        assert (page.dots(), page.dots('[stroke="#000"]')) == (8, latest)
        assert page.text("until-text").startswith(f"round {index}")
        assert f"not picked yet ({6 - 2 * index} shown)" in page.text("legend")
    page.choose("colour", "class")
    assert page.text("legend").split() == ["anger", "neutral"]
    page.choose("colour", "corpus")
    assert page.text("legend").split() == ["one", "two"]


def test_mistakes_are_listed_by_where_the_clips_are_from(driver, tmp_path):
    page = InsidePage(driver, tmp_path, 10)
    page.press("kinds", "test")
    assert [row[1] for row in page.rows("suspects")] == ["one/t2"]
    assert page.play("suspects", 0) == "one/t2"
    page.press("kinds", "validation")
    assert [row[1] for row in page.rows("suspects")] == ["one/v1"]
