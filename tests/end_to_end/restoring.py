"""Reads what `lastcopy restore` wrote. Rules of this file: standard library; asks the disk, and the command's own list of names
that this file system could not hold."""

import json
from pathlib import Path

from tests.end_to_end.driving import Product
from tests.independent.reader import sha256_file


def restored_trees(product: Product) -> dict[str, dict[str, str]]:
    """{drive id: {true path: SHA-256, or "folder"}}."""
    target = product.folder / f"restored{len(list(product.folder.glob('restored*')))}"
    document = product.run("restore", "--json", "--to", str(target), code=0).document
    ids = {}
    for path in (product.store / "sources").glob("*.json"):
        source = json.loads(path.read_bytes())
        ids[source["bag"]] = source["id"]
    found = {}
    for source in document["sources"]:
        top = target / source["bag"]
        true_names = {place: path for path, place in source["changed_names"]["first"]}
        found[ids[source["bag"]]] = {true_names.get(at, f"/{at}"): what for at, what in walked(top).items()}
    return found


def walked(top: Path) -> dict[str, str]:
    """{path below `top`: SHA-256, or "folder"}."""
    tree = {}
    for path in top.rglob("*"):
        tree[path.relative_to(top).as_posix()] = "folder" if path.is_dir() else sha256_file(path)
    return tree
