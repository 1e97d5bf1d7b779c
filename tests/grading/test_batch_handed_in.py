"""What was handed in, and whose it is: files, folders, zip files."""

import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from maillab.errors import LabError
from maillab.grading.authoring.notebook import MAX_SIZE
from maillab.grading.batch.archives import BIGGEST_INSIDE
from maillab.grading.batch.handed_in import Collected, Wanted, collect
from maillab.grading.batch.names import author_of

WANTED = Wanted(["01-letter", "01"], ["answer-1-1"])
posix = pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
ANSWER = b'{"grade_id": "answer-1-1"}'
OTHER = b'{"grade_id": "answer-9-9"}'


def put(folder: Path, *names: str, content: bytes = ANSWER) -> Path:
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (1_000_000 + number, 1_000_000 + number))
    return folder


def zipped(**files: bytes) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def students(found: Collected) -> list[str]:
    return [one.author.student for one in found.notebooks]


@pytest.mark.parametrize(
    ("parts", "student", "system", "login"),
    [
        ("Ann Lee_4711_assignsubmission_file_/01.ipynb", "Ann Lee", "moodle", "4711"),
        ("Ann Lee_4711_assignsubmission_file/01.ipynb", "Ann Lee", "moodle", "4711"),
        ("Zoë O'Neil_7_assignsubmission_file_x.ipynb", "Zoë O'Neil", "moodle", "7"),
        ("Participant_3_assignsubmission_file_/a", "Participant", "moodle", "3"),
        ("leeann_123_456_01-letter.ipynb", "leeann", "canvas", "123"),
        ("leeann_LATE_123_456_01-letter-2.ipynb", "leeann", "canvas", "123"),
        ("ann+01+2026-01-31 10:00:00 UTC+x/01.ipynb", "ann", "nbgrader", "ann"),
        ("ann/work/01.ipynb", "ann", "", ""),
        ("ann.ipynb", "ann", "", ""),
        ("ann.zip/01.ipynb", "ann", "", ""),
        ("01-letter.ipynb", "", "", ""),
        ("01-letter (2).ipynb", "", "", ""),
        ("ann/bob_1_2_x.ipynb", "ann", "", ""),
        ("ann/Bob_1_assignsubmission_file_/x.ipynb", "ann", "", ""),
        ("a\nb\x1b[31m.ipynb", "a b [31m", "", ""),
    ],
)
def test_the_topmost_part_tells_whose_it_is(
    parts: str, student: str, system: str, login: str
) -> None:
    author = author_of(parts.split("/"), WANTED.titles)
    assert (author.student, author.system, author.login) == (student, system, login)


def test_nbgraders_folder_is_found_in_its_course(tmp_path: Path) -> None:
    put(tmp_path, "submitted/ann/l/01.ipynb", "submitted/bob/l/submitted/cy/01.ipynb")
    put(tmp_path, "source/l/01.ipynb", "autograded/dan/l/01.ipynb")
    for place in (tmp_path, tmp_path / "submitted"):
        found = collect([place], WANTED)
        assert students(found) == ["ann", "bob"]
        assert {one.author.system for one in found.notebooks} == {"nbgrader"}
    for place in (tmp_path / "submitted/ann", tmp_path / "submitted/ann/l/01.ipynb"):
        assert students(collect([place], WANTED)) == ["ann"]


def test_nbgraders_timestamp_says_which_is_newest(tmp_path: Path) -> None:
    old, new = tmp_path / "submitted/ann/a", tmp_path / "submitted/ann/b"
    put(old, "01.ipynb", content=ANSWER + b"1")
    put(new, "01.ipynb", content=ANSWER + b"2")
    (old / "timestamp.txt").write_text("2026-02-02 10:00:00.5 UTC")
    (new / "timestamp.txt").write_text("2026-02-01 10:00:00 UTC")
    (one,) = collect([tmp_path], WANTED).notebooks
    assert one.content().endswith(b"1")
    assert one.remarks == ("2 notebooks were handed in: 01.ipynb, the newest, counts",)


def test_the_newest_of_several_counts_and_other_notebooks_do_not(
    tmp_path: Path,
) -> None:
    put(tmp_path / "ann", "old.ipynb", "new.ipynb")
    put(tmp_path / "ann", "x.ipynb", "x2.ipynb", "x3.ipynb", content=OTHER)
    (one,) = collect([tmp_path], WANTED).notebooks
    assert one.file == "new.ipynb"


def test_a_lone_notebook_is_taken_whatever_is_in_it(tmp_path: Path) -> None:
    put(tmp_path, "ann/x.ipynb", content=b"\0")
    assert students(collect([tmp_path], WANTED)) == ["ann"]


def test_names_come_from_what_was_typed(tmp_path: Path) -> None:
    put(
        tmp_path,
        "ann/01-letter.ipynb",
        "bob.ipynb",
        "c_1_assignsubmission_file_/x.ipynb",
    )
    paths = [tmp_path / "ann/01-letter.ipynb", tmp_path / "bob.ipynb"]
    paths += [tmp_path / "c_1_assignsubmission_file_"]
    assert students(collect(paths, WANTED)) == ["ann", "bob", "c"]
    assert students(collect([tmp_path / "ann"], WANTED)) == ["ann"]


def test_two_students_of_one_name_get_their_numbers(tmp_path: Path) -> None:
    put(tmp_path, *(f"Ann Lee_{n}_assignsubmission_file_/x.ipynb" for n in (1, 2)))
    assert students(collect([tmp_path], WANTED)) == ["Ann Lee (1)", "Ann Lee (2)"]


@posix
def test_spare_copies_and_links_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "ann/01.ipynb", "ann/.ipynb_checkpoints/y.ipynb", "ann/._z.ipynb")
    put(tmp_path, "secret.ipynb")
    (tmp_path / "class/bob").mkdir(parents=True)
    (tmp_path / "class/bob/x.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (tmp_path / "class/cat").symlink_to(tmp_path / "ann")
    assert students(collect([tmp_path / "ann"], WANTED)) == ["ann"]
    with pytest.raises(LabError, match="is a link, and is not followed"):
        collect([tmp_path / "class"], WANTED)


@posix
def test_a_pipe_is_no_notebook(tmp_path: Path) -> None:
    put(tmp_path, "ann/x.ipynb")
    os.mkfifo(tmp_path / "ann/y.ipynb")
    (one,) = collect([tmp_path], WANTED).notebooks
    assert one.file == "x.ipynb"


def test_nothing_is_an_error_that_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"expected notebooks \(.ipynb\)"):
        collect([tmp_path], WANTED)
    with pytest.raises(LabError, match="no such file or folder"):
        collect([tmp_path / "gone"], WANTED)
    with pytest.raises(LabError, match="expected a notebook"):
        collect([put(tmp_path, "x.txt") / "x.txt"], WANTED)


# Zip files ----------------------------------------------------------------------------


def class_zip(tmp_path: Path, **files: bytes) -> Path:
    file = tmp_path / "Download.zip"
    file.write_bytes(zipped(**files))
    return file


def test_moodles_zip_file_with_students_zip_files_in_it(tmp_path: Path) -> None:
    inner = zipped(**{"my work/01-letter.ipynb": ANSWER, "notes.txt": b"x"})
    file = class_zip(
        tmp_path,
        **{
            "Ann Lee_1_assignsubmission_file_/01-letter.ipynb": ANSWER,
            "Bob_2_assignsubmission_file_/work.zip": inner,
            "Cy_3_assignsubmission_file_work.ZIP": inner,
        },
    )
    found = collect([file], WANTED)
    assert students(found) == ["Ann Lee", "Bob", "Cy"]
    assert [one.content() for one in found.notebooks] == [ANSWER] * 3


def test_a_zip_file_in_a_folder_around_it_all(tmp_path: Path) -> None:
    names = [f"class/{n}_{i}_9_x.ipynb" for i, n in enumerate(("ann", "bob"))]
    file = class_zip(tmp_path, **dict.fromkeys(names, ANSWER))
    assert students(collect([file], WANTED)) == ["ann", "bob"]


def test_a_students_own_zip_file(tmp_path: Path) -> None:
    put(tmp_path, "ann.zip", "bob/w.zip", content=zipped(**{"01-letter.ipynb": ANSWER}))
    assert students(collect([tmp_path], WANTED)) == ["ann", "bob"]
    assert students(collect([tmp_path / "ann.zip"], WANTED)) == ["ann"]


def test_names_that_climb_lead_nowhere(tmp_path: Path) -> None:
    names = ["../../../evil/x.ipynb", "/etc/y.ipynb", "..\\..\\win\\z.ipynb"]
    file = class_zip(tmp_path, **dict.fromkeys(names, ANSWER))
    before = sorted(tmp_path.parent.rglob("*"))
    assert students(collect([file], WANTED)) == ["etc", "evil", "win"]
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_bomb_is_read_as_far_as_a_notebook_goes(tmp_path: Path) -> None:
    file = class_zip(tmp_path, **{"ann/x.ipynb": bytes(20 * MAX_SIZE)})
    (one,) = collect([file], WANTED).notebooks
    assert len(one.content()) == MAX_SIZE + 1


def test_a_bomb_in_a_zip_file_is_left_out_and_said(tmp_path: Path) -> None:
    bomb = bytes(BIGGEST_INSIDE + 2)
    file = class_zip(tmp_path, **{"ann/x.zip": bomb, "bob/x.ipynb": ANSWER})
    found = collect([file], WANTED)
    assert students(found) == ["bob"]
    assert (
        "ann/x.zip: is not a whole zip file (more than 50,000,000" in found.remarks[0]
    )


def test_damaged_zip_files_are_said(tmp_path: Path) -> None:
    put(tmp_path, "ann/x.ipynb")
    put(tmp_path, "bob/x.zip", content=b"PK no")
    put(tmp_path, "cy/x.zip", content=zipped(**{"deep.zip": b"PK no"}))
    found = collect([tmp_path], WANTED)
    assert students(found) == ["ann"]
    assert [remark.rpartition("/")[2][:20] for remark in found.remarks] == [
        "x.zip: is not a whol",
        "x.zip: deep.zip: is ",
    ]


def test_a_link_in_a_zip_file_is_text(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ann/x.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (one,) = collect([tmp_path / "a.zip"], WANTED).notebooks
    assert one.content() == b"/etc/passwd"
