#!/usr/bin/env python3
"""Fails when folders of the sources include each other in a circle, and says by which files."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where the build looks for headers, beside the including file's own folder.
SEARCHED = ["core/include", "core/src", "core", "plugins", "plugins/readers", "plugins/mergers", "plugins/writers/gguf"]


def included(file: Path, text: str) -> Path:
    for folder in [file.parent, *(ROOT / name for name in SEARCHED)]:
        if (folder / text).is_file():
            return (folder / text).resolve()
    sys.exit(f"{file}: cannot find {text}")


def includes() -> dict[Path, dict[Path, str]]:
    """Folder -> the other folders that its files include, each with one such include."""
    found: dict[Path, dict[Path, str]] = {}
    for top in ("core", "plugins"):
        for file in sorted((ROOT / top).rglob("*.[ch]*")):
            for text in re.findall(r'^#include "([^"]+)"', file.read_text(), re.MULTILINE):
                folder = included(file, text).parent
                if folder != file.parent:
                    found.setdefault(file.parent, {}).setdefault(folder, f"{file.relative_to(ROOT)} includes {text}")
    return found


def circle(graph: dict[Path, dict[Path, str]]) -> list[Path]:
    """Folders of which each includes the next and the last the first; none when there is no circle."""
    done: set[Path] = set()

    def visit(folder: Path, path: list[Path]) -> list[Path]:
        if folder in path:
            return path[path.index(folder):]
        if folder not in done:
            for other in graph.get(folder, {}):
                if found := visit(other, [*path, folder]):
                    return found
            done.add(folder)
        return []
    return next((found for folder in graph if (found := visit(folder, []))), [])


graph = includes()
if found := circle(graph):
    print("folders include each other:")
    for folder, other in zip(found, [*found[1:], found[0]]):
        print(f"  {graph[folder][other]}")
    sys.exit(1)
