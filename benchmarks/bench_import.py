"""Seconds that `import sfml` takes beyond the interpreter's own start.

    python benchmarks/bench_import.py [--repeats 20]

Fresh interpreters run `pass` and `import sfml` in turn; the fastest of each are compared. The
heaviest of the modules it loads are listed, and what the first use of a name adds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

STATEMENTS = {
    "import sfml": "import sfml",
    "and the pipeline": "import sfml; sfml.make_star_formation_pipeline()",
}
FORBIDDEN = ("tensorflow", "keras", "matplotlib", "astropy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    for name in STATEMENTS:
        print(f"heaviest modules of {name!r}, seconds of their own:")
        for module, seconds in heaviest_modules(STATEMENTS[name]):
            print(f"  {seconds:.3f}  {module}")
    print(f"of {', '.join(FORBIDDEN)} loaded: {', '.join(loaded_of(FORBIDDEN)) or 'none'}")
    seconds = extra_seconds(args.repeats)
    print(f"{'and the pipeline'}: {seconds['and the pipeline']:.3f} s")
    print(f"import sfml: {seconds['import sfml']:.3f} s")


def extra_seconds(repeats: int) -> dict[str, float]:
    """Fastest run of each statement, less the fastest start of an interpreter."""
    codes = {"start": "pass", **STATEMENTS}
    fastest = dict.fromkeys(codes, float("inf"))
    for _ in range(repeats):
        for name, code in codes.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            fastest[name] = min(fastest[name], time.perf_counter() - start)
    # What takes less than the scatter of a start may come out below zero.
    return {name: max(fastest[name] - fastest["start"], 0.0) for name in STATEMENTS}


def heaviest_modules(code: str, n: int = 5) -> list[tuple[str, float]]:
    """Modules by the time of their own code, children excluded."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], check=True, capture_output=True, text=True
    )
    modules = []
    for line in run.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            modules.append((name.strip(), int(own) / 1e6))
    return sorted(modules, key=lambda entry: -entry[1])[:n]


def loaded_of(names: tuple[str, ...]) -> list[str]:
    """Which of these modules `import sfml` loads."""
    code = f"import sys, sfml; print(*[n for n in {names!r} if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return run.stdout.split()


if __name__ == "__main__":
    main()
