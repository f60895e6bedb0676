"""The report as people use it: in a browser, by mouse and keyboard, on a phone, in the dark."""

import json
import re
from pathlib import Path

import pytest
from browser import CHROMEDRIVER, CHROMIUM, browser

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER),
    reason="needs a browser: chromium and chromedriver (Debian: chromium, chromium-driver)",
)
TAB, ENTER, ESCAPE, RIGHT, DOWN = "\ue004", "\ue007", "\ue00c", "\ue014", "\ue015"
TABS = 40  # more than there are stops before the pictures
CHOOSE = """
const control = document.forms.filters.elements[arguments[0]];
control.value = arguments[1];
document.forms.filters.dispatchEvent(new Event("change"));
"""
CHOOSE_CLASS = """
[...document.forms.filters.elements["class"]].find((one) => one.value === arguments[0]).click();
"""
SHOWN = """
return [...document.querySelectorAll("article")].filter((one) => one.checkVisibility())
  .map((one) => ({tags: JSON.parse(one.dataset.tags), iou: JSON.parse(one.dataset.iou),
    split: one.dataset.split}));
"""
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(window, report):
    """The report, freshly loaded on a desktop; logs of earlier pages are forgotten."""
    window.look(1280, 900)
    window.log("browser")
    window.log("performance")
    window.open(report / "index.html")
    return window


def requests(window):
    """Addresses that pages asked for, except what they hold themselves."""
    messages = [json.loads(entry["message"])["message"] for entry in window.log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    own = [one["request"]["url"] for one in sent if one["documentURL"].startswith("file:")]
    return {address for address in own if not address.startswith("data:")}


def test_no_request_leaves_the_file(page, report, tmp_path):
    assert requests(page) == {(report / "index.html").resolve().as_uri()}
    asking = tmp_path / "asking.html"  # a page that does ask is caught
    asking.write_text('<img src="http://127.0.0.1:9/picture.png">')
    page.open(asking)
    assert "http://127.0.0.1:9/picture.png" in requests(page)


def test_the_console_has_no_errors(page, tmp_path):
    assert page.log("browser") == []
    broken = tmp_path / "broken.html"
    broken.write_text("<script>missing()</script>")
    page.open(broken)
    assert len(page.log("browser")) == 1


def test_a_class_shows_just_its_images(page):
    everything = page.run(SHOWN)
    assert page.run("return document.getElementById('shown').textContent") == "5 of 5 images"
    name = everything[0]["tags"][0]
    page.run(CHOOSE_CLASS, name)
    shown = page.run(SHOWN)
    assert shown == [image for image in everything if name in image["tags"]]
    assert 0 < len(shown) < len(everything)
    assert page.run("return document.getElementById('shown').textContent") == (
        f"{len(shown)} of 5 images"
    )
    page.run(CHOOSE_CLASS, "")
    page.run(CHOOSE, "split", "val")
    assert [image["split"] for image in page.run(SHOWN)] == ["val", "val"]


def test_the_worst_images_come_first(page):
    listed = page.run(SHOWN)
    page.run(CHOOSE, "order", "worst")
    last = [list(image["iou"].values())[-1] for image in page.run(SHOWN)]
    assert last == sorted(last)
    assert len(set(last)) > 1
    page.run(CHOOSE, "stage", "CAM labels")
    scores = [image["iou"].get("CAM labels") for image in page.run(SHOWN)]
    assert scores == [*sorted(scores[:3]), None, None]
    page.run(CHOOSE, "order", "best")
    scores = [image["iou"].get("CAM labels") for image in page.run(SHOWN)]
    assert scores == [*sorted(scores[:3], reverse=True), None, None]
    page.run(CHOOSE, "order", "listed")
    assert page.run(SHOWN) == listed


def test_the_keyboard_reaches_everything(page):
    def focused(what):
        return page.run(f"const one = document.activeElement; return {what}")

    page.press(TAB)
    assert focused("one.className") == "skip"
    for _ in range(TABS):
        if focused("one.name") == "class":
            break
        page.press(TAB)
        assert focused("getComputedStyle(one.closest('.chip') ?? one).outlineStyle") == "solid"
    page.press(RIGHT)
    chosen = focused("one.value")
    assert chosen
    assert all(chosen in image["tags"] for image in page.run(SHOWN))
    page.press(TAB, TAB)
    assert focused("one.name") == "order"
    page.press("w")
    assert focused("one.value") == "worst"
    page.press(TAB, TAB)
    assert focused("one.className") == "enlarge"
    page.press(ENTER)
    caption = "document.getElementById('viewer-caption').textContent"
    assert focused("one.closest('dialog').open")
    assert focused(caption).startswith("Photo")
    page.press(RIGHT)
    assert focused(caption).startswith("Truth")
    page.press(ESCAPE)
    page.wait_for("document.activeElement.querySelector('img')?.alt.startsWith('Truth of')")
    assert not focused("document.getElementById('viewer').open")


def test_the_enlarged_stage_stays_while_images_change(page):
    page.run("document.querySelectorAll('article:first-child .enlarge')[1].click()")
    seen = []
    for _ in range(6):
        seen.append(page.run("return document.querySelector('#viewer img').alt"))
        page.press(DOWN)
    assert all(alt.startswith("Truth of") for alt in seen)
    assert len(set(seen)) == 5
    assert seen[5] == seen[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_the_whole_width(page, report, theme):
    page.look(360, 740, theme)
    page.open(report / "index.html")
    assert page.run("return innerWidth") == 360
    assert page.run("return document.scrollingElement.scrollWidth") == 360


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_lies_behind_it(page, report, theme):
    page.look(1280, 900, theme)
    page.open(report / "index.html")
    assert page.run("return matchMedia('(prefers-color-scheme: dark)').matches") == (
        theme == "dark"
    )
    found = page.run(CONTRAST)
    assert found["counted"] > 200
    assert found["ratio"] >= 4.5, found["text"]


def test_without_scripts_everything_is_shown(page, report, tmp_path):
    everything = page.run(SHOWN)
    text = (report / "index.html").read_text()
    plain = tmp_path / "plain.html"
    plain.write_text(re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL))
    page.open(plain)
    assert page.run(SHOWN) == everything
    inert = "return [...document.querySelectorAll('input, select')].some((one) => %s)"
    assert not page.run(inert % "one.checkVisibility()")
    page.open(report / "index.html")
    assert page.run(inert % "one.checkVisibility()")
