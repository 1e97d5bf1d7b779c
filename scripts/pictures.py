"""Draw the pictures of the documentation anew, from a world that runs: `make docs`."""

from pathlib import Path

from maillab import open_world

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Write docs/images/ladder.svg: what two servers say when a letter is relayed."""
    with open_world("two-domains") as world:
        world.send("alice", "bob@beta.example", "Hello Bob", "How are you?")
        ladder = world.trace.session(port=25).ladder()
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "ladder.svg").write_text(ladder.svg() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
