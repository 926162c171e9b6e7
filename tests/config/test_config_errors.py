"""Every mistake at once, on its line, in plain words."""

import re
from collections.abc import Callable

import pytest

Errors = Callable[[str], list[str]]
HEAD = "rules:\n  - name: a\n    match: up\n    "
THRESHOLD = HEAD + "detector: threshold\n    "
BASELINE = HEAD + "detector: baseline\n    "
OK = 'rules: [{name: a, match: up, detector: threshold, levels: {warning: "< 1"}}]\n'

CASES: list[tuple[str, list[str]]] = [
    # Whole files
    ("", ["1: config: the file is empty; it needs at least rules (see examples/tidegauge.yaml)"]),
    ("- a", ["1: config: the file must be keys and values; it needs at least rules (see examples/tidegauge.yaml)"]),
    ("kafka: {}", ["1: rules: missing; it has no default"]),
    ("\nrules: []", ["2: rules: must not be empty"]),
    ("\nrules:", ["2: rules: is empty; give it a value, or leave the key out"]),
    (OK + "version: 2", ["2: version: must be 1, got 2"]),
    # Unknown keys
    (OK + "kafak: {}", ['2: kafak: unknown key; did you mean "kafka"?']),
    (OK + "reciever: []", ['2: reciever: unknown key; did you mean "receivers"?']),
    (OK + "kafka:\n  boostrap: x", ['3: kafka.boostrap: unknown key; did you mean "bootstrap"?']),
    (OK + "kafka:\n  zzz: x", ["3: kafka.zzz: unknown key; known here: bootstrap, group"]),
    (OK + "snapshots:\n  every_s: 30s", ['3: snapshots.every_s: unknown key; did you mean "every"?']),
    (BASELINE + "a.b: 1", [
        '5: rules[0]["a.b"]: unknown key; known here: align, annotations, back_off, budget, clear, detector, for, '
        "group_by, keep_firing_for, labels, levels, match, name, params, preset, stale_after"]),
    # What holds openings back
    (THRESHOLD + "levels: {warning: '> 1'}\n    back_off: true",
     ["6: rules[0].back_off: holds back openings by score, and threshold has none; leave it out"]),
    (THRESHOLD + "levels: {warning: '> 1'}\n    budget: 10/day",
     ["6: rules[0].budget: holds back openings by score, and threshold has none; leave it out"]),
    (BASELINE + "budget: 10",
     ['5: rules[0].budget: not a number of alerts: 10; write for example "10/day", "2/hour" or "1/week"']),
    (BASELINE + "budget: 0/day",
     ['5: rules[0].budget: not a number of alerts: "0/day"; write for example "10/day", "2/hour" or "1/week"']),
    (BASELINE + "back_off: no", ['5: rules[0].back_off: must be true or false, got "no"']),
    (BASELINE.replace("match", "mach"), ['3: rules[0].mach: unknown key; did you mean "match"?']),
    (HEAD + "detecter: baseline", ['4: rules[0].detecter: unknown key; did you mean "detector"?']),
    (THRESHOLD + 'levls: {warning: "> 1"}', ['5: rules[0].levls: unknown key; did you mean "levels"?']),
    (THRESHOLD + 'levels: {warning: "> 1", critcal: "> 2"}',
     ['5: rules[0].levels.critcal: unknown key; did you mean "critical"?']),
    # Values
    (OK + "kafka: 3", ["2: kafka: must be keys and values, got 3"]),
    (OK + "kafka: {bootstrap: 9092}", ['2: kafka.bootstrap: must be a text, got 9092; put it in quotes: "9092"']),
    (OK + "kafka: {bootstrap: 'a:1,b'}",
     ['2: kafka.bootstrap: not a broker address: "b"; write host:port, for example 127.0.0.1:9092']),
    (OK + "kafka: {group: ''}", ["2: kafka.group: must not be empty"]),
    (OK + "inputs: {topic: a}", ["2: inputs: must be a list, got keys and values"]),
    (OK + "inputs:\n  - topic: a b",
     ['3: inputs[0].topic: not a Kafka topic name: "a b"; use letters, digits, ".", "_" and "-", at most 249']),
    (OK + "inputs:\n  - format: telegraf",
     ['3: inputs[0].format: no format "telegraf"; did you mean "telegraf_json"?']),
    (OK + "inputs:\n  - keyed_by_series: yes", ['3: inputs[0].keyed_by_series: must be true or false, got "yes"']),
    (OK + "snapshots: {store: fodler}", ['2: snapshots.store: can\'t be "fodler"; did you mean "folder"?']),
    (OK + "snapshots: {every: 30}", ["2: snapshots.every: a duration needs a unit, got 30; write for example 30s"]),
    (OK + "snapshots: {every: 0s}", ['2: snapshots.every: must be > 0, got "0s"']),
    (OK + "snapshots: {every: 5 minutes}", ['2: snapshots.every: not a duration: "5 minutes"; write for example "5m"']),
    (OK + "snapshots: {every: soon}",
     ['2: snapshots.every: not a duration: "soon"; write for example "30s", "5m" or "1h30m"']),
    (OK + "snapshots: {every: [1]}", ['2: snapshots.every: must be a duration such as "30s" or "1h30m", got a list']),
    (OK + "limits: {max_series: '5'}", ['2: limits.max_series: must be a whole number, got "5"; leave out the quotes']),
    (OK + "limits: {max_series: 1.5}", ["2: limits.max_series: must be a whole number, got 1.5"]),
    (OK + "limits: {max_series: 0}", ["2: limits.max_series: must be >= 1, got 0"]),
    (OK + "limits: {max_series: 1e999}", ['2: limits.max_series: must be a whole number, got "1e999"']),
    (OK + "topics: {state: alerts}", ['2: topics.state: "alerts" is also topics.alerts; give each its own topic']),
    (OK + "inputs: [{topic: alerts}]",
     ['2: inputs[0].topic: "alerts" is an input and topics.alerts; give each its own topic']),
    (OK + "topics: {alerts: metrics}",
     ['2: topics.alerts: "metrics" is an input and topics.alerts; give each its own topic']),
    (OK + "inputs: [{}, {}]",
     ['2: inputs[1].topic: "metrics" is an input and inputs[0].topic; give each its own topic']),
    # Rules
    ("rules:\n  - 3", ["2: rules[0]: must be keys and values, got 3"]),
    ("rules:\n  -", ["2: rules[0]: must be keys and values, got nothing"]),
    ("rules:\n  - detector: baseline",
     ["2: rules[0].match: missing; it has no default", "2: rules[0].name: missing; it has no default"]),
    (BASELINE + "\n  - name: a\n    match: x\n    detector: baseline",
     ["6: rules[1].name: the rule on line 2 has this name too; alerts are told apart by it"]),
    (HEAD + "levels: {warning: 1}", ["2: rules[0].detector: missing; write one of baseline, river, threshold"]),
    (HEAD + "labels: {a: b}", ["2: rules[0].detector: missing; write one of baseline, river, threshold"]),
    (HEAD + "detector: thresold", ['4: rules[0].detector: no detector "thresold"; did you mean "threshold"?']),
    (HEAD + "detector: 1", ['4: rules[0].detector: must be a text, got 1; put it in quotes: "1"']),
    (HEAD + "levels:\n      warning: {detector: x, at: 1}",
     ['5: rules[0].levels.warning.detector: no detector "x"; known here: baseline, river, threshold']),
    (THRESHOLD, ['2: rules[0].levels: missing; threshold needs borders, for example {warning: "> 80"}']),
    (BASELINE + "levels: {}", ["5: rules[0].levels: no level; give at least one of info, warning, critical"]),
    (BASELINE + "labels: {n: 3, b: no, c: true}", [
        '5: rules[0].labels.c: must be a text, got true; put it in quotes: "true"',
        '5: rules[0].labels.n: must be a text, got 3; put it in quotes: "3"']),
    (BASELINE + "labels:\n      a-b: x\n      alertname: y", [
        "6: rules[0].labels.a-b: not a name: use letters, digits and _, and no digit first",
        "7: rules[0].labels.alertname: is set by Tidegauge itself; use another name"]),
    (BASELINE + "annotations:", ["5: rules[0].annotations: is empty; give it a value, or leave the key out"]),
    (BASELINE.replace("up", "cpu{host=web}"),
     ["3: rules[0].match: at character 10: expected a text in quotes after =; seen: 'web}'"]),
    (BASELINE.replace("up", "{a: b}"),
     ["3: rules[0].match: must be a selector such as 'cpu_usage{host=~\"web-.*\"}', got keys and values; put it in "
      "quotes"]),
    (BASELINE.replace("up", "\n      'cpu{'"), [
        '4: rules[0].match: at character 5: expected a label name; write for example host="web-1" (a name with other '
        "characters in quotes); seen: the end"]),
    # Settings of detectors
    (BASELINE + "params:\n      half_lif: 3\n      season: dya\n      half_life_s: -1\n      lags: [1, a]", [
        '6: rules[0].params.half_lif: unknown key; did you mean "half_life_s"?',
        '7: rules[0].params.season: can\'t be "dya"; did you mean "day"?',
        "8: rules[0].params.half_life_s: must be > 0, got -1",
        '9: rules[0].params.lags[1]: must be a whole number, got "a"']),
    (BASELINE + "params: [3]", ["5: rules[0].params: must be keys and values, got a list"]),
    (HEAD + "detector: river\n    params: {model: x, args: {a: [1], b: 2, c: null}}",
     ["5: rules[0].params.args.a: must be one of: true or false, a whole number, a number, a text; got a list"]),
    (HEAD + "detector: river", ["2: rules[0].params.model: missing; it has no default"]),
    (HEAD + "levels:\n      info: {detector: river, at: 1}",
     ["5: rules[0].levels.info.params.model: missing; it has no default"]),
    (HEAD + "params: {}\n    levels: {info: {detector: baseline, at: 1}}",
     ["4: rules[0].params: settings of no detector; add detector: ... beside them"]),
    # Levels
    (THRESHOLD + "levels: {warning: 80}",
     ['5: rules[0].levels.warning: threshold compares the value and needs a direction, got 80; write "> 80"']),
    (THRESHOLD + "levels: {warning: '80'}",
     ['5: rules[0].levels.warning: a border needs a direction, got "80"; write "> 80"']),
    (THRESHOLD + "levels:\n      warning:\n        at: 80",
     ['7: rules[0].levels.warning.at: threshold compares the value and needs a direction, got 80; write "> 80"']),
    (THRESHOLD + "levels: {warning: '> 1e999'}", ['5: rules[0].levels.warning: a number too large in "> 1e999"']),
    (THRESHOLD + "levels: {warning: 'outside 90..10'}",
     ["5: rules[0].levels.warning: the range 90..10 is upside down; write outside 10..90"]),
    (THRESHOLD + "levels: {warning: [1]}", [
        '5: rules[0].levels.warning: must be a border such as "> 80", a score such as 1.0, or {detector: ..., at: '
        "...}, got a list"]),
    (THRESHOLD + "levels: {warning: {}}", ["5: rules[0].levels.warning.at: missing; it has no default"]),
    (BASELINE + "levels: {warning: '> 1.5'}",
     ['5: rules[0].levels.warning: baseline opens at a score, got "> 1.5"; write 1.0, the '
      "series' own border, or use detector: threshold"]),
    (BASELINE + "levels: {warning: 0}",
     ["5: rules[0].levels.warning: a score must be > 0, got 0; 1.0 is the detector's own border"]),
    (BASELINE + "levels: {warning: true}",
     ['5: rules[0].levels.warning: must be a border such as "> 80" or a score such as 1.0, got true']),
    # Order of levels
    (THRESHOLD + "levels: {warning: '> 80', critical: '> 70'}", [
        '5: rules[0].levels.critical: critical opens at "> 70", which is milder than warning at "> 80"; make it '
        "stricter, or swap the two"]),
    (THRESHOLD + "levels: {warning: '< 5', critical: '<= 5'}", [
        '5: rules[0].levels.critical: critical opens at "<= 5", which is milder than warning at "< 5"; make it '
        "stricter, or swap the two"]),
    (THRESHOLD + "levels: {info: 'outside 10..90', critical: 'outside 5..80'}", [
        '5: rules[0].levels.critical: critical opens at "outside 5..80", which is milder than info at '
        '"outside 10..90"; make it stricter, or swap the two']),
    (BASELINE + "levels: {warning: 2, critical: 1.5}", [
        "5: rules[0].levels.critical: critical opens at 1.5, which is milder than warning at 2; make it stricter, or "
        "swap the two"]),
    # Clearing
    (THRESHOLD + "levels: {warning: '> 80'}\n    clear: {warning: '< 85'}", [
        '6: rules[0].clear.warning: "< 85" contradicts the level, which opens at "> 80": 82.5 is both over and clear; '
        'write for example "<= 80"']),
    (THRESHOLD + "levels: {warning: {at: '>= 80', clear: '<= 80'}}", [
        '5: rules[0].levels.warning.clear: "<= 80" contradicts the level, which opens at ">= 80": 80 is both over and '
        'clear; write for example "< 80"']),
    (THRESHOLD + "levels: {warning: 'outside 10..90'}\n    clear: {warning: 'inside 5..80'}", [
        '6: rules[0].clear.warning: "inside 5..80" contradicts the level, which opens at "outside 10..90": 7.5 is both '
        'over and clear; write for example "inside 10..90"']),
    (THRESHOLD + "levels: {warning: '> 80'}\n    clear: {warning: 75}",
     ['6: rules[0].clear.warning: is the condition under which it clears, got 75; write "< 75"']),
    (THRESHOLD + "levels: {warning: '> 80'}\n    clear: '< 75'",
     ['6: rules[0].clear: must be keys and values, got "< 75"']),
    (THRESHOLD + "levels: {warning: '> 80'}\n    clear: {critical: '< 75'}",
     ["6: rules[0].clear.critical: there is no level critical to clear; add it under levels"]),
    (THRESHOLD + "levels: {warning: {at: '> 80', clear: '< 70'}}\n    clear: {warning: '< 75'}",
     ["6: rules[0].clear.warning: given twice, also in levels.warning; keep one of them"]),
    (BASELINE + "clear: {warning: '< 3'}\n    levels: {warning: 1}", [
        '5: rules[0].clear.warning: a score clears by the distance from what is expected, got "< 3"; write a number of '
        "robust sigmas: 3.0"]),
    (BASELINE + "clear: {warning: -1}\n    levels: {warning: 1}",
     ["5: rules[0].clear.warning: must be > 0 (robust sigmas), got -1; the default is 3.0"]),
    # YAML
    (OK + "kafka: {}\nkafka: {}", ["3: kafka: given twice, first on line 2; keep one of them"]),
    (BASELINE + "for: 1m\n    for: 2m", ["6: rules[0].for: given twice, first on line 5; keep one of them"]),
    (OK + "kafka: *x", ["2: config: *x stands for nothing: no &x above it"]),
    (OK + "kafka: &x {group: *x}", ["2: config: *x stands for nothing: no &x above it"]),
    (OK + "kafka: !!python/object/apply:os.system [id]",
     ['2: config: the tag "tag:yaml.org,2002:python/object/apply:os.system" has no meaning here; remove it',
      "2: kafka: must be keys and values, got a list"]),
    (OK + "? [a]\n: b", ["2: config: a key must be a text, not a list or a mapping"]),
    (OK + "kafka: {<<: 3}", ['2: kafka["<<"]: merges a mapping, or a list of mappings']),
    (OK + "---\na: b", ["2: config: a second document; a config is one: remove this ---"]),
    (OK + "kafka: {group: a: b}", ["2: config: not YAML"]),
    (OK + "kafka:\n\tgroup: a", ["3: config: not YAML: a tab; indent with spaces (while scanning for the next token)"]),
    (OK + 'kafka: {group: "\\U00110000"}', ["2: config: not YAML at or after this line"]),
    (OK + 'kafka: {group: "\\ud800"}', ["2: config: half of a surrogate pair, which is no character"]),
    (OK + "kafka:\n  group: a\x1bb", ['3: config: a character that a text file can\'t have: "\\u001b"; remove it']),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[f"{i}" for i in range(len(CASES))])
def test_a_mistake_is_named_with_line_path_and_what_would_do(errors: Errors, text: str, expected: list[str]) -> None:
    found = errors(text)
    if expected[0].endswith(("not YAML", "after this line")):  # then the parser's own words follow
        assert len(found) == 1
        assert found[0].startswith(expected[0])
    else:
        assert found == expected


def test_all_mistakes_come_at_once_in_the_order_of_lines(errors: Errors) -> None:
    text = """
version: 2
kafka: {boostrap: x}
rules:
  - name: a
    mach: cpu
    detector: thresold
    for: 5
  - name: b
    match: cpu{
    detector: threshold
    fro: 1s
    levels: {warning: 80, critical: "> 90"}
    clear: {critical: "< 95"}
    labels: {alertname: x}
  - name: b
    match: cpu
    detector: baseline
    params: {season: x}
    levels: {warning: "> 80"}
recievers: []
"""
    assert [re.sub(r"^(\d+: \S+) .*", r"\1", line) for line in errors(text)] == [
        "2: version:",
        "3: kafka.boostrap:",
        "6: rules[0].mach:",
        "7: rules[0].detector:",
        "8: rules[0].for:",
        "10: rules[1].match:",
        "12: rules[1].fro:",
        "13: rules[1].levels.warning:",
        "14: rules[1].clear.critical:",
        "15: rules[1].labels.alertname:",
        "16: rules[2].name:",
        "19: rules[2].params.season:",
        "20: rules[2].levels.warning:",
        "21: recievers:",
    ]


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_no_message_is_in_pydantics_words(errors: Errors, text: str) -> None:
    for line in errors(text):
        assert not re.search(
            r"(?i)input should|valid (string|integer|number|bool)|permitted|pydantic|\bdict\b|tuple|NoneType", line
        )
        assert line.isprintable()


def bomb(levels: int) -> str:
    lines = [f"a0: &a0 [{', '.join('x' * 10)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(9), "more than 100,000 values"),
        (merge_bomb(9), "more than 100,000 values"),
        ("a: " + "[" * 5000, "nested more than 32 deep"),
        ("a: " + "{a: " * 5000, "nested more than 32 deep"),
        ("- " * 5000, "nested more than 32 deep"),
        ("a: " + "x" * 1_000_001, "larger than 1,000,000 characters"),
    ],
)
@pytest.mark.timeout(20)
def test_a_hostile_file_costs_a_message_and_not_the_machine(errors: Errors, text: str, says: str) -> None:
    (line,) = errors(text)
    assert says in line
