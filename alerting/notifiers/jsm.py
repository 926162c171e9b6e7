"""Jira Service Management Operations, Opsgenie's successor: the same API at another address, with the same header."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from alerting.notifiers.opsgenie import Opsgenie, OpsgenieSettings
from schemas.config.values import WebAddress


class JsmSettings(OpsgenieSettings):
    """An integration of type API of Jira Service Management. Texts are templates."""

    api_url: WebAddress = Field(
        default="https://api.atlassian.com/jsm/ops/integration/", description="Its address, without `v2/alerts`."
    )


class Jsm(Opsgenie):
    kind = "jsm"
    Settings = JsmSettings
    globals: ClassVar[Mapping[str, str]] = {
        "api_key": "jsm_api_key",
        "api_key_file": "jsm_api_key_file",
        "api_url": "jsm_api_url",
    }
    service = "JSM"
