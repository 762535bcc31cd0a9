"""Stands in for the Azure CLI: takes a call only as reference.json says, keeps a small state, and records each call.

programs/az asks over a socket, as thousands of calls would take minutes if each started Python.
"""
import json
import socketserver
import threading
from pathlib import Path

import jmespath

from services import Refused, World

REFERENCE = json.loads((Path(__file__).resolve().parent / "reference.json").read_text())["commands"]


class Usage(Exception):
    pass


def parsed(words):
    """The command, and the values of its options, by each of their names."""
    size = next((n for n in range(len(words), 0, -1) if " ".join(words[:n]) in REFERENCE), None)
    if size is None:
        raise Usage(f"{' '.join(words[:3])} is not in reference.json")
    command, rest = " ".join(words[:size]), words[size:]
    options = REFERENCE["every command"] + REFERENCE[command]
    values = {}
    while rest:
        word = rest.pop(0)
        option = next((option for option in options if word in option[0]), None)
        if option is None:
            raise Usage(f"unrecognized arguments: {word}")
        names, _, count, choices = option
        given = []
        while rest and not rest[0].startswith("--") and not (count is None and given) and not (count == "?" and given) and count != 0:
            given.append(rest.pop(0))
        if not given and count in (None, "+"):
            raise Usage(f"argument {word}: expected one argument")
        if choices and any(value.lower() not in [choice.lower() for choice in choices] for value in given):
            raise Usage(f"argument {word}: invalid choice: {given}")
        values |= dict.fromkeys(names, given if count in ("*", "+") else given[0] if given else True)
    for names, required, _, _ in options:
        if required and names[0] not in values:
            raise Usage(f"the following arguments are required: {names}")
    return command, values


def printed(result, values):
    """As knack prints: nothing for null, a line for each row in tsv."""
    if "--query" in values:
        result = jmespath.search(values["--query"], result)
    output = values.get("--output", "json")
    if result is None or output == "none":
        return ""
    if output != "tsv":
        return json.dumps(result) + "\n"

    def cell(value):
        return str(len(value)) if isinstance(value, list) else "" if isinstance(value, dict) else str(value)

    def row(value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, dict):
            value = [inner for _, inner in sorted(value.items())]
        return "\t".join(map(cell, value)) if isinstance(value, list) else cell(value)
    return "".join(row(value) + "\n" for value in (result if isinstance(result, list) else [result]))


def answer(folder, fail, words):
    """One call in a world, which is a folder: state.json is what there is, calls.jsonl each call with its exit code.
    Of `before N` or `after N`, the Nth call fails before or after it took effect."""
    world = World(folder / "state.json")
    calls = folder / "calls.jsonl"
    number = len(calls.read_text().splitlines()) + 1 if calls.exists() else 1
    when, _, which = fail.partition(" ")
    code, said, output = 0, "", ""
    try:
        command, values = parsed(words)
        refused = which == str(number) and when == "before"
        if refused and command == "keyvault list" and "--resource-type" not in values:
            result = []  # az asks for vaults and HSMs then, and drops whatever error there is (custom.py, list_vault_or_hsm)
        elif refused:
            raise Refused("(AuthorizationFailed) the stand-in was told to refuse this call")
        else:
            result = world.do(command, values)
        if which == str(number) and when == "after":
            raise Refused("('Connection aborted.') the stand-in was told to lose this answer")
        output = printed(result, values)
    except Usage as error:
        code, said = 2, f"ERROR: {error}\n"
    except Refused as error:
        code, said = error.code, f"ERROR: {error}\n"
    world.save()
    with open(calls, "a", encoding="utf-8") as file:
        file.write(json.dumps({"argv": words, "code": code, "changed": world.changed}) + "\n")
    return code, output, said


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        fields = [self.field() for _ in range(int(self.field()))]
        for part in answer(Path(fields[0]), fields[1], fields[2:]):
            self.wfile.write(str(part).encode() + b"\0")

    def field(self):
        text = b""
        while not text.endswith(b"\0"):
            byte = self.rfile.read(1)
            if not byte:
                raise EOFError
            text += byte
        return text[:-1].decode()


def serve():
    """Answers on loopback until the process ends. Gives the port."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
