"""`turnout doctor`."""

from typing import TYPE_CHECKING

import typer

from turnout.cli import exit_codes
from turnout.cli.output import JsonFlag, format_bytes, print_json, print_line

if TYPE_CHECKING:  # importing it opens the data plane, which help and completion can do without
    from turnout.host.machine import Machine
    from turnout.operations.diagnosis import Diagnosis


def doctor(as_json: JsonFlag = False) -> None:
    """Say what works here, and what to install.

    Ends with 5 where no runtime works, so that nothing could be served.
    """
    from turnout.operations.diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.to_json())
    else:
        _print_diagnosis(diagnosis)
    if not diagnosis.can_serve:
        raise typer.Exit(exit_codes.MISSING)


def _print_diagnosis(diagnosis: "Diagnosis") -> None:
    print_line(f"turnout {diagnosis.turnout}, Python {diagnosis.python}, {diagnosis.system}")
    print_line(_describe_machine(diagnosis.machine))
    print_line("\nruntimes:")
    for runtime in diagnosis.runtimes:
        if runtime.problem is None:
            print_line(f"  ok       {runtime.engine} {runtime.version}  {runtime.library}")
        else:
            print_line(f"  missing  {runtime.engine}: {runtime.problem}")
            if runtime.hint:
                print_line(f"           {runtime.hint}")
    print_line("\nlibraries:")
    for library in diagnosis.libraries:
        versions = ", ".join(f"{module} {version}" for module, version in library.versions.items())
        state = "ok     " if not library.missing else "missing"
        print_line(f"  {state}  {library.purpose}: {versions or 'nothing found'}")
        if library.missing:
            print_line(f"           not found: {', '.join(library.missing)}; {library.hint}")


def _describe_machine(machine: "Machine") -> str:
    quota = "no quota" if machine.quota_cores is None else f"a quota of {machine.quota_cores:g}"
    limit = machine.memory_limit_bytes
    bound = "no limit" if limit is None else f"a limit of {format_bytes(limit)}"
    return (
        f"{machine.cores} usable cores ({machine.affinity_cores} by affinity, {quota}),"
        f" {format_bytes(machine.memory_bytes)} of memory ({bound})"
    )
