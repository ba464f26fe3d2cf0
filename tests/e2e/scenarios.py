"""What the editors are to do. Each scenario is one file, one finding and one rewrite; everything that depends on the
rules of the pack stands here and nowhere else."""
from dataclasses import dataclass, replace

# The rule under test: its id, a part of its message, the code it underlines.
RULE = "sql-injection"
MESSAGE = "becomes part of the SQL text"
UNDERLINED = """f"SELECT name FROM users WHERE id = {request.args['id']}\""""
RISKY = f"db.execute({UNDERLINED})"
REWRITTEN = """db.execute("SELECT name FROM users WHERE id = ?", (request.args['id'],))"""
# A part of the title of the action that silences the finding, and the comment it inserts.
ALLOW = "allow"
COMMENT = f"# qualm: allow({RULE}) because <reason>\n"


@dataclass(frozen=True)
class Scenario:
    """A file before and after; `typed` lines are typed at its end and not saved before the action is applied."""

    name: str
    file: str
    before: str
    after: str
    typed: tuple[str, ...] = ()
    rule: str = RULE
    message: str = MESSAGE
    underlined: str = UNDERLINED
    action: str = ""  # a part of the action's title; empty: the rewrite, under the title the command line gives it


APP = f"""\
import sqlite3
from flask import Flask, request

app = Flask(__name__)


@app.route("/user")
def user():
    db = sqlite3.connect("app.db")
    row = {RISKY}.fetchone()
    return {{"name": row[0]}}
"""

FIX = Scenario(name="open, rewrite, save", file="app.py", before=APP, after=APP.replace(RISKY, REWRITTEN))

# Text from outside: it is risky only if nobody here wrote it.
PASTED = """\
def listing(name):
    import os

    return os.popen("ls -l " + name).read()
"""
PASTED_RULE = "command-injection"
PASTED_MESSAGE = "reaches the shell"

# Somebody's own, in another file.
OWN = """\
def total(prices):
    amount = 0
    for price in prices:
        amount = amount + price.net + price.tax
    return amount
"""

# The same risk stands in the file already, as somebody's own.
HAS_OWN = """\
def sizes(name):
    import os

    return os.popen("du -s " + name).read()
"""
OWN_LINES = HAS_OWN.count("\n")
PASTE = Scenario(name="copied, pasted from outside", file="app.py", before=f"{HAS_OWN}\n\n{APP}", after="")

ALLOWED = Scenario(
    name="open, allow, save",
    file="app.py",
    before=APP,
    after=APP.replace("    row =", f"    {COMMENT}    row ="),
    action=ALLOW,
)

# A line that is added takes the line ends of its file.
CRLF = replace(
    ALLOWED, name="open, allow, save, CRLF", before=APP.replace("\n", "\r\n"), after=ALLOWED.after.replace("\n", "\r\n")
)

# Characters of one, two, three and four bytes (and of one and two UTF-16 units) stand before the finding.
EMOJI = "'\U0001f44b\U0001f3fd \u20ac\u00e9 \U0001f680'"
HEAD = f"import sqlite3\r\nfrom flask import request\r\n\r\nGREETING = {EMOJI}\r\ndb = sqlite3.connect('app.db')\r\n"

TYPED = Scenario(
    name="typed, unsaved, CRLF and emoji",
    file="typed.py",
    before=HEAD,
    typed=(f"row = ({EMOJI}, {RISKY})",),
    after=f"{HEAD}row = ({EMOJI}, {REWRITTEN})\r\n",
)

# A text of no language at all that is a finding anywhere: put together here, so that no key stands in this file.
SECRET = "Rotate the key AKIA" + "Q7ZK3XWN5TRB2MVD"
