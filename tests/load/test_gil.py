"""Serving does not need Python: a thread that holds the interpreter's lock for ten seconds harms nobody."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.command import clean_environment
from tests.support.load import Group, LoadRun
from tests.support.load_models import make_bodies, save_mlp

HELD_S = 10
RATE_PER_S = 1000

PROGRAM = """
import ctypes, json, sys, threading
import turnout

def hold():
    ctypes.PyDLL(None).sleep(int(sys.argv[2]))  # PyDLL keeps the lock during the call

with turnout.Server(sys.argv[1], name="m") as server:
    server.wait_ready()
    print(json.dumps([server.rest_url, server.grpc_address]), flush=True)
    sys.stdin.readline()
    thread = threading.Thread(target=hold)
    print("held", flush=True)
    thread.start()
    thread.join()
    print("released", flush=True)
    sys.stdin.readline()
"""


def test_serving_goes_on_while_the_lock_is_held(tmp_path: Path) -> None:
    file = save_mlp(tmp_path / "model.onnx", 1)
    bodies = make_bodies(file)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file), str(HELD_S)],
        env=clean_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        rest, grpc = json.loads(process.stdout.readline())
        groups = [
            Group("rest", rest, bodies, connections=4, rate_per_s=RATE_PER_S),
            Group("grpc", grpc, bodies, connections=2, rate_per_s=RATE_PER_S),
        ]
        with LoadRun(groups) as run:
            run.wait_measuring()
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "held\n"
            run.phase("held")
            assert process.stdout.readline() == "released\n"
            run.phase("released")
            report = run.stop().check()
        process.communicate("\n", timeout=20)
        assert process.returncode == 0
    for group in report.groups.values():
        (held,) = group.phases["held"]
        assert held.seconds >= HELD_S * 0.9
        assert held.answers_per_s >= RATE_PER_S * 0.8
