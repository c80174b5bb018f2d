"""What may be a credentials provider: those of both SDKs, and whatever has the method."""

from __future__ import annotations

from dataclasses import dataclass

import alibabacloud_oss_v2.credentials
import oss2.credentials
from ossmodelconnector import AnonymousCredentialsProvider, CredentialsProvider, OssModelConnector


@dataclass
class Keys:
    """Credentials as alibabacloud-oss-v2 has them."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None


class Vault:
    """A provider of the user's own: it names no base class."""

    def get_credentials(self) -> Keys:
        return Keys("id", "secret")


class Declared(CredentialsProvider):
    """A provider that does."""

    def get_credentials(self) -> Keys:
        return Keys("id", "secret")


class Client:
    """As alibabacloud_credentials has it: what is called get_credentials makes another thing."""

    @staticmethod
    def get_credentials(config: object) -> object:
        return config

    def get_credential(self) -> Keys:
        return Keys("id", "secret")


def connect(provider: CredentialsProvider) -> OssModelConnector:
    return OssModelConnector("https://endpoint", cred_provider=provider)


def from_some_vault(name: str) -> CredentialsProvider | None:
    return Vault() if name else None


def connected() -> None:
    connect(AnonymousCredentialsProvider())
    connect(Vault())
    connect(Declared())
    OssModelConnector.from_env(cred_provider=from_some_vault("name"))
    OssModelConnector("https://endpoint", cred_provider=Client())
    OssModelConnector.from_env(endpoint=None, region=None, cred_path=None, cred_provider=Client())


def with_oss2() -> None:
    connect(oss2.credentials.EnvironmentVariableCredentialsProvider())
    connect(oss2.credentials.StaticCredentialsProvider("id", "secret", "token"))


def with_alibabacloud_oss_v2() -> None:
    connect(alibabacloud_oss_v2.credentials.EnvironmentVariableCredentialsProvider())
    connect(alibabacloud_oss_v2.credentials.StaticCredentialsProvider("id", "secret"))
    connect(alibabacloud_oss_v2.credentials.AnonymousCredentialsProvider())
