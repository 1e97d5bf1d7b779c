"""What a trace looks like: `python -m maillab.trace`."""

import sys

from maillab.trace.sample import letter

if __name__ == "__main__":
    trace = letter()
    session = trace.session()
    shown = (trace.summary(), session.transcript(), session.ladder())
    sys.stdout.write("\n\n".join(map(str, shown)) + "\n")
