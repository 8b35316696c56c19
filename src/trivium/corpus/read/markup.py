"""Markup: the main content of an HTML page as text, without menus, scripts, footers and tags.

`resiliparse` does the work (Bevendorff et al. 2018); it parses what browsers parse, however broken.
"""

from trivium.base.plugin import extra


def main_content(page: str, where: str) -> str:
    """Return the text of a page's main content; headings, paragraphs and list items have lines of their own."""
    html = extra("resiliparse.extract.html2text", f"{where}: reading HTML", "data")
    # It reads UTF-8, where a NUL would end the page.
    page = page.replace("\0", "").encode("utf-8", "replace").decode()
    return str(html.extract_plain_text(page, main_content=True, alt_texts=False, preserve_formatting=True))
