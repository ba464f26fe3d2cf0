"""Drives a real Helix in a private tmux: keys go in, the screen is read."""
import shlex
import subprocess
import time

CONFIG = """\
[editor]
end-of-line-diagnostics = "hint"
auto-pairs = false
[editor.inline-diagnostics]
cursor-line = "hint"
"""


class Helix:
    """One Helix on one file; use it with `with`, which ends it for certain."""

    def __init__(self, program, file, home, env, wait):
        self.socket, self.wait, self.file = home / "tmux", wait, file
        settings = {**env, "TERM": "tmux-256color", "COLORTERM": "truecolor"}
        words = ["env", *(f"{k}={v}" for k, v in settings.items()), str(program), str(file)]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "e", "-x", "150", "-y", "30", shlex.join(words))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *args):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *args], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"tmux {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def rows(self):
        return [row.rstrip() for row in self._tmux("capture-pane", "-p", "-t", "e").split("\n")]

    def screen(self):
        return "\n".join(row for row in self.rows() if row.strip(" ~"))

    def keys(self, *keys):
        self._tmux("send-keys", "-t", "e", *keys)

    def type(self, text):
        for char in text:
            self._tmux("send-keys", "-t", "e", "-l", char)

    def await_(self, what, condition):
        """Waits until `condition(screen)` holds twice in a row."""
        end, held = time.monotonic() + self.wait, 0
        while time.monotonic() < end:
            held = held + 1 if condition(self.screen().lower()) else 0
            if held == 2:
                return
            time.sleep(0.05)
        raise AssertionError(f"{what}: not within {self.wait} s; the screen:\n{self.screen()}")

    def await_text(self, what, text):
        self.await_(what, lambda screen: text.lower() in screen)

    def choose(self, action):
        """Opens the menu of code actions and takes the one whose title contains `action`."""
        before = self.rows()
        self.keys(" ", "a")
        self.await_text(f"an action with '{action}' is offered", action)
        rows = self.rows()
        top = next(i for i, (old, new) in enumerate(zip(before, rows)) if old != new)
        wanted = next(i for i in range(top, len(rows)) if action.lower() in rows[i].lower())
        self.keys(*["Tab"] * (wanted - top), "Enter")  # the first one is selected already

    def closed(self):
        end = time.monotonic() + self.wait
        while time.monotonic() < end:
            if subprocess.run(["tmux", "-S", self.socket, "has-session"], capture_output=True, check=False).returncode:
                return True
            time.sleep(0.05)
        return False


def drive(program, scenario, file, home, env, wait):
    """Plays the scenario; raises AssertionError with the reason when something does not come."""
    (home / "helix").mkdir(parents=True, exist_ok=True)
    (home / "helix/config.toml").write_text(CONFIG)
    before = file.read_bytes()
    with Helix(program, file, home, env, wait) as helix:
        helix.await_text("Helix starts", "NOR")
        for line in scenario.typed:
            helix.keys("g", "e", "o")
            helix.await_text("insert mode", "INS")
            helix.type(line)
            helix.keys("Escape")
            helix.await_text("normal mode", "NOR")
        helix.await_text("the finding shows", scenario.message)
        helix.keys("[", "D")
        time.sleep(0.3)
        helix.choose(scenario.action)
        helix.await_("the finding goes", lambda screen: scenario.message.lower() not in screen)
        assert file.read_bytes() == before, "the file changed before it was saved"
        helix.type(":w")
        helix.keys("Enter")
        helix.await_text("the file is saved", "written")
        helix.await_("the finding stays away", lambda screen: scenario.message.lower() not in screen)
        helix.type(":q!")
        helix.keys("Enter")
        assert helix.closed(), f"Helix does not close; the screen:\n{helix.screen()}"
