"""The web page of `domain-events local` in headless Chromium.

Sends events with hostile text in every field, and uses the page as a person would.
Needs Chromium and ChromeDriver; installs Debian's packages if it can.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

HOSTILE = "<img src=x onerror=alert(1)>\"'`${7*7}</script><script>alert(2)</script>\u202e\u200b&amp;"
SECRET = "alice@example.com"


def start():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    command = ["cargo", "run", "--quiet", "--bin", "domain-events", "--", "local", "--page-port", "0", "--outbox", "dynamodb"]
    process = subprocess.Popen(
        command + ["--sqs-port", "0", "--dynamodb-port", "0"], cwd=root, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("export "):
            name, value = line.removeprefix("export ").strip().split("=", 1)
            os.environ[name] = value
        else:
            return process, json.loads(line)["url"]
    raise SystemExit("domain-events local ended early")


def browser(width, height):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tempfile.mkdtemp()}",
        f"--window-size={width},{height}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    if width < 600:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return driver


class Page:
    def __init__(self, url, width=1280, height=900):
        self.url = url
        self.driver = browser(width, height)
        self.driver.get(url)

    def all(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        found = self.all(selector)
        assert found, selector
        return found[0]

    def until(self, condition, what):
        for _ in range(200):
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"timeout while waiting for {what}")

    def open(self, view, element):
        self.driver.get(f"{self.url}#{view}")
        self.until(lambda: [e for e in self.all(element) if e.is_displayed()], element)

    def text(self):
        return self.driver.find_element("tag name", "body").text

    def check_is_harmless(self):
        injected = self.all("main img, main script, main iframe, body > script")
        assert injected == [], [e.get_attribute("outerHTML") for e in injected]
        # An open alert makes this raise an error.
        assert self.driver.title == "domain-events local"
        # Chromium also logs each response with an error status.
        log = [line for line in self.driver.get_log("browser") if line["source"] != "network"]
        assert log == [], log

    def quit(self):
        self.driver.quit()


def send(sqs, body):
    text = body if isinstance(body, str) else json.dumps(body)
    sqs.send_message(QueueUrl=os.environ["EVENT_QUEUE_URL"], MessageBody=text)


def event(event_type, entity, **fields):
    return {
        "Timestamp": time.time(),
        "EventType": event_type,
        "ID": entity,
        "EmitterId": "shop",
        "EmitterType": "SYSTEM",
        **fields,
    }


def hostile():
    return event(
        "HOSTILE",
        HOSTILE,
        EmitterId=HOSTILE * 3,
        EmitterType=HOSTILE,
        EventId=HOSTILE,
        CorrelationId=HOSTILE,
        CausationId=HOSTILE,
        TraceParent=HOSTILE,
        Other={HOSTILE: HOSTILE},
        Data={HOSTILE: [{HOSTILE: HOSTILE}], "email": SECRET, "big": 12345678901234567890},
    )


def live(page, sqs):
    # Events appear without a reload, and the data is hidden at first.
    page.until(lambda: page.one("#connection").text == "Connected", "the connection")
    send(sqs, hostile())
    page.until(lambda: page.all("#live-events .type"), "a live event")
    page.one("#live-events summary").click()
    page.until(lambda: page.all("#live-events .fields"), "the fields")
    assert "Data is hidden" in page.text() and SECRET not in page.driver.page_source
    page.one("#show-data").click()
    assert SECRET in page.text() and "12345678901234567890" in page.text()
    # Invisible characters are shown as their code.
    assert "\u202e" not in page.text() and "⟨U+202E⟩" in page.text()
    page.one("#filter").send_keys("nothing like this")
    assert not page.one("#live-events li").is_displayed()
    assert page.one("#live-unmatched").is_displayed()
    page.one("#filter").send_keys("\b" * 20)
    assert page.one("#live-events li").is_displayed()
    page.check_is_harmless()


def keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.driver.refresh()
    page.until(lambda: page.all("#live-events summary"), "an event")
    for _ in range(30):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        if page.driver.switch_to.active_element.tag_name == "summary":
            break
    focused = page.driver.switch_to.active_element
    assert focused.tag_name == "summary", focused.tag_name
    focused.send_keys(Keys.ENTER)
    page.until(lambda: page.all("#live-events .fields"), "the fields")


def search(page, sqs):
    conversation = {"CorrelationId": "checkout/1"}
    send(sqs, event("STARTED", "cart-1", EventId="1", **conversation))
    send(sqs, event("PLACED", "order-1", EventId="2", CausationId="1", **conversation))
    send(sqs, event("PAID", "order-1", EventId="3", CausationId="2", **conversation))
    # Each of these two events names the other event as its cause.
    send(sqs, event("LOOP", "loop", EventId="4", CausationId="5", **conversation))
    send(sqs, event("LOOP", "loop", EventId="5", CausationId="4", **conversation))

    def found(kind, value, count):
        page.open("search", "#search-value")
        page.one(f"#search-kind option[value={kind}]").click()
        page.one("#search-value").clear()
        page.one("#search-value").send_keys(value)
        page.one("#search-form button").click()
        page.until(lambda: page.one("#search-note").text not in ("", "Searching…"), "a response")
        if len(page.all("#search-events .event")) != count:
            time.sleep(0.2)
            return None
        return [li.get_attribute("class") for li in page.all("#search-events > li")]

    page.until(lambda: found("history", "order-1", 2), "the history")
    page.until(lambda: found("type", "LOOP", 2), "the events of a type")
    page.until(lambda: found("history", HOSTILE.replace("\u202e", "").replace("\u200b", ""), 0) == [], "no events")
    depths = page.until(lambda: found("conversation", "checkout/1", 5), "the conversation")
    assert depths == ["depth-0", "depth-1", "depth-2", "depth-0", "depth-1"], depths
    # A type that cannot exist has an error message.
    found("type", "no type", 0)
    assert "EventType" in page.one("#search-note").text
    page.check_is_harmless()


def rejected(page, sqs):
    send(sqs, HOSTILE)
    bad = event("order placed", "order-9", Data={"note": HOSTILE, "big": 12345678901234567890})
    send(sqs, bad)
    missing = event("ORDER_PLACED", "order-8")
    del missing["EmitterId"]
    send(sqs, missing)
    page.until(lambda: page.one("#rejected-count").text == "3", "the count")
    page.open("rejected", "#rejected-messages summary")
    if page.one("#show-data").is_selected():
        page.one("#show-data").click()
    for summary in page.all("#rejected-messages summary"):
        summary.click()
    assert HOSTILE[:20] not in page.text()
    page.one("#show-data").click()
    page.check_is_harmless()
    marks = [mark.text for mark in page.all("mark")]
    assert sorted(marks) == ['"EventType": "order placed"', "EmitterId is missing"], marks

    item = page.driver.find_element("xpath", "//li[.//mark[contains(., 'order placed')]]")
    item.find_element("css selector", ".edit > button").click()
    area = item.find_element("css selector", "textarea")
    selected = "return arguments[0].value.slice(arguments[0].selectionStart, arguments[0].selectionEnd)"
    assert page.driver.execute_script(selected, area) == '"order placed"'
    # An invalid correction is refused, and the message stays in the queue.
    text = area.get_attribute("value")
    area.clear()
    item.find_element("css selector", "form button[type=submit]").click()
    page.until(lambda: "MessageBody" in item.find_element("css selector", "form .note").text, "an error")
    set_value = "arguments[0].value = arguments[1]"
    page.driver.execute_script(set_value, area, text.replace("order placed", "ORDER_PLACED"))
    item.find_element("css selector", "form button[type=submit]").click()
    page.until(lambda: page.one("#rejected-count").text == "2", "the new count")
    page.open("history/order-9", "#search-events .event")
    page.one("#search-events summary").click()
    # The page adds the body after the browser has reported that the summary is open.
    page.until(lambda: page.all("#search-events .body"), "the body")
    body = page.until(lambda: page.one("#search-events .body").text, "the event")
    assert "ORDER_PLACED" in body and "12345678901234567890" in body, body
    page.check_is_harmless()


def outbox(page, sqs):
    """Rows that the relay cannot send stay in the table and are shown."""
    table = os.environ["EVENT_OUTBOX_TABLE"]
    dynamodb = boto3.client("dynamodb")
    limit = {"MaximumMessageSize": "1024"}
    sqs.set_queue_attributes(QueueUrl=os.environ["EVENT_QUEUE_URL"], Attributes=limit)
    large = event("ORDER_PLACED", HOSTILE, Data={"email": SECRET, "text": "x" * 2000})
    for identity, message in (("row-1", json.dumps(large)), (HOSTILE, "not an event " + SECRET)):
        item = {"EventId": {"S": identity}, "Message": {"S": message}, "At": {"N": str(time.time())}}
        dynamodb.put_item(TableName=table, Item=item)
    page.open("outbox", "#outbox-rows li")
    page.until(lambda: len(page.all("#outbox-rows li")) == 2, "two rows")
    page.until(lambda: page.one("#outbox-count").text == "2", "the number of rows")
    text = page.text()
    assert "ORDER_PLACED" in text and "row-1" in text and " old" in text, text
    assert HOSTILE[:20] in text and SECRET not in text, text
    page.check_is_harmless()
    if os.environ.get("SCREENSHOTS"):
        page.driver.save_screenshot(os.path.join(os.environ["SCREENSHOTS"], "outbox.png"))
    page.open("live", "#outbox-tile")
    page.until(lambda: page.one("#outbox-total").text == "2", "the tile")
    for identity in ("row-1", HOSTILE):
        dynamodb.delete_item(TableName=table, Key={"EventId": {"S": identity}})
    page.open("outbox", "#outbox-empty")
    assert "every committed event" in page.text()
    limit = {"MaximumMessageSize": "1048576"}
    sqs.set_queue_attributes(QueueUrl=os.environ["EVENT_QUEUE_URL"], Attributes=limit)


def phone(url):
    page = Page(url, 390, 844)
    item = {"EventId": {"S": HOSTILE}, "Message": {"S": "not an event"}, "At": {"N": str(time.time())}}
    boto3.client("dynamodb").put_item(TableName=os.environ["EVENT_OUTBOX_TABLE"], Item=item)
    try:
        for view, element in (
            ("live", "#live-events summary"),
            ("conversation/checkout%2F1", "#search-events summary"),
            ("rejected", "#rejected-messages summary"),
            ("outbox", "#outbox-rows .problem"),
        ):
            page.open(view, element)
            for summary in page.all(element)[:2]:
                summary.click()
            width = page.driver.execute_script("return document.documentElement.scrollWidth")
            assert width <= 390, (view, width)
        page.check_is_harmless()
    finally:
        page.quit()


def outage(url, process):
    """The page says that the stack has stopped, and what to do."""
    page = Page(url)
    try:
        page.until(lambda: page.one("#connection").text == "Connected", "the connection")
        assert not page.one("#outage").is_displayed()
        process.terminate()
        process.wait(10)
        page.until(lambda: page.one("#outage").is_displayed(), "the notice")
        assert "Start `domain-events local` again" in page.one("#outage").text
        page.check_is_harmless()
    finally:
        page.quit()


def headers(url):
    with urllib.request.urlopen(url) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, policy
    for header, value in (("Host", "evil.example"), ("Origin", "http://evil.example")):
        request = urllib.request.Request(url + "/api/rejected", headers={header: value})
        try:
            urllib.request.urlopen(request)
            raise AssertionError(f"{header}: {value} was accepted")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code


def main():
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        install = ["apt-get", "install", "--yes", "--quiet", "chromium", "chromium-driver"]
        try:
            subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            print("Chromium is not installed: skipped")
            sys.exit(0)
    process, url = start()
    try:
        sqs = boto3.client("sqs")
        headers(url)
        page = Page(url)
        try:
            live(page, sqs)
            keyboard(page)
            search(page, sqs)
            rejected(page, sqs)
            outbox(page, sqs)
        finally:
            page.quit()
        phone(url)
        outage(url, process)
    finally:
        process.terminate()
        process.wait(10)
    print("web page: passed")


main()
