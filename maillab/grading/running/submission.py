"""What somebody handed in.

Goes in: the octets of a file. Comes out: a value that travels to a worker.

Rule: nothing of it is believed: whether it is a notebook turns out when it is graded.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE


@dataclass(frozen=True, slots=True)
class Submission:
    """One file of one student.

    student  who handed it in
    file     its name, for people
    content  its octets; of a file that is too big, the first MAX_SIZE + 1
    """

    student: str
    file: str
    content: bytes

    @classmethod
    def read(cls, path: Path, student: str = "") -> "Submission":
        """Read a file. Raises LabError."""
        try:
            with path.open("rb") as file:
                content = file.read(MAX_SIZE + 1)
        except OSError as error:
            raise LabError(f"{path}: cannot be read: {error.strerror}") from error
        return cls(student or path.stem, path.name, content)

    @property
    def digest(self) -> str:
        """SHA-256 of what was handed in."""
        return sha256(self.content).hexdigest()
