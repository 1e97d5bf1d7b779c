"""Each explorer in JupyterLab: press, read what is shown, read the printed call."""

from typing import Any

from tests.browser.exploring import HOME, OPEN, printed


def test_a_session_is_stepped_through(explorer: Any) -> None:
    output = explorer(OPEN, "world.trace.session(port=25).explore()")
    picture = output.locator("figure img")
    whole = picture.get_attribute("src")
    assert printed(output).inner_text() == "world.trace.session('c2').ladder()"
    output.get_by_role("button", name="Back").click()
    output.get_by_text(".until(").wait_for()
    assert picture.get_attribute("src") != whole
    output.get_by_label("View").select_option("Transcript")
    output.get_by_text(".transcript(").wait_for()
    output.get_by_role("button", name="Forward").click()
    output.locator("table caption").wait_for()


def test_a_rule_is_turned_off_and_the_letter_gets_through(explorer: Any) -> None:
    output = explorer(HOME, "world.explore()")
    assert output.locator("figure img").count() == 1
    rule = output.get_by_label("provider, rule 1: drop out tcp to port 25")
    assert rule.is_checked()
    rule.uncheck()
    output.get_by_text("world.firewall('provider').turn_off(1)").wait_for()
    output.get_by_role("tab", name="Write").click()
    output.get_by_label("To", exact=True).fill("bob@bigmail.example")
    output.get_by_label("Subject").fill("From home")
    output.get_by_role("button", name="Send").click()
    output.get_by_text("the server replied: 250").wait_for()
    output.get_by_role("tab", name="Sessions").click()
    output.get_by_text(
        "SMTP mail.home.example → mx.bigmail.example:25"
    ).first.wait_for()


def test_the_clock_is_stepped_and_advanced(explorer: Any) -> None:
    output = explorer(HOME, "world.explore()")
    clock = output.locator("[role=status]")
    assert "2026-01-05 09:00:00.000" in clock.inner_text()
    output.get_by_label("Time to pass").fill("3 days")
    output.get_by_role("button", name="Advance").click()
    output.get_by_text("2026-01-08 09:00:00.000").wait_for()
    output.get_by_role("button", name="Step").click()
    output.get_by_text("world.step()").first.wait_for()
    output.get_by_label("Time to pass").fill("a while")
    output.get_by_role("button", name="Advance").click()
    told = output.get_by_role("alert")
    told.wait_for()
    assert "a while" in told.inner_text()


def test_names_and_queues_are_asked_for(explorer: Any) -> None:
    output = explorer(OPEN, "world.explore()")
    output.get_by_role("tab", name="DNS").click()
    output.get_by_label("Name", exact=True).fill("beta.example")
    output.get_by_role("button", name="Walk from the root").click()
    output.get_by_text("world.dns_walk('beta.example', 'MX'").first.wait_for()
    output.get_by_role("tab", name="Queues").click()
    output.get_by_text("world.queue('mail.alpha.example')").first.wait_for()


def test_mail_is_fetched_and_read(explorer: Any) -> None:
    output = explorer(OPEN, "world.read_mail('bob')")
    output.get_by_role("button", name="Fetch mail").click()
    letters = output.get_by_label("Letter")
    letter = letters.locator("option").nth(1)
    letter.wait_for(state="attached")
    assert "Hello <b>Bob</b>" in letter.inner_text().replace("\xa0", " ")
    letters.select_option(index=1)
    output.get_by_text("world.letter('bob@beta.example', 1)").wait_for()
    assert output.get_by_text("How are you?").first.is_visible()
    assert output.locator("b", has_text="Bob").count() == 0


def test_a_letter_is_written_and_sent(explorer: Any) -> None:
    output = explorer(OPEN, "world.compose('alice')")
    output.get_by_label("To", exact=True).fill("bob@beta.example")
    output.get_by_label("Subject").fill("Two")
    output.get_by_label("Text", exact=True).fill("The second letter")
    output.get_by_role("button", name="Send").click()
    output.get_by_text("the server replied: 250").wait_for()
    call = "world.send('alice@alpha.example', 'bob@beta.example', 'Two', "
    assert call in printed(output).inner_text()


def test_a_capture_is_gone_through(explorer: Any) -> None:
    output = explorer(OPEN, "world.trace.capture('mail.alpha.example').explore()")
    output.locator("table caption").first.wait_for()
    assert "capture('mail.alpha.example')" in printed(output).inner_text()
