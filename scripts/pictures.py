"""Draw the pictures of the documentation anew, from worlds that run: `make docs`."""

from pathlib import Path

from maillab import open_world
from maillab.trace.view import View

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Write docs/images: a relayed letter, its journey, a network and its rules."""
    IMAGES.mkdir(exist_ok=True)
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hello Bob", "How are you?")
        draw("ladder", world.trace.session(port=25).ladder())
        draw("journey", world.trace.journey())
    with open_world("home-server") as world:
        draw("topology", world.topology())


def draw(name: str, view: View) -> None:
    """Write one picture."""
    (IMAGES / f"{name}.svg").write_text(view.svg() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
