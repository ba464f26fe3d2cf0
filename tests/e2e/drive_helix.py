"""Drives a real Helix."""
import time

from scenarios import OWN_LINES
from terminal import Terminal, paste

CONFIG = """\
[editor]
end-of-line-diagnostics = "hint"
auto-pairs = false
[editor.inline-diagnostics]
cursor-line = "hint"
"""


class Helix(Terminal):
    def choose(self, action):
        """Opens the menu of code actions and takes the one whose title contains `action`."""
        before = self.rows()
        self.keys(" ", "a")
        self.await_text(f"an action with '{action}' is offered", action)
        rows = self.rows()
        top = next(i for i, (old, new) in enumerate(zip(before, rows)) if old != new)
        wanted = next(i for i in range(top, len(rows)) if action.lower() in rows[i].lower())
        self.keys(*["Tab"] * (wanted - top), "Enter")  # the first one is selected already


def drive(program, scenario, file, home, env, wait, kill=None):
    """Plays the scenario; raises AssertionError with the reason when something does not come."""
    (home / "helix").mkdir(parents=True, exist_ok=True)
    (home / "helix/config.toml").write_text(CONFIG)
    before = file.read_bytes()
    with Helix([program, file], home, env, wait) as helix:
        helix.await_text("Helix starts", "NOR")
        if not scenario.after:
            paste(helix, scenario, ["g", "e", "o", "C-u"], ["g", "g", str(OWN_LINES), "x", "y", "g", "e", "p"])
            return helix.leave()
        for line in scenario.typed:
            helix.keys("g", "e", "o")
            helix.await_text("insert mode", "INS")
            helix.type(line)
            helix.keys("Escape")
            helix.await_text("normal mode", "NOR")
        helix.await_text("the finding shows", scenario.message)
        if kill:
            kill(lambda: helix.command("lsp-restart"))
        helix.keys("[", "D")
        time.sleep(0.3)
        helix.choose(scenario.action)
        helix.await_("the finding goes", lambda screen: scenario.message.lower() not in screen)
        assert file.read_bytes() == before, "the file changed before it was saved"
        helix.command("w")
        helix.await_text("the file is saved", "written")
        helix.await_("the finding stays away", lambda screen: scenario.message.lower() not in screen)
        helix.leave()
