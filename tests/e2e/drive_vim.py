"""Drives a real Vim with ALE."""
import re

from scenarios import OWN_LINES
from terminal import Terminal, paste

# What a user's vimrc has, and the findings beside the code, so that the screen can be read.
VIMRC = """\
set nocompatible noswapfile shortmess+=I viminfo= hidden
set packpath^={ale}
filetype plugin on
let g:ale_virtualtext_cursor = 'all'
let g:ale_linters = {{'python': ['qualm']}}
"""


def drive(program, ale, scenario, file, home, env, wait, kill=None):
    """Plays the scenario; raises AssertionError with the reason when something does not come."""
    (home / ".vim/vimrc").write_text(VIMRC.format(ale=ale))
    before, wanted = file.read_bytes(), scenario.message.lower()
    with Terminal([program, file], home, env, wait) as vim:
        vim.await_text("Vim starts", file.name)
        if not scenario.after:
            paste(vim, scenario, ["G", "o"], ["g", "g", str(OWN_LINES), "y", "y", "G", "p"])
            return vim.leave()
        for line in scenario.typed:
            vim.keys("G", "o")
            vim.await_text("insert mode", "INSERT")
            vim.type(line)
            vim.keys("Escape")
        vim.await_text("the finding shows", scenario.message)
        if kill:
            kill(lambda: vim.command("edit!"))
        # In the middle of what is underlined: ALE asks for the character under the cursor.
        vim.command("ALENextWrap")
        vim.await_(f"the cursor is at {scenario.rule}", lambda screen: wanted in screen)
        vim.command("ALECodeAction")
        vim.await_text(f"an action with '{scenario.action}' is offered", scenario.action)
        row = next(r for r in vim.rows() if scenario.action.lower() in r.lower() and re.match(r"\s*\d+[.)]", r))
        vim.type(re.match(r"\s*(\d+)", row)[1])
        vim.keys("Enter")
        vim.await_("the finding goes", lambda screen: wanted not in screen)
        assert file.read_bytes() == before, "the file changed before it was saved"
        vim.command("w")
        vim.await_text("the file is saved", "written")
        vim.await_("the finding stays away", lambda screen: wanted not in screen)
        vim.leave()
