"""The page in a real browser: every view clicked through, by keyboard, on a phone, in the dark."""

import contextlib
import shutil
import threading
import time

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Interactions
from kerasrec.serving import Settings, create_app

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def served(settings):
    """The address of a server in another thread."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def address(files):
    with served(Settings(files["shop"], beside=files["other"], title="title", watch=0)) as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The address of a model of 100,000 items."""
    n_users, n_items = 500, 100_000
    draw = np.random.default_rng(0)
    keys = np.unique(draw.integers(0, n_users * n_items, 20 * n_users))
    items = np.concatenate([keys % n_items, np.arange(n_items)])
    users = np.concatenate([keys // n_items, np.full(n_items, n_users)])  # one has had everything
    data = Interactions(
        users,
        items,
        user_ids=np.array([f"user {code}" for code in range(n_users + 1)], object),
        item_ids=np.arange(n_items),
    )
    titles = pd.DataFrame({"title": [f"Film {code}" for code in range(n_items)]})
    recommender = kerasrec.Recommender.train(
        data, "pure_svd", n_components=8, item_metadata=titles, verbose=0
    )
    path = tmp_path_factory.mktemp("large") / "shop.keras"
    recommender.save(path)
    with served(Settings(path, title="title", watch=0)) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "these tests need Chromium"
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.parametrize(
    "how",
    [
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
        {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    ],
    ids=["desk", "phone"],
)
def test_every_view(browser, address, how, tmp_path):
    page = browser.new_page(**how)
    said, foreign = [], []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(address) else foreign.append(request.url)
    )

    def seen(name):
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is wider than the screen by {wide}"

    page.goto(address)
    seen("home")
    page.keyboard.type("user 1")  # the search has the focus
    page.keyboard.press("Enter")
    page.get_by_role("link", name="user 1", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == "User user 1"
    assert page.locator("section").count() == 3
    seen("user")
    page.get_by_role("link", name="why").first.click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Why ")
    seen("why")
    page.go_back()
    page.locator("section[aria-labelledby=list] li a").first.click()
    assert page.get_by_role("heading", name="Similar items").is_visible()
    seen("item")
    page.get_by_role("link", name="Somebody new").click()
    page.locator("input#q:focus").wait_for()
    page.keyboard.type("alert")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=alert**")
    assert "<script>" in page.locator("section[aria-labelledby=found]").inner_text()
    page.get_by_role("link", name="Add <script>").first.click()
    page.locator("section[aria-labelledby=list] a:text-is('add')").nth(3).click()
    assert page.locator("section[aria-labelledby=chosen] li").count() == 2
    seen("new")
    page.get_by_role("link", name="Map", exact=True).click()
    page.locator("input#q:focus").wait_for()
    page.keyboard.type("film 11")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=film**")
    assert page.locator("circle.found").count() == 1
    page.get_by_role("link", name="Closer to Film 11").click()
    seen("map")
    page.get_by_role("link", name="Figures").click()
    page.get_by_role("heading", name="Never recommended").wait_for(timeout=60_000)
    seen("figures")
    assert said == [] and [url for url in foreign if not url.startswith(address)] == []
    page.close()


def test_no_serious_fault_for_people_with_a_screen_reader(browser, address):
    from axe_core_python import sync_playwright as axe

    for scheme in ("light", "dark"):
        context = browser.new_context(bypass_csp=True, color_scheme=scheme)
        page = context.new_page()
        for view in (
            "",
            "user?id=user 1",
            "item?id=7",
            "why?user=user 1&item=7",
            "new?q=film&item=7",
            "map",
            "figures",
        ):
            page.goto(f"{address}/{view}")
            faults = axe.Axe().run(page)["violations"]
            assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == [], view
        context.close()


def test_a_hundred_thousand_items(browser, large):
    page = browser.new_page()
    page.goto(f"{large}/user?id=user 7")
    assert page.locator("section[aria-labelledby=list] li").count() == 20
    page.goto(f"{large}/user?id=user 500")  # who has had them all
    assert page.get_by_role("heading", level=1).inner_text() == "User user 500"
    assert page.locator("section[aria-labelledby=list] li").count() == 0
    page.goto(f"{large}/new?q=Film 9999")
    assert 0 < page.locator("section[aria-labelledby=found] li").count() < 100
    page.get_by_role("link", name="Add Film 99990", exact=True).click()
    assert page.locator("section[aria-labelledby=list] li").count() == 20
    page.goto(f"{large}/map?q=Film 99990")
    assert page.locator("circle.found").count() == 1
    assert page.locator("circle").count() < 5000  # a browser can draw them
    page.get_by_role("link", name="Figures").click()
    page.get_by_role("heading", name="Never recommended").wait_for(timeout=120_000)
    assert len(page.content()) < 500_000
    page.close()
