"""The page in a headless Chromium, as a phone and as a desktop show it."""

import itertools
import json

import pytest

from benchmarks.report import browser
from benchmarks.report.collect import find_runs
from benchmarks.report.command import write
from benchmarks.report.content import build
from tests.benchmarks.report.test_report import make_run
from tests.benchmarks.report.test_report_evidence import CLAIM, FINDING, PARITY

if reason := browser.missing():
    pytest.skip(f"the page is not shown: {reason}", allow_module_level=True)

SIZES = {"phone": browser.PHONE, "desktop": browser.DESKTOP}
# Entries marked hadRecentInput count too: a new viewport passes for input, nobody touches the page.
OBSERVE = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
SETTLED = """
const done = arguments[0], frame = (then) => requestAnimationFrame(() => setTimeout(then, 100));
setTimeout(() => frame(() => frame(done)), 400);
"""
CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgb = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
};
const light = (colour) => [...rgb(colour)].slice(0, 3).map((v) => v / 255)
  .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (rgb(colour)[3] === 255) return colour;
  }
  return "white";
};
return Math.min(...[...document.querySelectorAll(arguments[0])].map((element) => {
  const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}));
"""
TEXT = "h1, h2, h3, p, nav a, th, td, dt, dd, caption, figcaption, .alert a, .banner, summary"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with more rows than a screen, a failure and two runs."""
    folder = tmp_path_factory.mktemp("report")
    make_run(folder / "runs" / "first")
    make_run(folder / "runs" / "second <i>", scores=(0.2, 0.9), drawn=True)
    rows = [
        {
            "id": f"s2ver/table/{number:03d}",
            "paper": ("s2ver", "adacm")[number % 2],
            "kind": "reported",
            "status": ("untested", "blocked by data", "reproduced")[number % 3],
            "value": (37 * number) % 100,
            "source": f"<b>page {number}</b>",
        }
        for number in range(60)
    ]
    return write(build(find_runs([folder / "runs"]), PARITY, [CLAIM, FINDING], rows), folder)


@pytest.fixture(scope="module", params=SIZES)
def driver(request, page):
    """A browser of either size with the page loaded once."""
    with browser.opened(SIZES[request.param]) as opened:
        opened.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": OBSERVE})
        opened.get(page.as_uri())
        yield opened


@pytest.fixture(autouse=True)
def fresh(driver, page):
    """Every test starts from the page as it is opened."""
    driver.get("about:blank")
    driver.get(page.as_uri())


def find(driver, selector):
    return driver.find_element("css selector", selector)


def column(driver, table, number):
    script = """return [...document.getElementById(arguments[0]).tBodies[0].rows]
      .filter((row) => !row.hidden).map((row) => row.cells[arguments[1]].textContent)"""
    return driver.execute_script(script, table, number)


def test_loads_without_errors_shifts_or_overflow(driver):
    driver.execute_async_script(SETTLED)
    assert driver.get_log("browser") == []
    assert driver.execute_script("return window.shift") < 0.001
    width, view = driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= view
    assert "2 failures" in find(driver, ".alert").text


def test_sorts_by_number_both_ways_with_the_keyboard(driver):
    button = find(driver, "#ledger-table th:nth-child(3) button")
    assert button.text == "value"
    driver.execute_script("arguments[0].focus()", button)
    button.send_keys("\ue007")  # enter
    values = [float(text) for text in column(driver, "ledger-table", 2)]
    assert values == sorted(values) and len(values) == 60
    head = find(driver, "#ledger-table th:nth-child(3)")
    assert head.get_attribute("aria-sort") == "ascending"
    button.send_keys(" ")
    values = [float(text) for text in column(driver, "ledger-table", 2)]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_filters_by_words_and_by_value(driver):
    bar = find(driver, '[data-table="ledger-table"]')
    options = bar.find_elements("css selector", "select")
    driver.execute_script(
        "arguments[0].value = 'adacm'; arguments[0].dispatchEvent(new Event('input', "
        "{bubbles: true}))",
        options[0],
    )
    assert len(column(driver, "ledger-table", 0)) == 30
    assert bar.find_element("css selector", "output").text == "30 of 60 rows"
    bar.find_element("css selector", "input").send_keys("blocked 00")
    left = column(driver, "ledger-table", 0)
    assert left == ["s2ver/table/001", "s2ver/table/007"]
    assert bar.find_element("css selector", "output").text == "2 of 60 rows"


def test_opens_a_run_and_comes_back(driver, page):
    link = find(driver, "#runs-table tbody a")
    driver.execute_script("arguments[0].focus()", link)
    link.send_keys("\ue007")
    dialog = find(driver, "dialog[open]")
    assert dialog.find_element("css selector", "h2").text == "Run first"
    assert "75.00%" in dialog.text and "resnet18" in dialog.text
    assert dialog.find_elements("css selector", "figure svg")
    assert driver.current_url.endswith("#run-first")
    assert driver.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "return box.left >= 0 && box.right <= innerWidth && arguments[0].scrollWidth <= "
        "arguments[0].clientWidth",
        dialog,
    )
    dialog.find_element("css selector", "button").click()
    assert not driver.find_elements("css selector", "dialog[open]")
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}#run-first")
    assert find(driver, "dialog[open] h2").text == "Run first"


def test_opens_a_row_of_the_ledger_as_text(driver):
    button = find(driver, "#ledger-table .open-row")
    driver.execute_script("arguments[0].click()", button)
    dialog = find(driver, "#row-detail[open]")
    assert "s2ver/table/000" in dialog.text and "<b>page 0</b>" in dialog.text
    driver.switch_to.active_element.send_keys("\ue00c")  # escape
    assert not driver.find_elements("css selector", "dialog[open]")


def test_every_figure_offers_its_data(driver):
    figures = driver.find_elements("css selector", "figure")
    assert figures
    for figure in figures:
        link = figure.find_element("css selector", "a[download]")
        assert link.get_attribute("href").startswith("data:text/csv")
        assert link.get_attribute("download").endswith(".csv")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_can_be_read_and_the_button_changes_them(driver, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    ground = "return getComputedStyle(document.body).backgroundColor"
    dark, light = "rgb(15, 19, 24)", "rgb(255, 255, 255)"
    first, second = (dark, light) if scheme == "dark" else (light, dark)
    assert driver.execute_script(ground) == first
    assert driver.execute_script(CONTRAST, TEXT) >= 4.5
    find(driver, "#theme").click()
    assert driver.execute_script(ground) == second
    assert driver.execute_script(CONTRAST, TEXT) >= 4.5


def test_structure_is_there_for_those_who_listen(driver):
    levels = [
        int(head.tag_name[1]) for head in driver.find_elements("css selector", "main :is(h1,h2,h3)")
    ]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    script = """return [...document.querySelectorAll("table")]
      .filter((table) => !table.caption?.textContent).length"""
    assert driver.execute_script(script) == 0
    unnamed = """return [...document.querySelectorAll("input, select")]
      .filter((control) => !control.labels.length).length"""
    assert driver.execute_script(unnamed) == 0


def test_screenshot_of_the_page(page, tmp_path):
    file = tmp_path / "docs" / "report.png"
    browser.screenshot(page, file)
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    size = (int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big"))
    assert size == browser.DESKTOP
    assert len(json.dumps(list(set(content)))) > 500, "not a blank picture"
