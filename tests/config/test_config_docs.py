"""The page, the JSON Schema and the models say the same. `python tests/config/test_config_docs.py` renews the page."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from detectors import PARAMS
from pipeline.config import notifiers, remedies
from schemas.config import Config
from schemas.config.desk.receivers import settings_of
from schemas.config.json_schema import config_schema
from schemas.config.models import WholeFile
from schemas.config.reference import SECTIONS, receiver_sections, with_reference
from schemas.config.words import keys_at
from tests.config.standins import NOTIFIERS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/config.md"
Params = dict[str, type[BaseModel]]


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Every model that a file can reach, found by the fields themselves."""
    found, todo = set(), [model]
    while todo:
        found.add(current := todo.pop())
        for info in current.model_fields.values():
            todo += [m for m in inside(info.annotation) if m not in found]
    return found


def inside(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in inside(part)]


def test_every_mapping_of_the_file_is_a_section_of_the_page() -> None:
    assert models_below(WholeFile) == set(SECTIONS.values())


def test_every_mapping_of_every_kind_of_receiver_is_a_section_of_the_page() -> None:
    sections = receiver_sections(notifiers())
    for kind, spec in notifiers().items():
        below = models_below(spec.settings) - {spec.settings}
        assert below <= {*sections.values(), *SECTIONS.values()}, kind
        assert f"receivers[].{kind}_configs[]" in sections


def test_what_a_kind_falls_back_to_is_a_key_of_global() -> None:
    for kind, spec in notifiers().items():
        known = keys_at(settings_of(spec), ())
        for setting, key in spec.globals.items():
            assert key in keys_at(WholeFile, ("global",)), f"{kind}: {key}"
            assert setting in known or setting in spec.settings.model_fields, f"{kind}: {setting}"


def test_every_key_has_a_description() -> None:
    for model in (*SECTIONS.values(), *receiver_sections(notifiers()).values()):
        assert model.__doc__
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name}"
            assert info.description.endswith("."), f"{model.__name__}.{name}"


def test_the_page_is_current() -> None:
    page = PAGE.read_text()
    assert page == with_reference(page, notifiers(), remedies()), "run: python tests/config/test_config_docs.py"


def test_the_configs_on_the_page_are_right(load: Callable[[str], Config]) -> None:
    (example, *_) = [part.split("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    assert load(example).rules


@pytest.fixture(scope="module")
def validator(params: Params) -> Draft202012Validator:
    schema = config_schema(params, NOTIFIERS)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


GOOD = [
    "rules: [{name: a, match: up, detector: baseline, params: {season: day, lags: [1, 2]}, levels: {info: 1}, for: 0}]",
    "rules: [{name: a, match: up, levels: {info: {detector: river, params: {model: x}, at: 2, for: 1m, clear: 2}}}]",
    "rules: [{name: a, match: up, detector: baseline}]\nlimits: {idle_after: 1h30m}",
    "rules: [{name: a, match: up, detector: baseline}]\nroute: {receiver: x, routes: [{match: {code: 500}}]}\n"
    "receivers: [{name: x, slack_configs: [{api_url: http://y, channel: 5, http_config: {follow_redirects: false}}]}]\n"
    "time_intervals: [{name: t, time_intervals: [{years: [2026], days_of_month: ['1:7', -1]}]}]\n"
    "dependencies: {a: [b]}\nmaintenance: [{name: m, matchers: ['a=b'], starts_at: 2026-12-01T22:00, duration: 1h}]\n"
    "desk: {tokens: [{name: ann, role: admin, token_file: f}]}",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_loader_accepts_is_valid(
    load: Callable[[str], Config], validator: Draft202012Validator, text: str
) -> None:
    assert load(text)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def test_the_shipped_example_is_valid() -> None:
    validator = Draft202012Validator(config_schema(PARAMS, notifiers()))
    text = (ROOT / "examples/tidegauge.yaml").read_text()
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "rules: []",
        "rules: [{name: a}]",
        "rules: [{name: a, match: up, detektor: baseline}]",
        "rules: [{name: a, match: up, detector: thresold}]",
        "rules: [{name: a, match: up, detector: baseline, params: {seson: day}}]",
        "rules: [{name: a, match: up, detector: baseline, params: {season: dya}}]",
        "rules: [{name: a, match: up, levels: {info: {detector: river, at: 1, params: {}}}}]",
        "rules: [{name: a, match: up, detector: baseline, for: 30}]",
        "rules: [{name: a, match: up, detector: baseline, labels: }]",
        "rules: [{name: a, match: up, detector: baseline}]\nkafak: {}",
        "route: {reciever: x}\nreceivers: [{name: x}]",
        "route: {receiver: x}\nreceivers: [{name: x, slak_configs: []}]",
        "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: https://y, color: blue}]}]",
        "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: https://y, timeout: 3}]}]",
        "storm: {groups: 3}",
    ],
)
def test_what_an_editor_should_underline_is_invalid(
    load: Callable[[str], Config], validator: Draft202012Validator, text: str
) -> None:
    assert not validator.is_valid(yaml.safe_load(text))
    with pytest.raises(Exception, match=r"t\.yaml:"):
        load(text)


def test_every_key_of_the_file_is_in_the_schema(validator: Draft202012Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    for model in set(SECTIONS.values()) - {WholeFile}:
        properties = set(schema["$defs"][model.__name__]["properties"])
        assert properties - {f"{kind}_configs" for kind in NOTIFIERS} == set(keys_at(model, ()))


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text(), notifiers(), remedies()))
