"""PyPI azure-devops: Microsoft's client of Azure DevOps finds its way and reads, writes and is refused."""

from serve import Simulator, equal, refused, run

simulator = Simulator()
begins = simulator.begins

from azure.devops.connection import Connection
from azure.devops.exceptions import AzureDevOpsServiceError
from msrest.authentication import BasicAuthentication, BasicTokenAuthentication

ORGANIZATION = "https://dev.azure.com/contoso"
PROJECT = begins["project"]


def connection(token=begins["userToken"]):
    return Connection(base_url=ORGANIZATION, creds=BasicTokenAuthentication({"access_token": token}))


def of(name, version="v7_1"):
    return connection().get_client(f"azure.devops.{version}.{name}_client.{''.join(p.title() for p in name.split('.')[-1].split('_'))}Client")


def who_am_i():
    """connection data with a user's token"""
    data = of("location.location").get_connection_data()
    equal(data.instance_id, begins["organizationId"])
    equal(data.authenticated_user.provider_display_name, "rotator")


def who_is_the_pat():
    """connection data with a PAT"""
    with_pat = Connection(base_url=ORGANIZATION, creds=BasicAuthentication("", begins["pat"]))
    data = with_pat.get_client("azure.devops.v7_1.location.location_client.LocationClient").get_connection_data()
    equal(data.authenticated_user.properties["Account"]["$value"], begins["user"])


def build():
    """a build, by id"""
    found = of("build.build").get_build(PROJECT, begins["build"])
    equal((found.id, found.status, found.project.name), (begins["build"], "inProgress", PROJECT))


def unknown_build():
    """a build that is not there"""
    refused(AzureDevOpsServiceError, lambda: of("build.build").get_build(PROJECT, 99999), "99999")


def groups():
    """variable groups, by name and by id"""
    client = of("task_agent.task_agent")
    listed = client.get_variable_groups(PROJECT, group_name="Prod secrets")
    equal([group.id for group in listed], [begins["group"]])
    group = client.get_variable_group(PROJECT, begins["group"])
    equal(group.variables["REGION"].value, "westeurope")
    secret = group.variables["NUGET_PAT"]
    equal((secret.value, secret.is_secret), (None, True))


def update_group():
    """a variable of a group is written, and every other one stays"""
    client = of("task_agent.task_agent")
    before = simulator.world()["groups"]["Prod secrets"]
    group = client.get_variable_group(PROJECT, begins["group"])
    group.variables["REGION"].value = "northeurope"
    answered = client.update_variable_group(group, begins["group"])
    equal(answered.variables["REGION"].value, "northeurope")
    before["REGION"][0] = "northeurope"
    equal(simulator.world()["groups"]["Prod secrets"], before)


def endpoints():
    """service connections, by name and by id"""
    client = of("service_endpoint.service_endpoint")
    listed = client.get_service_endpoints_by_names(PROJECT, ["contoso-feed"])
    equal([endpoint.id for endpoint in listed], [begins["endpoint"]])
    found = client.get_service_endpoint_details(PROJECT, begins["endpoint"])
    equal((found.name, found.authorization.scheme), ("contoso-feed", "Token"))
    equal(found.authorization.parameters.get("apitoken"), None)


def update_endpoint():
    """a service connection's secret is replaced"""
    client = of("service_endpoint.service_endpoint")
    found = client.get_service_endpoint_details(PROJECT, begins["endpoint"])
    found.authorization.parameters["apitoken"] = "a-new-secret-of-the-feed"
    client.update_service_endpoint(found, begins["endpoint"])
    equal(simulator.world()["endpoints"]["contoso-feed"], "a-new-secret-of-the-feed")


def users():
    """the organization's users, page by page"""
    client = of("graph.graph")
    found, token = [], None
    while True:
        page = client.list_users(continuation_token=token)
        found += page.graph_users
        token = page.continuation_token
        if not token:
            break
    assert "rotator" in [user.display_name for user in found], [user.display_name for user in found]


def others_tokens():
    """a user's tokens, as an administrator, page by page"""
    users = of("graph.graph").list_users().graph_users
    descriptor = next(user.descriptor for user in users if user.display_name == "rotator")
    client = of("token_admin.token_admin")
    names, token = [], None
    while True:
        page = client.list_personal_access_tokens(descriptor, continuation_token=token)
        names += [one.display_name for one in page.value]
        token = page.continuation_token
        if not token:
            break
    equal(names, ["nuget-publish"])


def no_organization():
    """an organization that is not there"""
    client = Connection(base_url="https://dev.azure.com/nobodys", creds=BasicTokenAuthentication({"access_token": begins["userToken"]}))
    refused(AzureDevOpsServiceError, lambda: client.get_client("azure.devops.v7_1.build.build_client.BuildClient"), "TF400814")


run("azure-devops (PyPI)", simulator, [who_am_i, who_is_the_pat, build, unknown_build, groups, update_group, endpoints,
                                        update_endpoint, users, others_tokens, no_organization])
