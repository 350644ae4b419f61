"""`./dev compare`: see `./dev compare --help`."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from compare import document, recorded
from compare.attributes import probes
from compare.cases import written
from compare.differences import Difference, compare, reasons
from compare.generated import generated
from compare.inside import InsideHydria
from compare.sides import ROOT, running_hydria, running_octavia
from compare.talk import Case, Exchange, transcript


def main() -> int:
    """Compare, print differences without a reason, write the page; return 1 when there are any."""
    options = _options()
    cases: dict[str, Case] = {**dict(written()), **dict(probes()), **dict(generated(options.seed, options.rounds))}
    chosen = {name: case for name, case in cases.items() if fnmatchcase(name, options.cases)}
    talks: dict[str, list[Exchange]] = {}
    found: list[Difference] = []
    known = reasons()
    open_: list[Difference] = []
    begun = time.monotonic()
    for name, real, ours in _recorded(chosen) if options.recorded else _live(chosen, options.octavia):
        talks[name] = real
        differences = compare(name, real, ours)
        unexplained = [each for each in differences if not any(reason.explains(each) for reason in known)]
        found += differences
        open_ += unexplained
        took, begun = time.monotonic() - begun, time.monotonic()
        sys.stdout.write(f"{name}: {len(real)} requests, {len(unexplained)} differences, {took:.1f} s\n")
        _show(unexplained)
        sys.stdout.flush()
    requests = sum(len(talk) for talk in talks.values())
    sys.stdout.write(
        f"{len(talks)} cases, {requests} requests, {len(found)} differences, {len(open_)} without a reason\n"
    )
    if options.record:
        recorded.write({name: talk for name, talk in talks.items() if recorded.wanted(name)})
    if options.cases == "*":
        document.write(talks, found, known)
    return 1 if open_ else 0


Both = Iterator[tuple[str, list[Exchange], list[Exchange]]]


def _live(chosen: dict[str, Case], octavia: Path) -> Both:
    """Run cases against the real Octavia and against a Hydria server."""
    with tempfile.TemporaryDirectory(prefix="hydria-compare-") as temporary:
        directory = Path(temporary)
        with running_hydria(directory) as hydria, running_octavia(directory / "octavia", octavia, hydria) as real:
            for name, case in chosen.items():
                yield name, transcript(real, case), transcript(hydria, case)


def _recorded(chosen: dict[str, Case]) -> Both:
    """Read Octavia's recorded answers, and run the cases against Hydria in this process."""
    kept = recorded.read()
    with tempfile.TemporaryDirectory(prefix="hydria-compare-") as temporary:
        hydria = InsideHydria(Path(temporary))
        try:
            for name in sorted(chosen.keys() & kept.keys(), key=list(chosen).index):
                yield name, kept[name], transcript(hydria.side, chosen[name])
        finally:
            hydria.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev compare", description=__doc__)
    parser.add_argument("--cases", default="*", help="only the cases whose names match this pattern")
    parser.add_argument("--seed", type=int, default=1, help="of the generated requests")
    parser.add_argument("--rounds", type=int, default=20, help="of generated requests")
    parser.add_argument("--recorded", action="store_true", help="take Octavia's answers from the record, not from it")
    parser.add_argument("--record", action="store_true", help="keep the answers that ./dev test compares with")
    parser.add_argument("--octavia", type=Path, default=ROOT / ".dev/octavia", help="Octavia's environment")
    return parser.parse_args()


def _show(differences: list[Difference]) -> None:
    for each in differences:
        sys.stdout.write(
            f"\n{each.case}, step {each.step}: {each.route} ({each.user}) {_short(each.sent)}\n"
            f"    {each.path}\n    {each.at}\n    octavia: {_short(each.octavia)}\n    hydria:  {_short(each.hydria)}\n"
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 400 else text[:400] + "…"


if __name__ == "__main__":
    sys.exit(main())
