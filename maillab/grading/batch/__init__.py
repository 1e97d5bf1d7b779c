"""Many submissions: who handed in what, in which world, on how many processes."""
