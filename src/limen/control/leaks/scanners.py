"""Rules by which scanners find keys: of every class of every API, in the form of each scanner."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from textwrap import dedent

from limen.control import apis
from limen.core.keys import BODY_CHARS
from limen.db.transaction import Reader

ENTROPY = 4
"""Bits a character that a text has at the least, where a scanner asks: a key has about 5, and ``xxxx…`` none."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the keys of one prefix look like."""

    name: str
    """``limen_creator_secret_live``: what a scanner calls it."""
    title: str
    prefix: str

    @property
    def regex(self) -> str:
        """A regular expression that RE2, Python, JavaScript and Hyperscan read alike."""
        return rf"\b({self.prefix}[0-9A-Za-z]{{{BODY_CHARS}}})\b"


def patterns(reader: Reader, *, api: str = "") -> list[Pattern]:
    """The patterns of *api*, or of every API, Limen's own included; of each prefix one. Raises ``api_unknown``."""
    found: dict[str, Pattern] = {}
    names = [api] if api else [each.api for each in apis.listed(reader, built_in=True)]
    for name in names:
        for key_class in apis.profile_of(reader, name).keys.classes.values():
            for environment, prefix in key_class.prefixes.items():
                short = re.sub("[^a-z0-9]", "_", f"limen_{name}_{key_class.name}_{environment}".lower())
                title = f"Key of {name}, {key_class.name}, {environment}"
                found.setdefault(prefix, Pattern(short, title, prefix))
    return list(found.values())


def written(form: str, wanted: Iterable[Pattern]) -> str:
    """The rules for the scanner *form*, one of ``FORMATS``, as the file that it reads."""
    return FORMATS[form](list(wanted))


def _gitleaks(wanted: list[Pattern]) -> str:
    rules = [
        dedent(f"""
            [[rules]]
            id = "{each.name}"
            description = "{each.title}"
            regex = '''{each.regex}'''
            secretGroup = 1
            entropy = {ENTROPY}
            keywords = ["{each.prefix}"]
        """)
        for each in wanted
    ]
    return 'title = "Keys of Limen"\n' + "".join(rules)


def _secretlint(wanted: list[Pattern]) -> str:
    found = [{"name": each.title, "pattern": f"/{each.regex}/"} for each in wanted]
    rule = {"id": "@secretlint/secretlint-rule-pattern", "options": {"patterns": found}}
    return json.dumps({"rules": [rule]}, indent=2) + "\n"


def _trufflehog(wanted: list[Pattern]) -> str:
    lines = ["detectors:"]
    for each in wanted:
        lines += [
            f"  - name: {each.name}",
            f"    keywords: [{each.prefix}]",
            f"    regex: {{key: '{each.regex}'}}",
            f"    entropy: {ENTROPY}",
        ]
    return "\n".join(lines) + "\n"


def _github(wanted: list[Pattern]) -> str:
    found = [
        {
            "name": each.title,
            "secret_format": f"{each.prefix}[0-9A-Za-z]{{{BODY_CHARS}}}",
            "before_secret": r"\A|[^0-9A-Za-z_]",
            "after_secret": r"\z|[^0-9A-Za-z_]",
        }
        for each in wanted
    ]
    return json.dumps(found, indent=2) + "\n"


_PLUGIN = '''\
"""Keys of Limen, for detect-secrets: ``detect-secrets scan -p THIS_FILE``. The last six characters are a checksum."""

import re
import zlib

from detect_secrets.plugins.base import RegexBasedDetector

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_whole(text):
    """Whether the checksum of *text* is right: a key in an example, with letters made up, is none."""
    number, digits = zlib.crc32(text[:-6].encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return text[-6:] == digits


class LimenDetector(RegexBasedDetector):
    """Finds keys of Limen."""

    secret_type = "Limen key"
    denylist = [
%s    ]

    def analyze_string(self, string):
        """The keys in *string*."""
        return filter(is_whole, super().analyze_string(string))
'''


def _detect_secrets(wanted: list[Pattern]) -> str:
    return _PLUGIN % "".join(f'        re.compile(r"{each.regex}"),\n' for each in wanted)


FORMATS: dict[str, Callable[[list[Pattern]], str]] = {
    "gitleaks": _gitleaks,
    "secretlint": _secretlint,
    "detect-secrets": _detect_secrets,
    "trufflehog": _trufflehog,
    "github": _github,
}
"""What writes the rules for each scanner."""
