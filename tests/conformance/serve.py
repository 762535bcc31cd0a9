"""Starts the simulator for a suite in Python, and counts what was seen."""

import json
import os
import subprocess
import sys
import traceback


class Simulator:
    """The process, and what its world begins with."""

    def __init__(self):
        folder = os.environ["CONFORMANCE_FOLDER"]
        self._process = subprocess.Popen(
            [os.environ["CONFORMANCE_SERVE"], folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.begins = json.loads(self._process.stdout.readline())
        # What these clients read: no option of theirs names a proxy or a CA in all of them alike.
        os.environ["HTTPS_PROXY"] = os.environ["https_proxy"] = self.begins["proxy"]
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = self.begins["ca"]
        for name in ("NO_PROXY", "no_proxy"):
            os.environ.pop(name, None)

    def order(self, words):
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def world(self):
        return self.order("world")

    def end(self):
        self._process.stdin.close()
        assert self._process.wait(timeout=20) == 0


def equal(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"


def refused(kind, act, *words):
    """The client raises an error of this kind, which says all of these words."""
    try:
        act()
    except kind as error:
        said = f"{error} {getattr(error, 'status_code', '')}"
        for word in words:
            assert word in said, f"{word!r} is not in {said}"
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(client, simulator, cases):
    """One line a case: its result, the client, what was done, and why it failed."""
    failed = False

    def tell(name, case):
        nonlocal failed
        try:
            case()
            why = ""
        except BaseException as error:
            why = f"{type(error).__name__}: {error}".replace("\t", " ").replace("\n", " ")[:600]
            traceback.print_exc(file=sys.stderr)
            failed = True
        print("FAILED" if why else "passed", client, name, why, sep="\t", flush=True)

    for case in cases:
        tell(case.__doc__, case)
    tell("nothing was sent that no client may send", lambda: equal(simulator.order("problems"), []))
    simulator.end()
    sys.exit(failed)
