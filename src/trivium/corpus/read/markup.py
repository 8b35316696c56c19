"""Markup: what of an HTML page a reader came for. Menus, scripts, footers and tags go; the main content stays.

The work is that of `resiliparse` (Bevendorff et al. 2018), which parses what browsers parse, however broken.
"""

from trivium.base.errors import DataError


def main_content(page: str, where: str) -> str:
    """The plain text of a page's main content; headings, paragraphs and items of lists have lines of their own."""
    try:
        from resiliparse.extract.html2text import extract_plain_text
    except ImportError:
        raise DataError(f"{where}: reading HTML needs resiliparse: pip install 'trivium[data]'") from None
    # It reads UTF-8, where a NUL would end the page.
    page = page.replace("\0", "").encode("utf-8", "replace").decode()
    return str(extract_plain_text(page, main_content=True, alt_texts=False, preserve_formatting=True))
