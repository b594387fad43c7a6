"""Take all pictures, or those that are named: `python -m tests.demo.pictures NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.demo.pictures import admin, console, pages, programs
from tests.demo.pictures.studio import FOLDER, Studio, opened

SCENES: Mapping[str, Callable[[Studio], None]] = {
    "pages": pages.take_pictures,
    "programs": programs.take_pictures,
    "console": console.take_pictures,
    "admin": admin.take_pictures,
}


def main() -> None:
    """Take those that are asked for; of all, none stays that is no longer taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENES))
    names = parser.parse_args().names or [*SCENES]
    if unknown := set(names) - SCENES.keys():
        parser.error(f"no pictures {sorted(unknown)}; there are {', '.join(SCENES)}")
    with opened() as studio:
        for name in names:
            SCENES[name](studio)
    if set(names) == SCENES.keys():
        for path in FOLDER.iterdir():
            if path.stem not in studio.taken:
                path.unlink()
    sys.stdout.write(f"{len(studio.taken)} pictures: {' '.join(studio.taken)}\n")


if __name__ == "__main__":
    main()
