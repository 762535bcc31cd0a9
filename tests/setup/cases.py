"""What must hold of setup/setup.sh, one function a case. Run by tests/setup/run, which says what it needs."""
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pycep import BicepParser

import azure_cli
import services

TOP = Path(__file__).resolve().parents[2]
WORK = Path(sys.argv[1])
PHASES = ["entra", "vault", "project", "trust", "user"]
TOKEN = "eyJ0-the-vaults-token-which-nobody-may-see"
EXAMPLE = (TOP / "setup" / "settings.example").read_text().replace("00000000-0000-0000-0000-000000000000", services.SUBSCRIPTION)
PORT = azure_cli.serve()
counter = itertools.count()


class Setup:
    """A world of its own, and a file of settings."""

    def __init__(self, like=None, settings=EXAMPLE, **changes):
        self.folder = WORK / "cases" / str(next(counter))
        if like:
            shutil.copytree(like.folder, self.folder)
            (self.folder / "calls.jsonl").unlink(missing_ok=True)
        else:
            self.folder.mkdir(parents=True)
            (self.folder / "settings").write_text(settings)
            (self.folder / "state.json").write_text(json.dumps(services.FRESH | {"vault_token": TOKEN}))
        if changes:
            (self.folder / "state.json").write_text(json.dumps(self.state | changes))

    @property
    def state(self):
        return json.loads((self.folder / "state.json").read_text())

    @property
    def settings(self):
        return (self.folder / "settings").read_text()

    @property
    def calls(self):
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(self, *words, **environment):
        """Runs the script; what holds of every run is looked at here. Gives the exit code and all that was printed."""
        first = len(self.calls)
        path = os.pathsep.join([str(WORK / "bin"), str(TOP / "tests" / "setup" / "programs"), os.environ["PATH"]])
        ended = subprocess.run([TOP / "setup" / "setup.sh", *words], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                               env=os.environ | {"PATH": path, "AZ_WORLD": str(self.folder), "AZ_PORT": str(PORT), "TMPDIR": str(self.folder)} | environment)
        for file in self.folder.rglob("*"):
            if file.is_file() and file.name != "state.json":
                assert TOKEN not in file.read_text(), f"the token is in {file.name}"
        assert TOKEN not in ended.stdout, "the token was printed"
        refused = [call["argv"] for call in self.calls[first:] if call["code"] == 2]
        assert not refused, f"az has no such command: {refused}\n{ended.stdout}"
        assert not list(self.folder.glob("tmp.*")), "a temporary folder was left"
        if ended.returncode:
            assert re.search(r"\nsetup\.sh: .+\nNow: .+(\n  .+)*\nDo: .+\n$", ended.stdout), ended.stdout
        return ended.returncode, ended.stdout

    def succeeds(self, *words, **environment):
        code, output = self.run(*words, **environment)
        assert code == 0, output
        return output

    def fails(self, *words, says, **environment):
        code, output = self.run(*words, **environment)
        assert code == 1 or "ERROR" in output, (code, output)
        assert code and says in output, f"{says!r} is not in: {output}"
        return output

    def shape(self):
        """The world, with every made-up id by the order of its appearance."""
        ids = {}
        made_up = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
        text = json.dumps(self.state | {"patience": 0})
        return made_up.sub(lambda id: id[0] if id[0].startswith("aaaaaaaa") else f"id{ids.setdefault(id[0], len(ids))}", text)


def verbs(output):
    """The commands that change something, without their arguments."""
    return [re.match(r"[a-z-]+( [a-z][a-z-]+)*", line[4:])[0] for line in output.splitlines() if line.startswith("  + ")]


def what_if_changes_nothing_and_shows_what_a_run_does():
    setup = Setup()
    before = setup.shape(), setup.settings
    output = setup.succeeds("--what-if", "settings", "all")
    assert (setup.shape(), setup.settings) == before and not any(call["changed"] for call in setup.calls)
    assert verbs(output) == verbs(setup.succeeds("settings", "all")), output
    for phase in PHASES:
        assert f"== {phase}" in output and "Needs: " in output


def the_first_run_does_everything_and_the_second_nothing():
    setup = Setup()
    output = setup.succeeds("settings", "all")
    state, kept = setup.state, dict(line.split("=", 1) for line in setup.settings.splitlines() if re.match("[a-z_]+=", line))
    app, client = state["apps"][kept["app"]], state["apps"][kept["client"]]
    assert len(state["apps"]) == 2 and app["publicClient"] == [] and client["publicClient"] == ["http://localhost"]
    assert [known["subject"] for known in app["credentials"]] == [kept["subject"]] and client["credentials"] == []
    assert len(client["permissions"]) == 2 and app["permissions"] == []
    assert sorted(grant["scope"] for grant in state["grants"]) == ["openid profile offline_access", "vso.pats vso.pats_manage"]
    assert all(grant["principalId"] == services.USER and grant["clientId"] == kept["client_object"] for grant in state["grants"])
    assert [(role["principalId"], role["scope"]) for role in state["roles"]] == [(kept["app_object"], state["vaults"]["contoso-kv"]["id"])]
    assert state["members"] == ["rotator@contoso.com"] and state["authorized"] == {kept["connection"]: [int(kept["pipeline_id"])]}
    assert len(state["checks"]) == 2 and len(state["policies"]) == 1 and len(state["pipelines"]) == len(state["connections"]) == 1
    assert state["secrets"] == {"rotator-refresh-token": {"clientId": kept["client"], "tenantId": services.TENANT, "userName": "rotator@contoso.com"}}
    assert "command: check" in output and "az pipelines run" in output and "--id 41" in output
    command = next(line for line in output.splitlines() if "az pipelines run" in line).partition("az ")[2].replace("'", "")
    names = [name for option in azure_cli.REFERENCE["pipelines run"] for name in option[0]]
    assert all(word in names for word in command.split() if word.startswith("--")), command
    before = setup.shape(), setup.settings
    output = setup.succeeds("settings", "all")
    assert (setup.shape(), setup.settings) == before and verbs(output) == [], output


def each_phase_alone_with_the_settings_of_the_one_before():
    whole, setup = Setup(), Setup()
    whole.succeeds("settings", "all")
    for phase in PHASES:
        output = setup.succeeds("settings", phase)
        assert output.count("\n== ") == 1 and f"== {phase}\nNeeds: " in output and "\nNext: " in output
        assert verbs(setup.succeeds("settings", phase)) == []
    assert setup.shape() == whole.shape()
    for phase in PHASES[1:]:
        early = Setup()
        early.fails("settings", phase, says="settings has no ")
        assert early.shape() == Setup().shape() and early.calls == []


def every_call_that_fails_stops_it_and_the_next_run_goes_on():
    before, jobs = Setup(), []
    for phase in PHASES:
        after = Setup(like=before)
        after.succeeds("settings", phase)
        for number, call in enumerate(after.calls, 1):
            jobs += [(before, after, phase, number, when) for when in (["before", "after"] if call["changed"] else ["before"])]
        before = after
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: fails_once(*job), jobs))
    print(f"  {len(jobs)} calls were made to fail")


def fails_once(before, after, phase, number, when):
    setup = Setup(like=before)
    code, output = setup.run("settings", phase, AZ_FAIL=f"{when} {number}")
    failed = " ".join(setup.calls[number - 1]["argv"])
    if code == 0:  # waiting for a role
        assert "keyvault secret list" in failed, (failed, output)
        return
    assert len(setup.calls) == number or failed.startswith("role") or setup.calls[-1]["argv"][:3] == ["role", "assignment", "delete"], output
    if "Now: this run changed nothing" in output:
        assert not any(call["changed"] for call in setup.calls[:-1]), output
    if (setup.shape(), setup.settings) == (before.shape(), before.settings):
        return  # the next run is the one that made `after`
    # The one call whose lost answer needs a person: a name does not say whose app it is.
    lost = re.search(r"add the line (\w+=\S+) if", setup.run("settings", phase)[1]) if when == "after" and "ad app create" in failed else None
    if lost:
        with open(setup.folder / "settings", "a", encoding="utf-8") as file:
            file.write(lost[1] + "\n")
    output = setup.succeeds("settings", phase)
    if when == "after" and "role assignment create" in failed:
        assert "and keep it: take it back if nobody needs it" in output and len(setup.state["roles"]) == 2
    else:
        assert setup.shape() == after.shape(), f"{when} {failed}\n{output}"


def what_it_must_not_touch_is_refused():
    Setup(tenant="00000000-0000-0000-0000-000000000000").fails("settings", "all", says="backed by Microsoft accounts")
    other = Setup(settings=EXAMPLE + f"tenant={services.USER}\napp=a\nissuer=i\nsubject=s\n")
    other.fails("settings", "trust", says=f"az login --tenant {services.USER}")
    app = {"appId": "theirs", "displayName": "pat-rotator", "permissions": [], "credentials": [], "publicClient": []}
    assert verbs(Setup(apps={"theirs": app}).fails("settings", "entra", says="add the line app=theirs if it is yours")) == []
    done = Setup()
    for phase in PHASES[:3]:
        done.succeeds("settings", phase)
    vault = done.state["vaults"]["contoso-kv"]
    for flag in (False, None):
        policies = Setup(like=done, roles=[], vaults={"contoso-kv": vault | {"properties": {"enableRbacAuthorization": flag}}})
        assert verbs(policies.fails("settings", "vault", says="works with access policies")) == []
    kept = Setup(like=done, roles=[])
    assert verbs(kept.succeeds("settings", "vault")) == ["az deployment group create"] and kept.shape() == done.shape()
    spelled = Setup(like=done, roles=[], vaults={"contoso-kv": vault | {"name": "Contoso-KV"}})
    spelled.succeeds("settings", "vault")  # names of vaults are the same in any case
    unseen = Setup(like=done, roles=[])
    output = unseen.fails("settings", "vault", AZ_FAIL="before 4", says="could not find the vault contoso-kv")
    assert unseen.calls[-1]["argv"][:2] == ["keyvault", "list"] and verbs(output) == [], "a vault that was not seen would be made anew"
    (id, connection), = done.state["connections"].items()
    connection["authorization"]["parameters"]["serviceprincipalid"] = "another"
    assert verbs(Setup(like=done, connections={id: connection}).fails("settings", "project", says="is over another app")) == []
    assert verbs(Setup(like=done, everyone=[id]).fails("settings", "project", says="every pipeline of Platform may use")) == []
    Setup(like=done, extensions=[]).fails("settings", "project", says="az extension add --name azure-devops")


def a_sign_in_that_fails_leaves_no_role_behind():
    setup = Setup()
    for phase in PHASES[:4]:
        setup.succeeds("settings", phase)
    before = setup.shape()
    output = setup.fails("settings", "user", SIGN_IN_FAILS="yes", says="the browser was closed")
    assert setup.shape() == before and "stored=" not in setup.settings and "could not sign rotator@contoso.com in" in output
    setup.fails("settings", "user", ROTATE_PAT="./no-such-program", says="there is no program ./no-such-program")
    assert setup.shape() == before
    stuck = Setup(like=setup)
    number = len(stuck.calls)
    failing = stuck.fails("settings", "user", SIGN_IN_FAILS="yes", AZ_FAIL=f"before {number + 9}", says="Take the role back by hand: az role assignment delete --ids /sub")
    assert len(stuck.state["roles"]) == 2, failing
    setup.succeeds("settings", "user")
    assert "rotator-refresh-token" in setup.state["secrets"] and len(setup.state["roles"]) == 1


def in_a_shared_vault_the_role_is_on_the_one_secret():
    setup = Setup(settings=EXAMPLE.replace("role_on=vault", "role_on=secret"))
    planned = setup.succeeds("--what-if", "settings", "all")
    assert verbs(planned) == verbs(setup.succeeds("settings", "all"))
    role, = setup.state["roles"]
    assert role["scope"] == setup.state["vaults"]["contoso-kv"]["id"] + "/secrets/rotator-refresh-token"
    assert verbs(setup.succeeds("settings", "all")) == []


def settings_that_cannot_be_used_are_refused_before_any_call():
    for line, says in [("organisation=x", "unknown line: organisation=x"), ("branch=a\"b", "branch has a character"), ("vault=a/b", "vault is not of the form"),
                       ("user=$(id)", "user has a character"), ("role_on=all", "role_on is all"), ("subscription=Production", "subscription is not of the form")]:
        setup = Setup(settings=EXAMPLE + line + "\n")
        setup.fails("settings", "all", says=says)
        assert setup.calls == []
    Setup().fails("settings", "every", says="there is no phase every")
    Setup().fails("no-settings", "all", says="there is no file of settings: no-settings")
    assert "--what-if" in Setup().succeeds("--help")


def the_bicep_is_what_the_script_says():
    bicep = BicepParser().parse(text=(TOP / "setup" / "vault.bicep").read_text())
    resources = bicep["resources"]
    made = resources["made"]["config"]
    assert made["condition"] == "newVault" and made["config"]["name"] == "vaultName"
    properties = made["config"]["properties"]
    # The names are those of VaultProperties in Microsoft.KeyVault/vaults@2023-07-01.
    assert {key: value for key, value in properties.items() if key != "tenantId"} == {
        "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True, "enableSoftDelete": True, "enablePurgeProtection": True,
        "softDeleteRetentionInDays": 90}
    assert services.OFFICER in json.dumps(bicep["variables"]["role"])
    for name, scope in (("onVault", "vault"), ("onSecret", "secret")):
        config = resources[name]["config"]["config"]
        assert config["scope"] == scope and config["dependsOn"] == ["made"] and resources[scope]["existing"]
        assert config["properties"] == {"roleDefinitionId": "role", "principalId": "principalId", "principalType": "ServicePrincipal"}


CASES = [
    what_if_changes_nothing_and_shows_what_a_run_does, the_first_run_does_everything_and_the_second_nothing, each_phase_alone_with_the_settings_of_the_one_before,
    every_call_that_fails_stops_it_and_the_next_run_goes_on, what_it_must_not_touch_is_refused, a_sign_in_that_fails_leaves_no_role_behind,
    in_a_shared_vault_the_role_is_on_the_one_secret, settings_that_cannot_be_used_are_refused_before_any_call, the_bicep_is_what_the_script_says,
]


def fault_of(case):
    try:
        case()
    except Exception as error:  # a case that breaks is a case that fails
        return f"{type(error).__name__}: {error}"
    return ""


def main():
    shutil.rmtree(WORK / "cases", ignore_errors=True)
    (WORK / "bin").mkdir(exist_ok=True)
    (WORK / "bin" / "python3").unlink(missing_ok=True)
    (WORK / "bin" / "python3").symlink_to(sys.executable)  # not by way of a version manager, which takes longer than the stand-in
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = list(pool.map(fault_of, CASES))
    for case, fault in zip(CASES, faults):
        print(f"{'FAILED' if fault else 'passed'}  {case.__name__.replace('_', ' ')}{fault and ': ' + fault}")
    failed = sum(map(bool, faults))
    passed = len(faults) - failed
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
