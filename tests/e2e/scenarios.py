"""What the editors are to do. Each scenario is one file, one finding and one rewrite; everything that depends on the
rules of the pack stands here and nowhere else."""
from dataclasses import dataclass

# The rule under test: its id, the beginning of its message, the code it underlines and the title of its rewrite.
RULE = "tls-verify-disabled"
MESSAGE = "certificate check"
UNDERLINED = "verify=False"
ACTION = "verify"


@dataclass(frozen=True)
class Scenario:
    """A file before and after; `typed` lines are typed at its end and not saved before the rewrite is applied."""

    name: str
    file: str
    before: str
    after: str
    typed: tuple[str, ...] = ()
    rule: str = RULE
    message: str = MESSAGE
    underlined: str = UNDERLINED
    action: str = ACTION


FIX = Scenario(
    name="open, rewrite, save",
    file="sample.py",
    before="""\
import requests


def fetch(url):
    return requests.get(url, verify=False, timeout=5)
""",
    after="""\
import requests


def fetch(url):
    return requests.get(url, timeout=5)
""",
)

TYPED = Scenario(
    name="typed, unsaved, CRLF and emoji",
    file="typed.py",
    before="import requests\r\n\r\nGREETING = '\U0001f44b\U0001f3fd \U0001f680'\r\n",
    typed=("page = ('\U0001f680\u00e9', requests.get(GREETING, verify=False, timeout=5))",),
    after="import requests\r\n\r\nGREETING = '\U0001f44b\U0001f3fd \U0001f680'\r\n"
    "page = ('\U0001f680\u00e9', requests.get(GREETING, timeout=5))\r\n",
)

SCENARIOS = (FIX, TYPED)
