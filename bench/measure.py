"""Times whole commands in turn, a round at a time, each from a clean disk, and prints medians side by side."""
import os
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tool:
    name: str
    command: list
    failure: str = ""
    seconds: list[float] = field(default_factory=list)
    peak_kib: int = 0
    written: int = 0  # bytes of its output

    @property
    def wall(self) -> float:
        return statistics.median(self.seconds)


def size_of(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def read_once(path: Path) -> None:
    """Brings it into the page cache."""
    for file in path.rglob("*"):
        if file.is_file():
            with open(file, "rb", buffering=0) as stream:
                while stream.read(1 << 20):
                    pass


def run_once(tool: Tool, output: Path, log: Path) -> None:
    """No output of the run before, nothing left of it to be written back. A command that prints `seconds S` has timed
    its own work: a peer is not charged for the start of the Python that calls it."""
    remove(output)
    os.sync()
    with open(log, "wb") as stream:
        start = time.monotonic()
        child = subprocess.Popen([str(word) for word in tool.command], cwd=output.parent, stdout=stream,
                                 stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace").strip().splitlines() or ["no output"]
    if child.returncode != 0:
        tool.failure = f"exit code {child.returncode}: {said[-1]}"
        return
    timed = re.fullmatch(r"seconds ([\d.]+)", said[-1])
    tool.seconds.append(float(timed[1]) if timed else seconds)
    tool.peak_kib = max(tool.peak_kib, usage.ru_maxrss)
    tool.written = size_of(output) if output.exists() else 0


def run_rounds(tools: list[Tool], rounds: int, output: Path) -> None:
    log = output.parent / "last.log"
    for number in range(1, rounds + 1):
        for tool in tools:
            if not tool.failure:
                run_once(tool, output, log)
                print(f"round {number}: {tool.name}: {tool.failure or f'{tool.seconds[-1]:.2f} s'}", flush=True)
    remove(output)


def print_table(title: str, tools: list[Tool]) -> None:
    """The first tool is what the others are held against."""
    print(f"\n{title}, {os.cpu_count()} cores, warm cache, medians\n")
    print(f"{'tool':<26} {'wall s':>8} {'x ' + tools[0].name.split()[0]:>8} {'written GB':>11} {'peak MiB':>9}")
    for tool in tools:
        if tool.failure:
            print(f"{tool.name:<26} {tool.failure}")
            continue
        ratio = tool.wall / tools[0].wall if tools[0].seconds else float("nan")
        print(f"{tool.name:<26} {tool.wall:>8.2f} {ratio:>8.2f} {tool.written / 1e9:>11.2f} {tool.peak_kib / 1024:>9.0f}")
