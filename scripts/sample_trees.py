"""Miniatures of the data sets, in the layouts of their releases: something to try every command on.

Run with `python scripts/sample_trees.py FOLDER`, or name the sets after the folder. A few seconds and some
15 MB in all; nothing is downloaded, and nothing can be learned from them.
"""

import argparse
import sys
import time
from pathlib import Path

from fakedet.data.miniatures import NAMES, make_tree, media
from fakedet.errors import UserError


def main() -> int:
    """Write the trees and say what can be done with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to; each set gets a folder of its name")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which sets; default: all of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faces (default 0)")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    try:
        for name in names:
            start = time.perf_counter()
            tree = make_tree(name, options.folder / name, seed=options.seed)
            files = media(tree)
            videos = sum(file.suffix == ".mp4" for file in files)
            held = f"{videos} videos" if videos else f"{len(files)} pictures"
            print(f"{tree}: {held} ({time.perf_counter() - start:.1f} s)")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    first, prepared = options.folder / names[0], options.folder / "prepared" / names[0]
    command = f"python src/prepare.py data={names[0]} data.raw={first} data.root={prepared}"
    if names[0] == "df40":  # its splits are those of the sets that it was made of
        lists = options.folder / "faceforensics" / "splits", options.folder / "celebdf" / "List_of_testing_videos.txt"
        command += f" data.ffpp_splits={lists[0]} data.celebdf_list={lists[1]}"
    if names[0] == "shipped":
        command += " face.margin=1.0 whole=always"
    print(f"Next: {command}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
