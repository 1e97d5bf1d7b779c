"""Pure verdicts: facts in, `Verdict` out. No I/O, no clock."""
