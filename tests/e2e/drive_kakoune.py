"""Drives a real Kakoune with kak-lsp."""
import time

from scenarios import OWN_LINES
from terminal import Terminal, paste


def drive(program, scenario, file, home, env, wait, kill=None):
    """Plays the scenario; raises AssertionError with the reason when something does not come."""
    before, wanted = file.read_bytes(), scenario.message.lower()
    with Terminal([program, file], home, env, wait) as kak:
        kak.await_text("Kakoune starts", file.name)
        if not scenario.after:
            paste(kak, scenario, ["g", "e", "o", *["BSpace"] * 4], ["g", "g", str(OWN_LINES - 1), "J", "x", "y", "g", "e", "p"])
            return kak.leave()
        for line in scenario.typed:
            kak.keys("g", "e", "o")
            kak.await_text("insert mode", "insert")
            kak.type(line)
            kak.keys("Escape")
        kak.await_text("the finding shows", scenario.message)
        if kill:
            kill(lambda: kak.command("lsp-restart"))
        kak.command("lsp-find-error error warning info hint")
        time.sleep(0.5)
        kak.command("lsp-code-actions")
        kak.await_text(f"an action with '{scenario.action}' is offered", scenario.action)
        # The menu is narrowed by typing; what is left first is taken.
        kak.type(scenario.action.capitalize())
        kak.keys("Tab", "Enter")
        kak.await_("the finding goes", lambda screen: wanted not in screen)
        assert file.read_bytes() == before, "the file changed before it was saved"
        kak.command("write")
        kak.await_("the file is saved", lambda _: file.read_bytes() != before)
        kak.await_("the finding stays away", lambda screen: wanted not in screen)
        kak.leave()
