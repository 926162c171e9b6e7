"""Labels are hostile text: what makes them harmless in each channel, and how what is too long is cut.

Every function takes any text and gives a text that its channel shows as it was meant, and never obeys.
"""

import html
import re
from collections.abc import Callable
from typing import Literal

Channel = Literal["text", "html", "slack", "markdown"]
MARK = "…"
# C0 and C1 controls but for line break and tab; surrogates (not UTF-8); marks that turn the direction of what follows
# or hide it: a label could make the rest of a message read backwards.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SPACE = re.compile(r"\s+")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:])")
_RETURNS = re.compile("\r\n?")


def plain(text: str) -> str:
    r"""Without controls and direction marks; line breaks stay.

    >>> plain("a\x1b[31mb\r\nc\u202ed")
    'a\ufffd[31mb\nc\ufffdd'
    """
    return _UNSEEN.sub("\ufffd", _RETURNS.sub("\n", text))


def line(text: str, limit: int = 0) -> str:
    r"""On one line, fit for a header: no line break is left to start another one.

    >>> line("errors\r\nBcc: all@example.com  now", 20)
    'errors Bcc: all@exa…'
    """
    one = plain(_SPACE.sub(" ", text)).strip()
    return clip(one, limit) if limit else one


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them a mark where something was cut.

    >>> clip("checkout", 5), clip("checkout", 8)
    ('chec…', 'checkout')
    """
    return text if len(text) <= limit else text[: max(limit - len(MARK), 0)] + MARK[:limit]


def clip_bytes(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut between characters, with the mark.

    >>> clip_bytes("ééé", 5), clip_bytes("ééé", 6)
    ('é…', 'ééé')
    """
    whole = text.encode()
    if len(whole) <= limit:
        return text
    return whole[: max(limit - len(MARK.encode()), 0)].decode(errors="ignore") + MARK if limit >= 3 else ""


def slack(text: str) -> str:
    """Slack's own three; what is left of `<!channel>` or `<@U1>` is letters (api.slack.com, "Formatting text").

    >>> slack("<!channel> a & b")
    '&lt;!channel&gt; a &amp; b'
    """
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_html(text: str) -> str:
    """For text and for attributes in quotes.

    >>> as_html('<b onclick="x">')
    '&lt;b onclick=&#34;x&#34;&gt;'
    """
    # The entities that Go's html/template writes, so that texts of an alertmanager.yml stay as they were.
    escaped = html.escape(plain(text), quote=True)
    return escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;").replace("+", "&#43;")


def markdown(text: str) -> str:
    r"""Teams' Markdown: each sign that could start anything has a backslash before it.

    >>> markdown("[x](https://a.example) *b*")
    '\\[x\\]\\(https\\://a\\.example\\) \\*b\\*'
    """
    return _MARKDOWN.sub(r"\\\1", plain(text))


ESCAPES: dict[Channel, Callable[[str], str]] = {
    "text": plain,
    "html": as_html,
    "slack": slack,
    "markdown": markdown,
}


def web_address(text: str) -> str:
    """The address where it is one a person may follow (http, https), else nothing.

    >>> web_address("https://a.example/x?y=1"), web_address("javascript:alert(1)"), web_address("https://a b")
    ('https://a.example/x?y=1', '', '')
    """
    return text if _WEB.fullmatch(text) else ""


# No white space, controls, quotes, angle brackets or Slack's separator, so that it can stand in a link of any channel.
_WEB = re.compile(r"https?://[^\s\x00-\x20\x7f-\x9f\"'<>|\\^`{}\ud800-\udfff\u200b-\u206f]{1,2000}", re.IGNORECASE)
