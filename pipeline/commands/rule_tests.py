"""`tidegauge test`: do the rules alert where they should, and only there?"""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, err, fail, out
from pipeline.config import read_config, read_text
from pipeline.rule_tests.run import run_test
from pipeline.rule_tests.told import Ran, for_build_server, for_person, for_program
from schemas.config import Config, ConfigError, ConfigErrors
from schemas.csv_events import CsvError
from schemas.rule_tests import TestFile, load_tests, misnamed


def rule_tests(
    files: Annotated[list[Path], typer.Argument(help="Files of tests (docs/rule-tests.md).", metavar="FILE...")],
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="Test this config, whatever the files name."),
    ] = None,
    only: Annotated[str, typer.Option("--only", help="Run the tests whose name has this text in it.")] = "",
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit's XML here, for a build server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run tests of rules through the worker's engine: input series or files, and what shall be firing when.

    Exit 0 all passed, 1 some failed, 2 a file is wrong (every mistake at once, as FILE:LINE: path: message). Kafka
    isn't asked. Without -c a file's own `config` is tested, else tidegauge.yaml beside it.
    """
    if junit is not None and not junit.parent.is_dir():
        fail(f"test: there is no folder {junit.parent} to write {junit.name} to", WRONG_USE)
    began = time.perf_counter()
    loaded = _load(files, config)
    chosen = [(tests, rules, test) for tests, rules in loaded for test in tests.tests if only in test.name]
    if not chosen:
        fail(f"test: no test has {only!r} in its name", WRONG_USE)
    ran: list[Ran] = []
    console = err()
    for tests, rules, each in track(
        chosen, "test", console=console, transient=True, disable=not console.is_terminal or len(chosen) < 2
    ):
        started = time.perf_counter()
        try:
            outcome = run_test(each, rules, Path(tests.file).parent)
        except CsvError as error:
            fail(f"{tests.file}:{each.line}: {error}", WRONG_USE)
        except OSError as error:
            fail(f"{tests.file}:{each.line}: {error.filename or ''}: {error.strerror or error}", WRONG_USE)
        ran.append(Ran(tests.file, outcome, time.perf_counter() - started))
    took_s = time.perf_counter() - began
    if junit is not None:
        try:
            junit.write_bytes(for_build_server(ran))
        except OSError as error:
            fail(f"test: {junit}: {error.strerror or error}", WRONG_USE)
    failed = sum(not one.passed for one in ran)
    if as_json:
        typer.echo(json.dumps(for_program(ran, took_s)))
    else:
        for one in ran:
            out().print(for_person(one))
        out().print(f"{len(ran) - failed} passed, {failed} failed, in {took_s:.1f} s")
    if failed:
        raise typer.Exit(PROBLEMS)


def _load(files: list[Path], config: Path | None) -> list[tuple[TestFile, Config]]:
    """Every file with the config that it tests, or all their mistakes on stderr and exit code 2."""
    loaded: list[tuple[TestFile, Config]] = []
    errors: list[ConfigError] = []
    configs: dict[Path, Config] = {}
    for file in files:
        try:
            tests = load_tests(read_text(file), str(file))
            tested = config or file.parent / (tests.config or DEFAULT_CONFIG)
            if tested not in configs:
                configs[tested] = read_config(tested)
            errors += misnamed(tests, configs[tested].rules, str(tested))
            loaded.append((tests, configs[tested]))
        except ConfigErrors as found:
            errors += found.errors
    if errors:
        fail("\n".join(dict.fromkeys(map(str, errors))), WRONG_USE)
    return loaded
