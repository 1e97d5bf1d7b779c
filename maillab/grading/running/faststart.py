"""Spare half of the start of nbval.

Goes in: nothing. Comes out: a module marked as missing. `rfc3987_syntax` builds
a grammar when it is imported (1.6 s), for a format of JSON schemas that notebooks lack;
the importer does without it.

Rule: call it before nbval and nbformat are imported.
"""

import sys
from typing import Any


def spare_the_grammar() -> None:
    """Mark `rfc3987_syntax` as missing, unless it is there already."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault("rfc3987_syntax", None)
