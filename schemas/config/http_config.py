"""Alertmanager's `http_config`: how a receiver's service is spoken to."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.config.section import Section
from schemas.config.values import SecretText, WebAddress

TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class BasicAuth(Section):
    """User name and password."""

    username: str = Field(default="", description="User name.")
    username_file: str | None = Field(default=None, description="File with the user name.")
    password: SecretText | None = Field(default=None, description="Password.")
    password_file: str | None = Field(default=None, description="File with the password.")


class Authorization(Section):
    """The `Authorization` header: a type and a secret."""

    type: str = Field(default="Bearer", min_length=1, description="First word of the header.")
    credentials: SecretText | None = Field(default=None, description="What follows it.")
    credentials_file: str | None = Field(default=None, description="File with what follows it.")


class TlsConfig(Section):
    """Certificates and versions of TLS."""

    ca: str | None = Field(default=None, description="Certificates (PEM) of authorities to trust, in place.")
    ca_file: str | None = Field(default=None, description="File with certificates of authorities to trust.")
    cert: str | None = Field(default=None, description="Our own certificate (PEM), in place.")
    cert_file: str | None = Field(default=None, description="File with our own certificate.")
    key: SecretText | None = Field(default=None, description="Key of our own certificate.")
    key_file: str | None = Field(default=None, description="File with the key of our own certificate.")
    server_name: str | None = Field(default=None, description="Name to expect in the server's certificate.")
    insecure_skip_verify: bool = Field(default=False, description="Takes any certificate, anyone's.")
    min_version: TlsVersion | None = Field(default=None, description="Oldest version to speak.")
    max_version: TlsVersion | None = Field(default=None, description="Newest version to speak.")


class HttpConfig(Section):
    """How a receiver's service is spoken to, as Alertmanager writes it."""

    basic_auth: BasicAuth | None = Field(default=None, description="User name and password.")
    authorization: Authorization | None = Field(default=None, description="The `Authorization` header.")
    bearer_token: SecretText | None = Field(default=None, description="Older spelling of `authorization`.")
    bearer_token_file: str | None = Field(default=None, description="Older spelling of `authorization`, from a file.")
    tls_config: TlsConfig | None = Field(default=None, description="Certificates and versions of TLS.")
    proxy_url: WebAddress | None = Field(default=None, description="Proxy to go through.")
    no_proxy: str | None = Field(default=None, description="Hosts that are reached without the proxy, with commas.")
    proxy_from_environment: bool = Field(default=False, description="Takes the proxy from HTTP_PROXY and the like.")
    follow_redirects: bool = Field(default=True, description="Whether redirects are followed.")
    enable_http2: bool = Field(default=True, description="Taken as it is; HTTP/1.1 is spoken.")

    @model_validator(mode="after")
    def _one_way_to_say_who(self) -> "HttpConfig":
        ways = {
            "basic_auth": self.basic_auth,
            "authorization": self.authorization,
            "bearer_token": self.bearer_token or self.bearer_token_file,
        }
        given = [name for name, way in ways.items() if way is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: only one of them can say who we are; keep one")
        return self
