"""Texts of an existing alertmanager.yml say here what they say there: `amtool` is Alertmanager's own engine."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.words.go_run import run
from alerting.words.go_templates import is_go, parse
from alerting.words.go_time import ZERO_TIME_S, Moment, Seconds
from alerting.words.go_tree import BrokenTemplate
from alerting.words.go_values import KV, GoObject, Listing, Struct

AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(
    AMTOOL is None, reason="no amtool here (Debian: apt-get install prometheus-alertmanager)"
)
STARTS_S = 1_795_412_000.5

ALERTS = [
    {
        "status": "firing",
        "labels": {"alertname": "errors", "service": "checkout", "severity": "critical", "zone": "a b"},
        "annotations": {"summary": "s1 is bad", "n": "12", "é": "ünï"},
        "startsAt": "2026-11-23T05:33:20.5Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://x/graph?a=1",
        "fingerprint": "abc",
    },
    {
        "status": "resolved",
        "labels": {"alertname": "errors", "service": "cart", "severity": "warning"},
        "annotations": {"summary": "s2"},
        "startsAt": "2026-11-23T05:33:20Z",
        "endsAt": "2026-11-23T06:33:20Z",
        "generatorURL": "",
        "fingerprint": "abd",
    },
]
DATA = {
    "receiver": "on\\-call",
    "status": "firing",
    "alerts": ALERTS,
    "groupLabels": {"alertname": "errors"},
    "commonLabels": {"alertname": "errors", "team": "db"},
    "commonAnnotations": {},
    "externalURL": "http://am:9093",
}


def data() -> GoObject:
    """The same, as our own walker sees it."""

    def alert(one: Mapping[str, object], ends_s: float) -> Struct:
        labels, annotations = one["labels"], one["annotations"]
        assert isinstance(labels, dict)
        assert isinstance(annotations, dict)
        starts_s = STARTS_S if str(one["startsAt"]).endswith(".5Z") else STARTS_S - 0.5
        return Struct(
            "an alert",
            {
                "Status": one["status"], "Labels": KV(labels), "Annotations": KV(annotations),
                "StartsAt": Moment(starts_s), "EndsAt": Moment(ends_s), "GeneratorURL": one["generatorURL"],
                "Fingerprint": one["fingerprint"],
            },
        )  # fmt: skip

    alerts = [alert(ALERTS[0], ZERO_TIME_S), alert(ALERTS[1], STARTS_S - 0.5 + 3600)]
    return Struct(
        "a notification",
        {
            "Receiver": "on\\-call", "Status": "firing", "GroupLabels": KV({"alertname": "errors"}),
            "Alerts": Listing(
                alerts, {"Firing": lambda: Listing(alerts[:1], {}), "Resolved": lambda: Listing(alerts[1:], {})}
            ),
            "CommonLabels": KV({"alertname": "errors", "team": "db"}), "CommonAnnotations": KV({}),
            "ExternalURL": "http://am:9093",
        },
    )  # fmt: skip


def ours(text: str, is_html: bool = False) -> str:
    parsed = parse(text)
    return run(parsed.body, parsed.defines, data(), "html" if is_html else "text", STARTS_S)[0]


def theirs(text: str, folder: Path, is_html: bool = False) -> str:
    """Raises CalledProcessError where Alertmanager refuses the text."""
    given_data = folder / "data.json"
    given_data.write_text(json.dumps(DATA), "utf-8")
    command = [str(AMTOOL), "template", "render", f"--template.glob={folder}/none/*.tmpl", f"--template.text={text}"]
    command += [f"--template.data={given_data}", f"--template.type={'html' if is_html else 'text'}"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


SAME = [
    "plain",
    "{{ .Status }} {{ .Receiver }} {{ .ExternalURL }}",
    '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}]',
    '{{ .GroupLabels.SortedPairs.Values | join " " }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}'
    '({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}){{ end }}',
    "{{ range .Alerts }}{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}"
    "{{ .GeneratorURL }}\n{{ end }}",
    "{{ range $i, $alert := .Alerts }}{{ if $i }},{{ end }}{{ $i }}{{ $alert.Labels.service }}/{{ $.Status }}{{ end }}",
    "{{ range $alert := .Alerts -}}\n  {{ $alert.Labels.nope }}|{{ .Annotations.summary }}\n{{- end }}",
    "{{ range $name, $value := .CommonLabels }}{{ $name }}={{ $value }};{{ end }}",
    "{{ range .CommonAnnotations }}x{{ else }}none{{ end }} {{ range .Alerts.Firing }}f{{ else }}none{{ end }}",
    "{{ with .CommonLabels.team }}{{ . }}{{ end }}{{ with .CommonLabels.nope }}a{{ else }}b{{ $.Status }}{{ end }}",
    '{{ $n := "none" }}{{ range .Alerts }}{{ if eq .Labels.severity "warning" }}{{ $n = .Labels.service }}'
    "{{ end }}{{ end }}{{ $n }}",
    "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}",
    '{{ define "a" }}<{{ . }}{{ block "b" . }}B{{ . }}{{ end }}>{{ end }}{{ template "a" .Status }}{{ template "a" }}',
    '{{ if and .Status (not .CommonAnnotations) }}1{{ else if .Alerts }}2{{ end }}{{ or .CommonLabels.nope "or" }}',
    '{{ and "" "b" }}{{ and "a" "b" }}{{ or "" "" }}|{{ not "" }}',
    '{{ title "the QUICK brown-fox can\'t" }} {{ toLower "ABC É" }} {{ "x" | toUpper | printf "%s-%s" "y" }}',
    '{{ if match "^err.*s$" .CommonLabels.alertname }}yes{{ end }}{{ match "rr" "errors" }}{{ match "^rr" "errors" }}',
    '{{ reReplaceAll "(e)(r+)" "<$2${1}x$$>" .CommonLabels.alertname }} {{ reReplaceAll "" "-" "ab" }}',
    '{{ stringSlice "a" "b" | join ", " }} {{ join "+" (stringSlice "c" "d") }} {{ stringSlice "a" "b" }}',
    '{{ index .CommonLabels "team" }}{{ index .Alerts 1 | len | not }}'
    if False
    else '{{ index .CommonLabels "team" }}',
    "{{ (index .Alerts 1).Labels.service }}{{ (index .Alerts 0).Annotations.SortedPairs.Values }}",
    '{{ len "héé" }} {{ len .Alerts }} {{ len .CommonLabels }} {{ slice "abcdef" 1 3 }}',
    '{{ printf "%5s|%-5s|%q|%d|%05d|%.2f|%v|%t|%x|%%" "a" "b" "c\\"d" 7 42 1.5 .Status true 255 }}',
    '{{ printf "%d %s" "a" }} {{ printf "%s" "a" "b" }} {{ printf "%v %v" 1.0 1e30 }}',
    '{{ print 1 2 "a" 3 }} {{ println "x" 1 }}{{ print "a" "b" }}',
    '{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1.5 2.5 }}{{ ge "b" "a" }}{{ ne 1 2 }}{{ eq 3 1 2 3 }}',
    '{{- /* a comment */ -}}  a  {{/* b */}} b {{- " c " -}} d',
    '{{ urlquery "a b&c=é/~" }} {{ html "<a href=\'x\'>" }} {{ .Alerts.Firing | len | printf "%03d" }}',
    "{{ (index .Alerts 0).StartsAt }} | {{ (index .Alerts 1).EndsAt }} | {{ (index .Alerts 0).EndsAt }}",
    '{{ (index .Alerts 0).StartsAt.Format "Mon, 02 Jan 2006 15:04:05.000 MST -0700 Z07:00 3:04pm _2 06 .999" }}',
    "{{ (index .Alerts 1).EndsAt.Sub (index .Alerts 0).StartsAt }} {{ (index .Alerts 0).StartsAt.Unix }}",
    "{{ ((index .Alerts 1).EndsAt.Sub (index .Alerts 0).StartsAt).Hours }} {{ (index .Alerts 0).EndsAt.IsZero }}",
    "{{ with (index .Alerts 0).StartsAt }}{{ .Weekday }} {{ .Year }} {{ .Month }}{{ end }}",
    '{{ range .Alerts }}{{ if eq .Labels.service "cart" }}{{ break }}{{ end }}{{ .Labels.service }}{{ end }}',
    '{{ range .Alerts }}{{ if eq .Labels.service "checkout" }}{{ continue }}{{ end }}{{ .Labels.service }}{{ end }}',
    "{{ `raw \\n ` }}{{ \"a\\tb\\u00e9\" }}{{ 'a' }} {{ 0x10 }} {{ 1e3 }} {{ true }}",
    '{{ .CommonLabels.Names | join "," }} {{ .CommonLabels.SortedPairs.Names }}',
]


@needs_amtool
@pytest.mark.parametrize("text", SAME)
def test_a_text_reads_as_in_alertmanager(text: str, tmp_path: Path) -> None:
    assert ours(text) == theirs(text, tmp_path)


@needs_amtool
@pytest.mark.parametrize(
    "text",
    [
        '<a href="{{ .ExternalURL }}">{{ range .Alerts }}<b>{{ .Labels.zone }}</b>{{ end }}</a>',
        '{{ "<i>" }} {{ safeHtml "<i>" }} {{ "a+b\'c\\"d&e" }} {{ printf "<%s>" .Status }}',
        '<p title="{{ .CommonLabels.nope }}{{ "\\"x" }}">{{ len .Alerts }}</p>',
    ],
)
def test_html_is_escaped_as_in_alertmanager(text: str, tmp_path: Path) -> None:
    assert ours(text, is_html=True) == theirs(text, tmp_path, is_html=True)


REFUSED = {
    "{{ .Status": "}}",
    "{{ if .Status }}x": "end",
    "{{ end }}": "closes nothing",
    "{{ else }}": "closes nothing",
    "{{ nofunc .Status }}": "no function nofunc",
    "{{ $x }}": "$x isn't set",
    "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}": "$x isn't set",
    "{{ range .Alerts }}{{ else }}{{ else }}{{ end }}": "else",
    "{{ define \"a\" }}": "end",
    "{{ template . }}": "quotes",
    "{{ (len .Alerts }}": "( has no )",
    "{{ \"abc }}": "no end",
    "{{ break }}": "stands in no range",
    "{{ }}": "empty",
    "{{ .Status | \"x\" }}": "function",
    "{{ .Foo }}": "no field Foo",
    "{{ .Alerts.Labels }}": "no field Labels",
    "{{ .Status.Foo }}": "no fields",
    "{{ index .Alerts 7 }}": "index 7",
    "{{ toUpper 1 }}": "needs a text",
    "{{ toUpper \"a\" \"b\" }}": "toUpper takes 1",
    "{{ template \"nope\" . }}": 'no template "nope"',
    "{{ join .Alerts \",\" }}": "needs a",
    "{{ reReplaceAll \"(\" \"\" \"a\" }}": "RE2",
    "{{ eq .Alerts \"a\" }}": "compare",
    "{{ .Status \"x\" }}": "can't be called",
    "{{ 1 2 }}": "can't be called",
    "{{ range 3.5 }}{{ end }}": "range needs",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_not_be_read_is_refused_with_its_line_and_reason(text: str) -> None:
    with pytest.raises(BrokenTemplate) as seen:
        ours("first line\n" + text)
    assert seen.value.line == 2
    assert REFUSED[text] in seen.value.message


@needs_amtool
@pytest.mark.parametrize("text", REFUSED)
def test_alertmanager_refuses_it_too(text: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        theirs(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
        '{{ $x := "aaaaaaaa" }}' + '{{ $x = printf "%s%s" $x $x }}' * 40 + "{{ $x }}",
        '{{ printf "%999999999d" 1 }}',
        '{{ $x := printf "%1000d" 1 }}{{ reReplaceAll " " "' + "$0" * 1000 + '" $x }}',
        "{{ range .Alerts }}" * 20 + "{{ end }}" * 20,
        "{{ if true }}" * 200 + "{{ end }}" * 200,
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    ],
)
def test_a_text_that_would_never_end_or_fill_the_memory_is_stopped(text: str) -> None:
    with pytest.raises(BrokenTemplate):
        ours(text)


def test_what_is_put_out_is_cut_at_its_bound() -> None:
    parsed = parse("{{ range .Alerts }}{{ range $.Alerts }}" + "x" * 60_000 + "{{ end }}{{ end }}")
    text, is_cut = run(parsed.body, parsed.defines, data(), "text", STARTS_S)
    assert is_cut
    assert len(text) == 131_072


@given(st.text(alphabet='{}.$|()-" \n\\`ABadefgilnoprstux0:=,/*é', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never anything else: no endless loop, no other exception."""
    with contextlib.suppress(BrokenTemplate):
        assert isinstance(ours(text), str)


GO = ["{{ .Status }}", "{{- .Status -}}", "{{ $x }}", "{{ if .A }}b{{ end }}", '{{ template "a" . }}', "{{/* c */}}",
      "{{ range $i, $a := .Alerts }}{{ end }}", "{{ len .Alerts }}", '{{ printf "%d" 1 }}', "{{ (.Status) }}",
      '{{ "a" | toUpper }}', "{{ not .Alerts }}", "{{ . }}", "{{ with .A }}{{ end }}"]  # fmt: skip
JINJA = ["{{ status }}", "{{ Status|upper }}", "{{ a.b }}", "{{ a['.b'] }}", "{% if a %}{% endif %}", "{# .c #}",
         "{{ a if b else c }}", "{{ -1.5 }}", "{{ title }}", "{{ alerts|length }}", "{{ 'since .x' }}", "{{ not a }}",
         "{{ x|join(', ') }}", "{{ len }}", "{{ a or b }}", "plain", "{{- a -}}"]  # fmt: skip


@pytest.mark.parametrize("text", GO)
def test_go_texts_are_known(text: str) -> None:
    assert is_go(text)


@pytest.mark.parametrize("text", JINJA)
def test_jinja2_texts_are_known(text: str) -> None:
    assert not is_go(text)


def test_newer_functions_of_alertmanager_work_too() -> None:
    """0.27 and later; what amtool 0.25 doesn't have."""
    assert ours('{{ trimSpace "  a " }}') == "a"
    assert ours('{{ (index .Alerts 0).StartsAt | tz "Europe/Berlin" | date "15:04 MST" }}') == "06:33 CET"
    assert ours("{{ since (index .Alerts 1).StartsAt | humanizeDuration }}") == "500ms"
    assert ours("{{ humanizeDuration 93784 }} {{ .CommonLabels }}") == "1d 2h 3m 4s alertname=errors, team=db"
    with pytest.raises(BrokenTemplate, match="no time zone"):
        ours('{{ (index .Alerts 0).StartsAt | tz "Nowhere/X" }}')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{{ printf "<%s|%s>" .ExternalURL .Status }}', "<http://am:9093|firing>"),
        ("{{ (index .Alerts 0).Annotations.evil }}<!here>", "&lt;!channel&gt; &amp;<!here>"),
        ('{{ printf "<!here> %s" (index .Alerts 0).Annotations.evil }}', "<!here> &lt;!channel&gt; &amp;"),
        ('{{ (index .Alerts 0).Annotations.evil | printf "<%s>" | toUpper }}', None),
        ('{{ (index .Alerts 0).Annotations.evil | reReplaceAll "c" "<b>" }}', "&lt;!<b>hannel&gt; &amp;"),
        ('{{ stringSlice (index .Alerts 0).Annotations.evil "x" | join "<br>" }}', "&lt;!channel&gt; &amp;<br>x"),
    ],
)
def test_in_slack_marks_of_the_author_stay_and_those_of_a_label_do_not(text: str, said: str | None) -> None:
    one = Struct("an alert", {"Annotations": KV({"evil": "<!channel> &"})})
    root = Struct("x", {"Alerts": [one], "ExternalURL": "http://am:9093", "Status": "firing"})
    parsed = parse(text)
    made = run(parsed.body, parsed.defines, root, "slack", STARTS_S)[0]
    assert "<!channel>" not in made.lower()
    assert said is None or made == said


def test_durations_print_as_gos() -> None:
    assert [Seconds(s).go_text() for s in (1.5e-6, 3600.0, 59.9999)] == ["1.5µs", "1h0m0s", "59.9999s"]
