"""What holds for every kind of receiver: its settings, as an alertmanager.yml has them, and its line in the table."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from alerting.notifiers import KINDS
from schemas.config.desk.alertmanager import Global
from schemas.config.words import file_key

# Entries as Alertmanager's documentation writes them.
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("pagerduty", {"routing_key": "k", "severity": '{{ if eq .Status "firing" }}error{{ end }}', "timeout": "0s",
                   "details": {"team": "{{ .CommonLabels.team }}"}, "class": "c", "images": [{"src": "s"}]}),
    ("pagerduty", {"service_key_file": "secrets/pd", "client": "Alertmanager", "links": [{"href": "h", "text": "t"}]}),
    ("opsgenie", {"api_key_file": "secrets/og", "tags": "a,b", "update_alerts": True, "priority": "P2",
                  "responders": [{"name": "ops", "type": "team"}], "http_config": {"proxy_url": "http://p.example"}}),
    ("jsm", {"api_key": "${env:JSM}", "responders": [{"id": "4513", "type": "escalation"}]}),
    ("webhook", {"url": "http://127.0.0.1:5001/", "max_alerts": 10, "timeout": "5s",
                 "http_config": {"authorization": {"credentials_file": "token"}, "follow_redirects": False}}),
    ("webhook", {"url_file": "secrets/hook", "secret_file": "secrets/sign"}),
    ("kafka", {"topic": "told", "format": "alert"}),
    ("alertmanager", {"urls": ["http://am-0:9093", "${env:AM_1}"], "timeout": "3s"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_entries_of_an_alertmanager_yml_are_taken_and_tell_no_secret(kind: str, entry: dict[str, Any]) -> None:
    model = KINDS[kind].Settings
    settings = model.model_validate_json(json.dumps(entry), strict=True, by_alias=True, by_name=False)
    shown = repr(settings) + str(settings)
    for name in ("routing_key", "api_key", "url", "urls"):
        for secret in [entry[name]] if isinstance(entry.get(name), str) else entry.get(name, []):
            assert f"'{secret}'" not in shown
    assert KINDS[kind](settings).settings is settings


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_known_by_its_name_and_every_setting_is_described(kind: str) -> None:
    made = KINDS[kind]
    assert made.kind == kind
    assert made.pace[0] > 0
    assert made.pace[1] > 0
    assert set(made.globals) <= set(made.Settings.model_fields)
    assert set(made.globals.values()) <= {file_key(Global, name) for name in Global.model_fields}
    for model in models(made.Settings):
        assert (model.__doc__ or "").endswith((".", "\n    "))
        assert all(field.description for field in model.model_fields.values())
    assert made.Settings.model_json_schema(mode="validation", by_alias=True)


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for field in model.model_fields.values():
        for inner in getattr(field.annotation, "__args__", (field.annotation,)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += models(inner)
    return found
