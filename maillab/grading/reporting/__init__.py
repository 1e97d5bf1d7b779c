"""From results on disk to feedback, grade books and the overview of a class."""
