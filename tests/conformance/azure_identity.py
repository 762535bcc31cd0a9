"""PyPI azure-identity and azure-keyvault-secrets: ways of signing in, and a vault's secrets."""

import os

from serve import Simulator, equal, refused, run

simulator = Simulator()
begins = simulator.begins
os.environ["SYSTEM_OIDCREQUESTURI"] = begins["oidcRequestUri"]

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import AzurePipelinesCredential, CertificateCredential, ClientSecretCredential
from azure.keyvault.secrets import SecretClient

TENANT = begins["tenant"]
APP = "499b84ac-1321-427f-aa17-267ca6975798/.default"


def by_secret(client=begins["secretClient"]):
    return ClientSecretCredential(TENANT, client["id"], client["secret"])


def vault(credential=None):
    return SecretClient("https://contoso-kv.vault.azure.net", credential or by_secret())


def holder(token):
    return next(known["holder"] for known in simulator.world()["accessTokens"] if known["value"] == token.token)


def secret():
    """ClientSecretCredential"""
    equal(holder(by_secret().get_token(APP)), 'App("pat-rotator")')


def wrong_secret():
    """ClientSecretCredential with a wrong secret"""
    wrong = ClientSecretCredential(TENANT, begins["secretClient"]["id"], "wrong")
    refused(ClientAuthenticationError, lambda: wrong.get_token(APP), "AADSTS7000215")


def certificate():
    """CertificateCredential"""
    client = begins["certificateClient"]
    credential = CertificateCredential(TENANT, client["id"], certificate_path=client["pem"])
    equal(holder(credential.get_token(APP)), 'App("certified")')


def pipelines(connection=None, token=None):
    return AzurePipelinesCredential(
        tenant_id=TENANT,
        client_id=begins["secretClient"]["id"],
        service_connection_id=connection or begins["serviceConnection"],
        system_access_token=token or begins["jobToken"],
    )


def federated():
    """AzurePipelinesCredential, against the OIDC endpoint"""
    equal(holder(pipelines().get_token(APP)), 'App("pat-rotator")')


def unknown_connection():
    """AzurePipelinesCredential with a service connection that is not there"""
    refused(ClientAuthenticationError, lambda: pipelines(connection="00000000-0000-4000-8000-000000000000").get_token(APP), "404")


def wrong_job_token():
    """AzurePipelinesCredential with a job token that nobody issued"""
    refused(ClientAuthenticationError, lambda: pipelines(token="wrong").get_token(APP), "401")


def set_and_get():
    """a secret is set and read back, with its tags and its end"""
    client = vault()
    import datetime
    end = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    written = client.set_secret("first", "välue 1", content_type="text/plain", tags={"a": "b"}, expires_on=end)
    read = client.get_secret("first")
    equal((read.value, read.properties.version, read.properties.tags, read.properties.content_type, read.properties.expires_on),
          ("välue 1", written.properties.version, {"a": "b"}, "text/plain", end))
    [version] = simulator.world()["vault"]["first"]["versions"]
    equal((version["value"], version["tags"], version["expires"]), ("välue 1", {"a": "b"}, int(end.timestamp())))


def versions():
    """all versions of a secret, over several pages"""
    client = vault()
    written = [client.set_secret("second", f"value {n}").properties.version for n in range(5)]
    listed = [one.version for one in client.list_properties_of_secret_versions("second")]
    equal(sorted(listed), sorted(written))
    equal(client.get_secret("second", written[2]).value, "value 2")


def disable():
    """a version is disabled, and refuses to be read"""
    client = vault()
    old = client.set_secret("third", "old").properties.version
    client.set_secret("third", "new")
    equal(client.update_secret_properties("third", old, enabled=False, tags={"why": "old"}).enabled, False)
    refused(HttpResponseError, lambda: client.get_secret("third", old), "403", "disabled")
    equal([(one["value"], one["enabled"], one["tags"]) for one in simulator.world()["vault"]["third"]["versions"]],
          [("old", False, {"why": "old"}), ("new", True, {})])


def not_there():
    """a secret that is not there"""
    error = refused(ResourceNotFoundError, lambda: vault().get_secret("nobodys"), "404", "SecretNotFound")
    equal(error.error.code, "SecretNotFound")


def may_not():
    """an app without a role on the vault"""
    refused(HttpResponseError, lambda: vault(by_secret(begins["publisher"])).get_secret("first"), "403", "ForbiddenByRbac")


def may_only_read():
    """an app that may read and not write"""
    client = begins["certificateClient"]
    reader = vault(CertificateCredential(TENANT, client["id"], certificate_path=client["pem"]))
    equal(reader.get_secret("first").value, "välue 1")
    refused(HttpResponseError, lambda: reader.set_secret("first", "other"), "403")


run("azure-identity and azure-keyvault-secrets (PyPI)", simulator, [
    secret, wrong_secret, certificate, federated, unknown_connection, wrong_job_token, set_and_get, versions, disable,
    not_there, may_not, may_only_read])
