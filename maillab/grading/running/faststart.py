"""A pytest plug-in that is loaded before nbval: half of nbval's start is spared.

Goes in: nothing. Comes out: a module that is marked as missing. `rfc3987_syntax` builds
a grammar when it is imported (1.6 s), for a format of JSON schemas that notebooks lack;
the importer does without it.
"""

import sys
from typing import Any

modules: dict[str, Any] = sys.modules
modules.setdefault("rfc3987_syntax", None)
