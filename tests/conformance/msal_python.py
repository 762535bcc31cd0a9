"""PyPI msal: secret, certificate, refresh token, device code and what is refused."""

import pathlib
import threading

from serve import Simulator, equal, run

simulator = Simulator()
begins = simulator.begins

import msal

AUTHORITY = f"https://login.microsoftonline.com/{begins['tenant']}"
AZURE_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"
APP = [f"{AZURE_DEVOPS}/.default"]
PATS = [f"{AZURE_DEVOPS}/vso.pats", f"{AZURE_DEVOPS}/vso.pats_manage"]


def by_secret(secret):
    client = begins["secretClient"]
    return msal.ConfidentialClientApplication(client["id"], authority=AUTHORITY, client_credential=secret)


def by_public_client():
    return msal.PublicClientApplication(begins["publicClient"], authority=AUTHORITY)


def holder(result):
    """Whom the world says that the token speaks for."""
    assert "access_token" in result, result
    return next(known["holder"] for known in simulator.world()["accessTokens"] if known["value"] == result["access_token"])


def secret():
    """a client secret"""
    equal(holder(by_secret(begins["secretClient"]["secret"]).acquire_token_for_client(APP)), 'App("pat-rotator")')


def wrong_secret():
    """a wrong client secret is refused by number"""
    result = by_secret("wrong").acquire_token_for_client(APP)
    equal((result["error"], result["error_codes"]), ("invalid_client", [7000215]))


def from_the_cache():
    """a second token comes from the client's cache"""
    client = by_secret(begins["secretClient"]["secret"])
    first, second = client.acquire_token_for_client(APP), client.acquire_token_for_client(APP)
    equal((second["token_source"], second["access_token"]), ("cache", first["access_token"]))


def certificate():
    """a certificate, signed as documented"""
    pem = pathlib.Path(begins["certificateClient"]["pem"]).read_text()
    credential = {"private_key": pem, "public_certificate": pem[pem.index("-----BEGIN CERTIFICATE"):]}
    client = msal.ConfidentialClientApplication(begins["certificateClient"]["id"], authority=AUTHORITY, client_credential=credential)
    equal(holder(client.acquire_token_for_client(APP)), 'App("certified")')


def refresh_token():
    """a refresh token of another client's cache, and a newer one comes"""
    before = simulator.world()["refreshTokensRedeemed"]
    result = by_public_client().acquire_token_by_refresh_token(begins["publicRefreshToken"], PATS)
    equal(holder(result), 'User("rotator")')
    assert result["refresh_token"] != begins["publicRefreshToken"]
    equal(simulator.world()["refreshTokensRedeemed"], before + 1)


def broken_refresh_token():
    """a refresh token that nobody issued is refused by number"""
    result = by_public_client().acquire_token_by_refresh_token("1.nobodys", PATS)
    equal((result["error"], result["error_codes"]), ("invalid_grant", [70000]))


def device_code():
    """a device code, signed in with while the client polls"""
    client = by_public_client()
    flow = client.initiate_device_flow(PATS)
    assert flow["user_code"] in flow["message"], flow
    timer = threading.Timer(2, lambda: simulator.order("sign in on the device"))
    timer.start()
    result = client.acquire_token_by_device_flow(flow)
    timer.join()
    equal(holder(result), 'User("rotator")')
    equal(result["id_token_claims"]["preferred_username"], begins["user"])
    [account] = client.get_accounts()
    equal(account["username"], begins["user"])
    equal(client.acquire_token_silent(PATS, account)["access_token"], result["access_token"])


run("msal (PyPI)", simulator, [secret, wrong_secret, from_the_cache, certificate, refresh_token, broken_refresh_token, device_code])
