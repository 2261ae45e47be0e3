"""The page for who has not logged in. It is none of Streamlit's: nobody has a session before the server knows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

WAY_BACK = "camscope_way_back"
"""The cookie that remembers what was asked for while the person is at the provider."""

_LONGEST = 3_000  # characters: browsers keep cookies of four thousand

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CAMscope: log in</title>
<style>
:root {{ color-scheme: light dark; --ground: #fcfcfb; --text: #1d2226; --quiet: #5b6469; --accent: #276b8a; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #131517; --text: #e6e8e8; --quiet: #a3abaf; --accent: #2a7d8d; }}
}}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }}
main {{ max-width: 24rem; padding: 2rem; }}
h1 {{ margin: 0 0 .5rem; font-size: 1.9rem; font-weight: 650; }}
p {{ margin: 0 0 1.25rem; }}
small {{ display: block; margin-top: 1.25rem; color: var(--quiet); }}
a {{ display: block; margin-top: .6rem; padding: .6rem 1rem; border-radius: .4rem; background: var(--accent);
  color: #fff; text-align: center; text-decoration: none; font-weight: 600; }}
a:focus-visible {{ outline: 3px solid var(--text); outline-offset: 2px; }}
</style>
</head>
<body>
<main>
<h1>CAMscope</h1>
<p>See where an image model looks, and how far the picture can be trusted.</p>
{links}
<small>Not for diagnostic use. Pictures you look at stay in this server's memory.</small>
</main>
</body>
</html>
"""


def build_log_in_page(providers: Sequence[str], wanted: str = "") -> str:
    """The page, with a way in by each provider.

    Args:
        providers: by Streamlit's names for them.
        wanted: what was asked for, and is shown once the person has logged in; see `check_way_back`.
    """
    alone = len(providers) == 1
    links = [
        f'<a href="./log-in?{escape(urlencode({"with": name, "to": wanted}))}">'
        f"{'Log in' if alone else 'Log in with ' + escape(name)}</a>"
        for name in providers
    ]
    return _PAGE.format(links="\n".join(links))


def check_way_back(wanted: str) -> str:
    """The address of a page with its choices, such as `/layers?model=photo-cnn`; empty for everything else, such as a
    way to another server.

    Args:
        wanted: by whoever made the link.
    """
    return wanted if len(wanted) <= _LONGEST and re.fullmatch(r"/[a-z_]*(\?[\x21-\x7e]*)?", wanted) else ""
