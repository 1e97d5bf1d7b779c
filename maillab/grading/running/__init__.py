"""One submission, one seed: the student's code in a jail, the verdict outside."""
