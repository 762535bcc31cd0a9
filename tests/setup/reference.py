"""The Azure CLI's own parser: the source of reference.json, and a judge of recorded calls.

  python reference.py table          prints reference.json anew
  python reference.py parse CALLS    parses each call that the stand-in recorded; fails if the real parser refuses one

Not a part of the gate: azure-cli is 600 MB. Run it with a Python that has azure-cli from PyPI, and set AZURE_EXTENSION_DIR
to a folder with the extension azure-devops. No command is executed, and nobody needs to be signed in.
"""
import json
import os
import re
import sys
import tempfile

os.environ.setdefault("AZURE_CONFIG_DIR", tempfile.mkdtemp())
from azure.cli.core import __version__, get_default_cli  # noqa: E402
from azure.cli.core.commands import events  # noqa: E402
from knack.events import EVENT_INVOKER_POST_CMD_TBL_CREATE, EVENT_INVOKER_PRE_CMD_TBL_CREATE  # noqa: E402

COMMANDS = """account get-access-token, account show, ad app create, ad app federated-credential create,
ad app federated-credential list, ad app list, ad app permission add, ad app permission grant, ad app permission list,
ad app permission list-grants, ad app show, ad signed-in-user show, ad sp create, ad sp list, ad sp show, ad user show,
deployment group create, devops project show, devops service-endpoint create, devops service-endpoint list,
devops service-endpoint show, devops user add, devops user show, extension list, group create, group exists, keyvault list,
keyvault secret list, pipelines create, pipelines list, pipelines run, repos policy approver-count create, repos policy list, repos show,
rest, role assignment create, role assignment delete, role assignment list""".replace("\n", " ").split(", ")


def parser_for(words):
    """The parser, with the one command loaded that these words begin with, in the steps of AzCliCommandInvoker.execute."""
    cli = get_default_cli()
    run = cli.invocation_cls(cli_ctx=cli, commands_loader_cls=cli.commands_loader_cls, parser_cls=cli.parser_cls,
                             help_cls=cli.help_cls)
    cli.invocation = run
    cli.raise_event(EVENT_INVOKER_PRE_CMD_TBL_CREATE, args=words)
    table = run.commands_loader.load_command_table(words)
    command = run._rudimentary_get_command(words)
    if command not in table:
        sys.exit(f"there is no command: az {' '.join(words)}")
    cli.invocation.data["command_string"] = command
    run.commands_loader.command_table = {command: table[command]}
    run.commands_loader.command_name = command
    cli.raise_event(events.EVENT_INVOKER_PRE_LOAD_ARGUMENTS, commands_loader=run.commands_loader)
    run.commands_loader.load_arguments(command)
    cli.raise_event(events.EVENT_INVOKER_POST_LOAD_ARGUMENTS, commands_loader=run.commands_loader)
    cli.raise_event(EVENT_INVOKER_POST_CMD_TBL_CREATE, commands_loader=run.commands_loader)
    run.parser.cli_ctx = cli
    run.parser.load_command_table(run.commands_loader)
    return run.parser, command


def options_of(command):
    """Each option: its names, whether it is required, how many values it takes, and which."""
    parser, found = parser_for(command.split())
    assert found == command, (found, command)
    for word in command.split():
        inner = next(action for action in parser._actions if type(action).__name__ == "_SubParsersAction"
                     or hasattr(action, "_name_parser_map"))
        parser = inner._name_parser_map[word]
    options = []
    for action in parser._actions:
        # azure-cli 2.91 declares "--id, --client-id" as one word, which works because a beginning is enough.
        names = [name for word in action.option_strings for name in str(word).split(", ")]
        if names and type(action).__name__ != "IgnoreAction":
            options.append([sorted(names), bool(action.required), action.nargs, sorted(action.choices) if action.choices else None])
    return sorted(options, key=lambda option: option[0])


def table():
    from azext_devops.version import VERSION
    options = {command: options_of(command) for command in COMMANDS}
    first, *others = options.values()
    common = [option for option in first if all(option in other for other in others)]
    options = {"every command": common} | {command: [option for option in own if option not in common] for command, own in options.items()}
    rows = [f"{json.dumps(command)}: [\n    " + ",\n    ".join(map(json.dumps, own)) + "\n  ]" for command, own in options.items()]
    source = f"azure-cli {__version__} (PyPI) and its extension azure-devops {VERSION} (GitHub), both of Microsoft, MIT; by reference.py"
    print('{"source": %s, "commands": {\n  %s\n}}' % (json.dumps(source), ",\n  ".join(rows)))


def parse(path):
    count = 0
    with open(path, encoding="utf-8") as calls:
        for line in calls:
            # The files are gone, and some are read while the words are parsed.
            words = ["{}" if re.fullmatch("/.*[.]json", word) else word for word in json.loads(line)["argv"]]
            parser, _ = parser_for(words)
            parser.parse_args(words)  # exits where it refuses
            count += 1
    print(f"{count} calls, each taken by the parser of azure-cli {__version__}")


if __name__ == "__main__":
    if os.environ.get("AZURE_EXTENSION_DIR"):
        sys.path.append(os.path.join(os.environ["AZURE_EXTENSION_DIR"], "azure-devops"))
    if sys.argv[1:] == ["table"]:
        table()
    elif len(sys.argv) == 3 and sys.argv[1] == "parse":
        parse(sys.argv[2])
    else:
        sys.exit(__doc__)
