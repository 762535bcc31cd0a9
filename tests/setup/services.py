"""What the stand-in for az finds and makes: one tenant, one subscription, one organization. State is plain JSON."""
import json
import re
import uuid
from pathlib import Path

OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"  # Key Vault Secrets Officer
DEVOPS, GRAPH = "499b84ac-1321-427f-aa17-267ca6975798", "00000003-0000-0000-c000-000000000000"
TENANT = "aaaaaaaa-0000-4000-8000-000000000001"
ADMIN, USER = "aaaaaaaa-0000-4000-8000-000000000002", "aaaaaaaa-0000-4000-8000-000000000003"
SUBSCRIPTION = "aaaaaaaa-0000-4000-8000-000000000004"
PROJECT, REPOSITORY = "aaaaaaaa-0000-4000-8000-000000000005", "aaaaaaaa-0000-4000-8000-000000000006"
ORG = "https://dev.azure.com/contoso"
BICEP = Path(__file__).resolve().parents[2] / "setup" / "vault.bicep"

FRESH = {
    "tenant": TENANT, "users": {"rotator@contoso.com": USER}, "apps": {}, "grants": [], "groups": [], "vaults": {}, "roles": [],
    "members": [], "pipelines": [], "connections": {}, "authorized": {}, "everyone": [], "checks": [], "policies": [], "secrets": {},
    "vault_token": "", "patience": 0, "extensions": ["azure-devops"], "principals": {
        DEVOPS: {"id": "aaaaaaaa-0000-4000-8000-000000000007", "appId": DEVOPS, "oauth2PermissionScopes": [
            {"value": "vso.pats", "id": "aaaaaaaa-0000-4000-8000-000000000008"}, {"value": "vso.code", "id": "aaaaaaaa-0000-4000-8000-000000000009"},
            {"value": "vso.pats_manage", "id": "aaaaaaaa-0000-4000-8000-00000000000a"}]},
        GRAPH: {"id": "aaaaaaaa-0000-4000-8000-00000000000b", "appId": GRAPH, "oauth2PermissionScopes": []}},
}


class Refused(Exception):
    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


def found(value, what):
    if not value:
        raise Refused(f"(ResourceNotFound) {what} does not exist", 3)
    return value


def content(argument):
    """Of a JSON file, whether az reads it by its name or after @."""
    return json.loads(Path(argument.removeprefix("@")).read_text())


def expect(value, shape, where="body"):
    """That a body has these fields and no others; a type stands for any value of it."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            raise Refused(f"(BadRequest) {where} is {value}, not of the fields {sorted(shape)}")
        for key, inner in shape.items():
            expect(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, type):
        if not isinstance(value, shape) or value == "":
            raise Refused(f"(BadRequest) {where} is {value!r}, not a {shape.__name__}")
    elif value != shape:
        raise Refused(f"(BadRequest) {where} is {value!r}, not {shape!r}")


class World:
    def __init__(self, path):
        self.path = path
        self.state = json.loads(path.read_text()) if path.exists() else json.loads(json.dumps(FRESH))
        self.before = json.dumps(self.state)
        self.changed = False

    def save(self):
        after = json.dumps(self.state)
        # Waiting for a role is no change of anybody's.
        self.changed = json.dumps(json.loads(after) | {"patience": 0}) != json.dumps(json.loads(self.before) | {"patience": 0})
        if after != self.before:
            self.path.write_text(after)

    def __getattr__(self, name):
        return self.state[name]

    def do(self, command, values):
        if "--organization" in values and values["--organization"] != ORG:
            raise Refused(f"there is no organization {values['--organization']}")
        if "--project" in values and values["--project"] != "Platform":
            raise Refused(f"TF200016: The following project does not exist: {values['--project']}")
        return getattr(World, command.replace(" ", "_").replace("-", "_"))(self, values)

    # account, extension
    def account_show(self, values):
        if values.get("--subscription", SUBSCRIPTION) != SUBSCRIPTION:
            raise Refused("Subscription not found")
        return {"tenantId": self.tenant, "id": SUBSCRIPTION, "name": "Contoso production"}

    def account_get_access_token(self, values):
        expect(values["--resource"], "https://vault.azure.net", "--resource")
        return {"accessToken": found(self.vault_token, "the token")}

    def extension_list(self, _):
        return [{"name": name, "version": "1.0.7"} for name in self.extensions]

    # ad
    def ad_signed_in_user_show(self, _):
        return {"id": ADMIN}

    def ad_user_show(self, values):
        return {"id": found(self.users.get(values["--id"]), values["--id"])}

    def ad_app_list(self, values):
        name = re.fullmatch("displayName eq '(.*)'", values["--filter"])[1]
        return [app for app in self.apps.values() if app["displayName"] == name]

    def ad_app_show(self, values):
        return found(self.apps.get(values["--id"]), values["--id"])

    def ad_app_create(self, values):
        expect(values["--sign-in-audience"], "AzureADMyOrg", "--sign-in-audience")
        app = {"appId": str(uuid.uuid4()), "displayName": values["--display-name"], "permissions": [], "credentials": [],
               "publicClient": values.get("--public-client-redirect-uris", [])}
        self.apps[app["appId"]] = app
        return app

    def ad_sp_list(self, values):
        app = re.fullmatch("appId eq '(.*)'", values["--filter"])[1]
        return [self.principals[app]] if app in self.principals else []

    def ad_sp_show(self, values):
        return found(self.principals.get(values["--id"]), values["--id"])

    def ad_sp_create(self, values):
        found(self.apps.get(values["--id"]), values["--id"])
        if values["--id"] in self.principals:
            raise Refused("the service principal exists")
        self.principals[values["--id"]] = {"id": str(uuid.uuid4()), "appId": values["--id"]}
        return self.principals[values["--id"]]

    def ad_app_permission_list(self, values):
        permissions = found(self.apps.get(values["--id"]), values["--id"])["permissions"]
        apis = sorted({api for api, _ in permissions})
        return [{"resourceAppId": api, "resourceAccess": [{"id": id, "type": "Scope"} for of, id in permissions if of == api]} for api in apis]

    def ad_app_permission_add(self, values):
        api, app = values["--api"], found(self.apps.get(values["--id"]), values["--id"])
        for permission in values["--api-permissions"]:
            scope, kind = permission.split("=")
            expect(kind, "Scope", "the type of the permission")
            found([known for known in self.principals[api]["oauth2PermissionScopes"] if known["id"] == scope], scope)
            app["permissions"].append([api, scope])

    def ad_app_permission_list_grants(self, values):
        client = re.fullmatch("clientId eq '(.*)'", values["--filter"])[1]
        return [grant for grant in self.grants if grant["clientId"] == client]

    def ad_app_permission_grant(self, values):
        client, api = (found(self.principals.get(values[name]), name)["id"] for name in ("--client-id", "--resource-id"))
        expect(values["--consent-type"], "Principal", "--consent-type")
        expect(values["--principal-id"], USER, "--principal-id")
        # az deletes what that app had for that API
        self.state["grants"] = [grant for grant in self.grants if (grant["clientId"], grant["resourceId"]) != (client, api)]
        self.grants.append({"clientId": client, "resourceId": api, "consentType": "Principal", "principalId": USER, "scope": " ".join(values["--scope"])})

    def ad_app_federated_credential_list(self, values):
        return found(self.apps.get(values["--id"]), values["--id"])["credentials"]

    def ad_app_federated_credential_create(self, values):
        app, body = found(self.apps.get(values["--id"]), values["--id"]), content(values["--parameters"])
        expect(body, {"name": str, "issuer": str, "subject": str, "audiences": ["api://AzureADTokenExchange"]})
        if any(body["name"] == known["name"] for known in app["credentials"]):
            raise Refused("FederatedIdentityCredential with that name exists")
        app["credentials"].append(body)

    # group, keyvault, deployment, role
    def group_exists(self, values):
        return values["--resource-group"] in self.groups

    def group_create(self, values):
        self.groups.append(values["--resource-group"])

    def keyvault_list(self, values):
        found(values["--resource-group"] in self.groups, values["--resource-group"])
        return list(self.vaults.values())

    def deployment_group_create(self, values):
        found(values["--resource-group"] in self.groups, values["--resource-group"])
        if Path(values["--template-file"]).resolve() != BICEP:
            raise Refused("another template")
        given = dict(value.split("=", 1) for value in values["--parameters"])
        declared = set(re.findall(r"^param (\w+)", BICEP.read_text(), re.M))
        if not set(given) <= declared:
            raise Refused(f"(InvalidTemplate) the template has no parameters {set(given) - declared}")
        name = given["vaultName"]
        if given["newVault"] == "true":
            if name in self.vaults:
                raise Refused("(VaultAlreadyExists) its settings would be overwritten")
            path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{values['--resource-group']}/providers/Microsoft.KeyVault/vaults/{name}"
            self.vaults[name] = {"id": path, "name": name, "properties": {"enableRbacAuthorization": True}}
        scope = found(self.vaults.get(name), name)["id"]
        if given["secretName"]:
            scope += "/secrets/" + given["secretName"]
        if given["principalId"]:
            self.give(scope, given["principalId"])

    def give(self, scope, principal):
        if scope.startswith("/") and "/secrets/" in scope:
            found(self.secrets.get(scope.split("/secrets/")[1]), scope)
        if principal not in [known["id"] for known in self.principals.values()] + [ADMIN]:
            raise Refused(f"(PrincipalNotFound) {principal}")
        if any(role["scope"] == scope and role["principalId"] == principal for role in self.roles):
            raise Refused("(RoleAssignmentExists) The role assignment already exists.")
        role = {"id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", "scope": scope, "principalId": principal, "role": OFFICER}
        self.roles.append(role)
        if principal == ADMIN:
            self.state["patience"] = 2
        return role

    def role_assignment_list(self, values):
        expect(values["--role"], "Key Vault Secrets Officer", "--role")
        found([vault for vault in self.vaults.values() if values["--scope"].startswith(vault["id"])], values["--scope"])
        return [role for role in self.roles if role["scope"] == values["--scope"]]

    def role_assignment_create(self, values):
        expect(values["--role"], "Key Vault Secrets Officer", "--role")
        found([vault for vault in self.vaults.values() if values["--scope"].startswith(vault["id"])], values["--scope"])
        return self.give(values["--scope"], values["--assignee-object-id"])

    def role_assignment_delete(self, values):
        kept = [role for role in self.roles if role["id"] not in values["--ids"]]
        found(len(kept) < len(self.roles), str(values["--ids"]))
        self.state["roles"] = kept

    def keyvault_secret_list(self, values):
        vault = found(self.vaults.get(values["--vault-name"]), values["--vault-name"])["id"]
        if self.patience or not any(role["scope"] == vault and role["principalId"] == ADMIN for role in self.roles):
            self.state["patience"] = max(0, self.patience - 1)
            raise Refused("(Forbidden) Caller is not authorized to perform action on resource.")
        return [{"name": name} for name in self.secrets]

    # devops, repos, pipelines
    def devops_user_show(self, values):
        if values["--user"] not in self.members:
            raise Refused("Could not resolve identity: " + values["--user"])
        return {"id": "member"}

    def devops_user_add(self, values):
        expect(values["--license-type"], "express", "--license-type")
        self.members.append(values["--email-id"])

    def devops_project_show(self, _):
        return {"id": PROJECT}

    def repos_show(self, values):
        return {"id": found(values["--repository"] == "Platform" and REPOSITORY, values["--repository"])}

    def repos_policy_list(self, values):
        expect(values["--repository-id"], REPOSITORY, "--repository-id")
        return [policy for policy in self.policies if policy["branch"] == values["--branch"]]

    def repos_policy_approver_count_create(self, values):
        self.policies.append({"id": len(self.policies) + 1, "branch": values["--branch"], "isEnabled": values["--enabled"] == "true",
                              "isBlocking": values["--blocking"] == "true"})

    def pipelines_list(self, values):
        return [pipeline for pipeline in self.pipelines if pipeline["name"].startswith(values["--name"])]

    def pipelines_create(self, values):
        self.repos_show(values)
        expect(values["--repository-type"], "tfsgit", "--repository-type")
        expect(values["--skip-first-run"], "true", "--skip-first-run")
        self.pipelines.append({"id": 41 + len(self.pipelines), "name": values["--name"], "yaml": values["--yaml-path"]})
        return self.pipelines[-1]

    def devops_service_endpoint_list(self, _):
        return list(self.connections.values())

    def devops_service_endpoint_show(self, values):
        return found(self.connections.get(values["--id"]), values["--id"])

    def devops_service_endpoint_create(self, values):
        body = content(values["--service-endpoint-configuration"])
        expect(body, {
            "name": str, "type": "AzureRM", "url": "https://management.azure.com/", "isShared": False, "isReady": True,
            "data": {"subscriptionId": SUBSCRIPTION, "subscriptionName": "Contoso production", "environment": "AzureCloud",
                     "scopeLevel": "Subscription", "creationMode": "Manual"},
            "authorization": {"scheme": "WorkloadIdentityFederation", "parameters": {"tenantid": TENANT, "serviceprincipalid": str}},
            "serviceEndpointProjectReferences": [{"name": body["name"], "projectReference": {"id": PROJECT, "name": "Platform"}}]})
        found(self.apps.get(body["authorization"]["parameters"]["serviceprincipalid"]), "the app")
        body["id"] = str(uuid.uuid4())
        body["authorization"]["parameters"] |= {"workloadIdentityFederationIssuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
                                                "workloadIdentityFederationSubject": f"/eid1/c/pub/t/T/a/A/sc/O/{body['id']}"}
        self.connections[body["id"]] = body
        return body

    def rest(self, values):
        expect(values["--resource"], DEVOPS, "--resource")
        method, (path, _, query) = values.get("--method", "get"), values["--url"].partition("?")
        query = dict(part.split("=") for part in query.split("&"))
        expect(query.pop("api-version"), "7.1-preview.1", "api-version")
        base, connection = f"{ORG}/{PROJECT}/_apis/pipelines/", path.rsplit("/", 1)[1]
        if path.startswith(base + "pipelinePermissions/endpoint/"):
            found(self.connections.get(connection), connection)
            if method == "patch":
                body = content(values["--body"])
                expect(body, {"pipelines": [{"id": self.pipelines[0]["id"], "authorized": True}]})
                self.authorized.setdefault(connection, []).append(body["pipelines"][0]["id"])
            pipelines = [{"id": id, "authorized": True} for id in self.authorized.get(connection, [])]
            return {"pipelines": pipelines} | ({"allPipelines": {"authorized": True}} if connection in self.everyone else {})
        if path == base + "checks/configurations":
            if method == "post":
                body = content(values["--body"])
                branch = {"displayName": str, "definitionRef": {"id": "86b05a0c-73e6-4f7d-b3cf-e38f3b39a75b", "name": "evaluatebranchProtection", "version": "0.0.1"},
                          "inputs": {"allowedBranches": "refs/heads/main", "ensureProtectionOfBranch": "true", "allowUnknownStatusBranch": "false"}}
                settings = {"fe1de3ee-a436-41b4-bb20-f6eb4cb879a7": branch, "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563": {}}.get(body["type"]["id"])
                expect(body, {"type": {"id": str}, "timeout": int, "resource": {"type": "endpoint", "id": str, "name": str}, "settings": settings})
                found(self.connections.get(body["resource"]["id"]), "the connection")
                self.checks.append(body | {"id": len(self.checks) + 1})
                return body
            expect(query, {"resourceType": "endpoint", "resourceId": str}, "query")
            return {"value": [check for check in self.checks if check["resource"]["id"] == query["resourceId"]]}
        raise Refused(f"(NotFound) {method} {path}")
