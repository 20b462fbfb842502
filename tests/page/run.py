"""Usage: run.py BASE_URL [SCREENSHOT.png]     of a server without an API key
       run.py --key KEY BASE_URL             of one that has it: only what is different then

Uses the page at BASE_URL as a person would, in headless Chromium, and looks at what it shows. Prints what was
checked and ends with 1 at the first thing that is wrong.
"""

import argparse
import json
import pathlib
import sys
import urllib.parse

from chromium import Chromium, PageError

# Every pair of colours that text is drawn in, as the browser computed them: the least contrast of WCAG's level AA.
CONTRAST = """(() => {
  const numbers = (colour) => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest('noscript, .hidden, .skip')) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${element.tagName}.${element.className}`;
    if (ratio < 4.5) bad.push(`${name} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 30)}`);
  }
  return bad;
})()"""
DONE = "!document.getElementById('ranking').hidden && !document.getElementById('run').disabled"
ROWS = "[...document.querySelectorAll('#ranked li')]"


class Check:
    def __init__(self, browser, base):
        self.browser, self.base, self.count = browser, base.rstrip("/"), 0

    def that(self, what, holds, shown=""):
        if not holds:
            raise PageError(f"not so: {what}. {shown}")
        self.count += 1
        print(f"ok: {what}")

    def same(self, what, actual, expected):
        self.that(what, actual == expected, f"Expected {expected!r}, found {actual!r}")

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent.trim()")

    def choose(self, selector, value):
        self.browser.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
            "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )


def check_empty(check):
    check.browser.open(check.base + "/")
    check.browser.wait_for("!document.getElementById('server-line').textContent.includes('…')")
    check.that("the server says what it runs", "tokens" in check.text("#server-line"), check.text("#server-line"))
    check.that("without results it says so", check.browser.evaluate("!document.getElementById('empty').hidden"))
    check.browser.evaluate("document.getElementById('run').click()")
    check.browser.wait_for("!document.getElementById('error').hidden")
    check.that("comparing nothing is explained", "at least one document" in check.text("#error"))


def check_example(check):
    check.browser.open(check.base + "/#demo")
    check.browser.wait_for(DONE)
    scores = check.browser.evaluate(f"{ROWS}.map((row) => Number(row.querySelector('.score').textContent))")
    check.same("all documents are ranked", len(scores), 7)
    check.same("by falling similarity", scores, sorted(scores, reverse=True))
    top = check.browser.evaluate(f"{ROWS}.slice(0, 2).map((row) => row.querySelector('.text').textContent).sort()")
    check.that("the two about keeping bread come first", top[0].startswith("Slices") and top[1].startswith("Wrap"), top)
    table = check.browser.evaluate(
        "[...document.querySelectorAll('#heat tbody tr')]"
        ".map((row) => [...row.querySelectorAll('td')].map((cell) => Number(cell.textContent)))"
    )
    check.same("the heat map has a field for each pair", [len(row) for row in table], [7] * 7)
    check.that("it is symmetric, with 1 on the diagonal",
               all(table[i][i] == 1 and table[i][j] == table[j][i] for i in range(7) for j in range(7)))  # fmt: skip
    check.same("the two about bicycles are nearest", table[4][5],
               max(row[j] for i, row in enumerate(table) for j in range(i)))  # fmt: skip
    check.same("its headers are headers",
               check.browser.evaluate("[...document.querySelectorAll('#heat th')].map((h) => h.scope).join()"),
               ",".join(["col"] * 7 + ["row"] * 7))  # fmt: skip
    check.that("a status is announced", "7 documents" in check.text("[role=status]"), check.text("[role=status]"))
    check.browser.evaluate("document.querySelector('#ranked summary').click()")
    check.browser.wait_for("document.querySelector('#ranked .chips') !== null")
    chips = check.browser.evaluate("[...document.querySelectorAll('#ranked .chips')][0].children.length")
    check.same("as many tokens are shown as are counted", f"{chips} tokens", check.text("#ranked li summary"))
    check.that("those of the prompt are told apart",
               check.browser.evaluate("document.querySelector('.chips .prompt') !== null"))  # fmt: skip
    check.browser.evaluate("document.querySelector('#ranked summary').click()")


def check_choices(check):
    for dimensions in ("512", "128"):
        check.browser.evaluate("document.querySelector('#ranked').replaceChildren()")
        check.choose("#dimensions", dimensions)
        check.browser.wait_for(f"{DONE} && {ROWS}.length === 7")
        check.that(f"{dimensions} dimensions are asked for", f'"dimensions": {dimensions}' in check.text("#code"))
    check.browser.evaluate("document.querySelector('#ranked').replaceChildren()")
    check.choose("#task", "Clustering")
    check.browser.wait_for(f"{DONE} && {ROWS}.length === 7")
    check.that("another task asks with another prompt", '"prompt_name": "clustering"' in check.text("#code"))
    check.choose("#task", "Search")
    check.choose("#dimensions", "768")
    check.browser.wait_for(DONE)


def check_code(check):
    for tab, words in (("curl", "curl -s "), ("python", "import requests"), ("javascript", "await fetch(")):
        check.browser.evaluate(f"document.getElementById('tab-{tab}').click()")
        check.that(f"the call as {tab}", words in check.text("#code") and check.base in check.text("#code"))
    check.browser.evaluate("document.getElementById('tab-curl').focus()")
    check.browser.press("ArrowRight", 39)
    check.same("arrow keys change the language", check.browser.evaluate("document.activeElement.id"), "tab-python")


def check_hostile_text(check):
    hostile = "<img src=x onerror=\"document.title='broken'\"> it's\n</textarea><script>document.title='broken'</script>"
    check.choose("#documents", hostile)
    check.choose("#question", "'\"$(id)")
    check.browser.evaluate("document.getElementById('run').click()")
    check.browser.wait_for(f"{DONE} && {ROWS}.length === 2")
    check.same("text is never markup", check.browser.evaluate("document.title"), "gemvec")
    check.that("it is shown as it is", "<img src=x" in check.text("#ranked"))
    check.browser.evaluate("document.getElementById('tab-curl').click()")
    check.that("and quoted for the shell", "it'\\''s" in check.text("#code"), check.text("#code"))


def check_long_text(check):
    check.choose("#documents", "word " * 2500 + "\nshort")
    check.browser.evaluate("document.getElementById('run').click()")
    check.browser.wait_for(f"{DONE} && document.querySelector('#ranked .cut') !== null")
    check.that("a text that was cut says so", "1 cut to 2048 tokens" in check.text("#status"), check.text("#status"))


def check_keyboard(check):
    """Everything that can be used is reached with the Tab key and has a name."""
    check.browser.open(check.base + "/#demo")
    check.browser.wait_for(DONE)
    check.browser.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(40):
        check.browser.press("Tab", 9)
        name = check.browser.evaluate("(({id, className, tagName}) => id || className || tagName)(document.activeElement)")
        if name == "BODY":
            break
        reached.append(name)
    wanted = ["skip", "question", "documents", "task", "dimensions", "run", "sample", "scroll", "tab-", "copy", "code"]
    position = -1
    for name in wanted:
        found = next((i for i, each in enumerate(reached) if each.startswith(name) and i > position), None)
        check.that(f"Tab reaches {name} in its order", found is not None, reached)
        position = found
    tree = check.browser.send("Accessibility.getFullAXTree")["nodes"]
    kinds = {"button", "textbox", "combobox", "tab", "radio", "link", "table"}
    nameless = [node["role"]["value"] for node in tree if node.get("role", {}).get("value") in kinds
                and not node["ignored"] and not node.get("name", {}).get("value")]  # fmt: skip
    check.same("every control has a name", nameless, [])


def check_looks(check, screenshot):
    for scheme in ("light", "dark"):
        check.browser.colours(scheme)
        check.same(f"text is readable in {scheme} colours", check.browser.evaluate(CONTRAST), [])
    for width in (1280, 768, 360):
        check.browser.size(width, 800)
        check.that(f"nothing sticks out at {width} pixels",
                   check.browser.evaluate("document.documentElement.scrollWidth <= innerWidth"))  # fmt: skip
    check.browser.colours("light")
    check.browser.size(1280, 1160)
    check.browser.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if screenshot:
        pathlib.Path(screenshot).write_bytes(check.browser.screenshot())


def check_docs(check):
    check.browser.open(check.base + "/docs")
    check.browser.wait_for("document.querySelectorAll('details.route').length > 0")
    document = json.loads(check.browser.evaluate("fetch('/api-doc/openapi.json').then((r) => r.text())"))
    operations = sum(len(methods) for methods in document["paths"].values())
    shown = check.browser.evaluate("document.querySelectorAll('details.route').length")
    check.same("/docs shows every operation", shown, operations)
    check.browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for scheme in ("light", "dark"):
        check.browser.colours(scheme)
        check.same(f"/docs is readable in {scheme} colours", check.browser.evaluate(CONTRAST), [])


def check_events(check):
    events = check.browser.events
    asked = {params["request"]["url"] for method, params in events if method == "Network.requestWillBeSent"}
    ours = urllib.parse.urlsplit(check.base)[:2]
    check.same("no request leaves the server", [url for url in asked if urllib.parse.urlsplit(url)[:2] != ours
                                                and url != "about:blank"], [])  # fmt: skip
    said = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    errors = [params for method, params in events if method in said]
    check.same("the console is empty", errors, [])


def check_key(check, key):
    check.browser.open(check.base + "/")
    check.browser.wait_for("!document.getElementById('key-field').hidden")
    check.same("a server with a key is asked for it", check.browser.evaluate("document.activeElement.id"), "key")
    for wrong in ("", "wrong"):
        check.choose("#key", wrong)
        check.browser.evaluate("document.getElementById('sample').click()")
        check.browser.wait_for("!document.getElementById('error').hidden && !document.getElementById('run').disabled")
        check.that("a key that is missing or wrong is explained", "key" in check.text("#error"), check.text("#error"))
    check.choose("#key", key)
    check.browser.evaluate("document.getElementById('run').click()")
    check.browser.wait_for(DONE)
    for tab in ("curl", "python", "javascript"):
        check.browser.evaluate(f"document.getElementById('tab-{tab}').click()")
        check.that(f"the call as {tab} has a key, but not this one",
                   "API_KEY" in check.text("#code") and key not in check.text("#code"))  # fmt: skip
    stored = check.browser.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    check.that("it is kept nowhere", key not in stored)


def check_all(check, screenshot):
    for part in (check_empty, check_example, check_choices, check_code, check_hostile_text, check_long_text, check_keyboard):
        part(check)
    check_looks(check, screenshot)
    check_docs(check)
    check_events(check)


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("base")
    parser.add_argument("screenshot", nargs="?")
    parser.add_argument("--key")
    options = parser.parse_args(arguments)
    try:
        with Chromium() as browser:
            check = Check(browser, options.base)
            browser.size(1280, 1000)
            if options.key:
                check_key(check, options.key)
            else:
                check_all(check, options.screenshot)
    except PageError as error:
        print(error)
        return 1
    print(f"{check.count} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
