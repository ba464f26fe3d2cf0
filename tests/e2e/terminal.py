"""An editor in a private tmux: keys go in, the screen is read."""
import shlex
import subprocess
import time

from scenarios import PASTED, PASTED_MESSAGE


class Terminal:
    """One editor on one file; use it with `with`, which ends it for certain."""

    def __init__(self, command, home, env, wait):
        self.socket, self.wait = home / "tmux", wait
        settings = {**env, "TERM": "tmux-256color", "COLORTERM": "truecolor"}
        words = ["env", *(f"{k}={v}" for k, v in settings.items()), *map(str, command)]
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
            # tmux takes a last semicolon for its own
            self._tmux("send-keys", "-t", "e", "-l", "\\;" if char == ";" else char)

    def paste(self, text):
        """As a terminal pastes what is on the system's clipboard: all at once, in brackets that say so."""
        self._tmux("set-buffer", "-b", "outside", "--", text)
        self._tmux("paste-buffer", "-p", "-d", "-b", "outside", "-t", "e")

    def command(self, text):
        """A line after a colon."""
        self.type(f":{text}")
        self.keys("Enter")

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

    def closed(self):
        end = time.monotonic() + self.wait
        while time.monotonic() < end:
            if subprocess.run(["tmux", "-S", self.socket, "has-session"], capture_output=True, check=False).returncode:
                return True
            time.sleep(0.05)
        return False

    def leave(self):
        self.command("q!")
        assert self.closed(), f"the editor does not close; the screen:\n{self.screen()}"


def paste(editor, scenario, below, copied):
    """Copies the file's first function to its end, then pastes a text from outside there: only that is foreign. `below` are the
    keys that begin to insert below the last line, `copied` those that copy the first `scenarios.OWN_LINES` lines to the end."""
    editor.await_text("the finding shows", scenario.message)
    editor.keys(*copied)
    time.sleep(1.5)
    said = editor.screen().lower()
    assert PASTED_MESSAGE not in said, f"the own copy is taken for foreign; the screen:\n{said}"
    editor.keys(*below)
    editor.paste(PASTED)
    editor.keys("Escape")
    editor.await_text("the finding in the paste", PASTED_MESSAGE)
