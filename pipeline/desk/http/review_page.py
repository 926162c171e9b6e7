"""A review as a page: Markdown to HTML in which no text of anybody becomes markup, and nothing is loaded from anywhere.

The page has no scripts; its only style is named by its hash in the policy that it is served with. Pictures are drawn
into it; one of another place stays a text.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from incidents import charts
from incidents.charts import Chart

_FOLDER = Path(__file__).parent
_CHART = re.compile(r"chart-(\d{1,3})\.svg")
_pages = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True)
_STYLE = (_FOLDER / "review.css").read_text("utf-8")
_style_hash = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_style_hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page."""


def page(title: str, text: str, drawings: Sequence[Chart], banners: Sequence[str], footer: str) -> str:
    """text: Markdown, the action items in it. drawings: `chart-0.svg` is the first of them."""
    body = Markup(_html(text, drawings))  # noqa: S704 - markdown-it wrote it, with HTML in its source escaped
    return _pages.get_template("review.html").render(
        title=title,
        style=Markup(_STYLE),  # noqa: S704 - a file of ours
        banners=banners,
        body=body,
        footer=footer,
    )


def _html(text: str, drawings: Sequence[Chart]) -> str:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": False}).enable("table")

    def image(
        renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
    ) -> str:
        token = tokens[index]
        alt = renderer.renderInlineAsText(token.children, options, env) if token.children else ""
        found = _CHART.fullmatch(str(token.attrGet("src") or ""))
        if found and int(found[1]) < len(drawings):
            return charts.svg(drawings[int(found[1])])
        return f"[{escape(alt)}]"

    markdown.add_render_rule("image", image)
    return str(markdown.render(text))
