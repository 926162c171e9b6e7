"""Texts of the config: strict where a person looks, never the end of a message; and labels are never texts."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Notification
from alerting.words.escaping import ESCAPES, Channel
from alerting.words.go_templates import parse
from alerting.words.named_templates import NAMED_TEMPLATES
from alerting.words.templates import FAILED_MARK, SAMPLE, BrokenTemplate, Templates, Written, checked
from tests.notifiers import hostile
from tests.notifiers.notes import NOW_S, alert, note, resolved, told

BOTH = note(told(), told(alert({"alertname": "errors", "service": "cart"}, level="warning"), "same"), resolved())


def preview(text: str, channel: Channel = "text", **files: str) -> str:
    return Templates(files, external_url="https://desk.example").preview(text, BOTH, channel)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain {x}", "plain {x}"),
        ("{{ status }} {{ Status }}", "firing firing"),
        ("{{ common_labels.alertname }} {{ CommonLabels.alertname }} {{ GroupLabels['alertname'] }}",
         "errors errors errors"),
        ("{{ alerts|length }} {{ firing|length }} {{ Alerts.Resolved|length }} {{ alerts.firing|count }}", "3 2 1 2"),
        ("{% for a in alerts %}{{ loop.index }}{{ a.labels.service }}{{ ',' if not loop.last }}{% endfor %}",
         "1cart,2checkout,3checkout"),
        ("{% for name, value in alerts[0].labels.items() %}{{ name }}={{ value }} {% endfor %}",
         "alertname=errors service=cart severity=warning "),
        ("{% for name, value in alerts[0].labels|pairs %}{{ name }} {% endfor %}", "alertname service severity "),
        ("{{ alerts[0].value|number(3) }} {{ alerts[0].nope|default('-') if false }}", "0.123 "),
        ("{{ alerts[0].labels.nope }}{{ alerts[0].labels.nope|default('none') }}", "none"),
        ("{{ alerts[0].starts_at|date('15:04', 'Europe/Berlin') }} {{ alerts[0].duration|duration }}", "06:21 12 min"),
        ("{{ alerts|map('labels.service')|unique|join(', ') }}", "cart, checkout"),
        ("{{ alerts|where('level', 'warning')|map('labels.service')|join }}", "cart"),
        ("{{ (alerts|last).level|upper }} {{ 'a-b'|replace('-', '+')|title }} {{ 7 % 4 + 2 * 3 }}", "CRITICAL A+B 9"),
        ("{% set x = 'a' ~ 1 ~ true %}{{ x }}{% macro m(y) %}[{{ y }}]{% endmacro %}{{ m('z') }}", "a1true[z]"),
        ("{% include 'part' %}{% if level == 'critical' and muted < 1 %}!{% endif %}", "part of errors!"),
        ("{{ title }}", "CRITICAL: errors on cart and checkout, 2 alerts (1 critical, 1 warning), 1 resolved"),
        ("{{ alerts[0].why|clip(9) }} {{ alerts[0].spark|length }}", "Critical… 24"),
    ],
)  # fmt: skip
def test_a_jinja2_text_says(text: str, said: str) -> None:
    assert preview(text, part="part of {{ common_labels.alertname }}") == said


REFUSED = {
    "{{ nope }}": "'nope' is undefined",
    "{{ alerts[0].nope }}": "no field nope",
    "{{ alerts[9].level }}": "no item 9",
    "{{ status|b64 }}": "No filter named 'b64'",
    "{{ status is sameas(1) }}": "No test named 'sameas'",
    "{% if %}": "Expected an expression",
    "{% for a in range(10) %}{% endfor %}": "",
    "{{ ''.__class__ }}": "has no __class__",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": "has no __class__",
    "{{ self.__init__.__globals__ }}": "",
    "{{ ''|attr('__class__') }}": "No filter named 'attr'",
    "{{ ''['__class__'] }}": "",
    "{{ status.format(1) }}": "",
    "{{ common_labels.values_by_name.clear() }}": "",
    "{{ alerts[0].told }}": "no field told",
    "{{ lipsum() }}": "'lipsum' is undefined",
    "{{ cycler.__init__ }}": "'cycler' is undefined",
    "{% include '/etc/passwd' %}": 'no template "/etc/passwd"',
    "{% extends 'x' %}": "no template",
    "{{ 'a'*10**9 }}": "takes numbers",
    "{{ [1]*10**9 }}": "takes numbers",
    "{{ 10**999999999 }}": "so large",
    "{{ '%1000000000d' % 1 }}": "takes numbers",
    "{{ 'x'.center(10**9) }}": "",
    "{{ 'x'|center(10**9) }}": "No filter",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}": "131072",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a + a %}" * 60 + "{{ a }}": "131072",
    "{% set a = 'a' * 1 %}": "takes numbers",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": "",
    "{% set a = 'aaaaaaaa' %}" + "{% set a = a|replace('a', a) %}" * 9 + "{{ a }}": "131072",
    "{{ alerts|map('labels')|map('x.y')|join('-'*9) }}": "takes numbers",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_text_may_not_do_is_an_error_with_its_line(text: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(BrokenTemplate) as seen:
        preview("{# first line #}\n" + text)
    assert REFUSED[text] in seen.value.message
    assert 1 <= seen.value.line <= 2
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1/0 }}", "{% for a in alerts %}{{ 'a'*9 }}{% endfor %}", "{{ .Foo }}", "{{ index .Alerts 9 }}", "{% broken",
        '{{ template "nope" . }}', "{% include 'nope' %}", "{{ .Status",
    ],
)  # fmt: skip
def test_at_run_time_the_message_goes_out_with_the_default_text_and_the_reason_is_reported(text: str) -> None:
    reasons: list[str] = []
    said = Templates(report=reasons.append).render(text, BOTH)
    assert said.startswith("CRITICAL: errors")
    assert said.endswith(FAILED_MARK)
    assert len(reasons) == 1
    assert "line 1" in reasons[0]
    quiet = Written(text, default=lambda one: "danger", is_marked=False)
    assert Templates().render(quiet, BOTH) == "danger"


def test_what_is_missing_at_run_time_is_empty() -> None:
    assert Templates().render("a{{ nope.x.y }}b{{ alerts[0].labels.z }}", BOTH) == "ab"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    reasons: list[str] = []
    text = "{% for a in alerts %}" + "x" * 70_000 + "{% endfor %}"
    said = Templates(report=reasons.append).render(text, BOTH)
    assert len(said) < 132_000
    assert said.endswith("[cut]")
    assert "the rest was cut" in reasons[0]


def test_a_loop_in_a_loop_over_a_storm_is_stopped() -> None:
    storm = hostile.many(10_000)
    started_s = time.monotonic()
    said = Templates().render("{% for a in alerts %}{% for b in alerts %}{% endfor %}{% endfor %}", storm)
    assert said.endswith(FAILED_MARK)
    said = Templates().render("{{ range .Alerts }}{{ range $.Alerts }}{{ end }}{{ end }}", storm)
    assert said.endswith(FAILED_MARK)
    assert time.monotonic() - started_s < 20


def test_alertmanagers_named_templates_all_say_something_or_are_empty_as_there() -> None:
    names = list(parse(NAMED_TEMPLATES).defines)
    assert {"slack.default.title", "__subject", "pagerduty.default.description", "opsgenie.default.message",
            "email.default.html", "email.default.subject", "msteamsv2.default.text"} <= set(names)  # fmt: skip
    for name in names:
        data = (
            ".Alerts"
            if name in ("__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances")
            else "."
        )
        said = preview(f'{{{{ template "{name}" {data} }}}}')
        assert "<no value>" not in said
        assert "errors" in said or name.endswith(("_alertmanager", "URL", "link", "url", "source", "client", "username",
                                                  "tool", "alias", "priority")) or not said.strip()  # fmt: skip


def test_a_file_may_take_the_place_of_a_named_template() -> None:
    assert (
        preview('{{ template "slack.default.title" . }}', own='{{ define "__subject" }}S {{ .Status }}{{ end }}')
        == "S firing"
    )


def test_a_file_that_can_not_be_read_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"^my\.tmpl:2: no function nofunc"):
        Templates({"my.tmpl": "ok\n{{ nofunc .X }}"})


@pytest.mark.parametrize(
    "text", ["{{ .Status }}", "{{ status }}", "x", "{{ alerts[0].labels.anything }}", "{{ .Labels"]
)
def test_check_finds_what_a_sample_shows(text: str) -> None:
    if text == "{{ .Labels":
        with pytest.raises(BrokenTemplate):
            Templates().check(text)
    else:
        Templates().check(text)
        assert checked(text) == text


def test_links_of_html_lead_to_the_web_only() -> None:
    evil = note(told(alert({"a": "javascript:alert(1)", "b": "data:text/html,x", "c": "https://ok.example/?a=1&b=2"})))
    text = (
        '{{ range .Alerts }}<a href="{{ .Labels.a }}"><img src=\'{{ .Labels.b }}\'><a href="{{ .Labels.c }}">{{ end }}'
    )
    said = Templates().preview(text, evil, "html")
    assert said == '<a href="#"><img src=\'#\'><a href="https://ok.example/?a=1&amp;b=2">'


JINJA = "{% for a in alerts %}{{ a.labels.x }}{{ a.why ~ '' }}{% set y = a.rule %}{{ y|upper }}{% endfor %}"
GO = '{{ range .Alerts }}{{ .Labels.x }}{{ printf "%s" .Why }}{{ .Rule | toUpper }}{{ end }}'


@given(hostile.TEXTS, st.sampled_from([JINJA, GO]), st.sampled_from(list(ESCAPES)))
def test_a_label_is_escaped_for_its_channel_and_never_a_template(label: str, text: str, channel: Channel) -> None:
    label = label.encode(errors="replace").decode()
    one = note(told(alert({"alertname": label, "x": label}, why=label)))
    said = Templates().preview(text, one, channel)
    escape = ESCAPES[channel]
    assert said.startswith(escape(label) + escape(label))


@given(st.text(alphabet="{}%#.$|()-'\" \nabeflnors01:=,~*", max_size=60))
def test_any_text_is_shown_or_refused(text: str) -> None:
    templates = Templates()
    assert isinstance(templates.render(text, SAMPLE), str)


@given(hostile.notes())
def test_hostile_labels_fail_no_default_text(one: Notification) -> None:
    failures: list[str] = []
    templates = Templates(report=failures.append)
    for name in ("__subject", "slack.default.text", "email.default.html", "pagerduty.default.description"):
        templates.render(Written(f'{{{{ template "{name}" . }}}}', "html"), one)
    assert not failures


def test_threads_may_share_it() -> None:
    templates = Templates()
    said: set[str] = set()
    texts = [f"{{{{ .Title }}}} {i}" for i in range(5)] + [f"{{{{ title }}}} {i}" for i in range(5)]

    def work() -> None:
        for text in texts * 5:
            said.add(templates.render(text, BOTH))
            templates.render(text, SAMPLE)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 5


def test_since_is_told_the_time() -> None:
    late = note(told(), at_s=NOW_S + 60)
    assert Templates().preview("{{ range .Alerts }}{{ since .StartsAt }}{{ end }}", late) == "13m0s"
