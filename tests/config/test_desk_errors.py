"""The desk's part: every mistake on its line, in plain words; and what is right but seldom meant."""

import pytest

from tests.config.standins import a_machine, desk_errors, warnings

R = "receivers: [{name: x}]\nroute:\n  receiver: x\n"  # its routes begin on line 4
S = "route: {receiver: x}\nreceivers:\n  - name: x\n    slack_configs:\n      - "  # its entry is on line 5
T = R + "time_intervals:\n  - name: t\n    time_intervals:\n      - "  # its interval is on line 7
D = "desk:\n  "

CASES: list[tuple[str, list[str]]] = [
    # Routes
    ("receivers: [{name: x}]", ["1: receivers: no route leads to them; add route: {receiver: x}"]),
    ("route: {group_by: [a]}",
     ["1: route: has no receiver; alerts that no child takes go to the one of the first route"]),
    ("receivers: [{name: team-x}]\nroute:\n  receiver: team-y",
     ['3: route.receiver: no receiver "team-y"; did you mean "team-x"?']),
    (R + "  continue: true",
     ["4: route.continue: the first route has no siblings to go on to; remove it"]),
    (R + "  matchers: [a=b]",
     ["4: route.matchers: the first route matches every alert: move its conditions into a route under routes"]),
    (R + "  active_time_intervals: [t]\ntime_intervals: [{name: t}]",
     ["4: route.active_time_intervals: the first route always speaks; give a route under routes its times"]),
    (R + "  routes:\n    - reciever: x",
     ['5: route.routes[0].reciever: unknown key; did you mean "receiver"?']),
    (R + "  routes:\n    - matchers:\n        - a=b\n        - b",
     ["7: route.routes[0].matchers[1]: at character 2: expected =, !=, =~ or !~ after the label name; write for "
      "example team=\"db\"; seen: the end"]),
    (R + "  routes:\n    - match_re: {a: '(?=b)'}",
     ["5: route.routes[0].match_re: a: not an RE2 regular expression: invalid perl operator: (?=; RE2 has no "
      "look-around: add a second condition with !~"]),
    (R + "  routes:\n    - mute_time_intervals: [offhour]\ntime_intervals: [{name: offhours}]",
     ['5: route.routes[0].mute_time_intervals[0]: no time interval "offhour"; did you mean "offhours"?']),
    (R + "  group_wait: 30", ['4: route.group_wait: not a duration: "30"; write for example "30s"']),
    (R + "  group_interval: 0s", ['4: route.group_interval: must be > 0, got "0s"']),
    (R + "  group_by: [a, '...']", ['4: route.group_by: "..." means every label; leave the others out']),
    (R + "  group_by: [a, a]", ['4: route.group_by[1]: "a" is there already; leave it out']),
    # Receivers
    ("route: {receiver: x}\nreceivers:\n  - name: x\n  - name: x",
     ['4: receivers[1].name: "x" is on line 3 already; give each its own name']),
    ("route: {receiver: x}\nreceivers:\n  - name: x\n    slak_configs: []",
     ['4: receivers[0].slak_configs: unknown key; did you mean "slack_configs"?']),
    ("route: {receiver: x}\nreceivers:\n  - name: x\n    telegram_configs: []",
     ["4: receivers[0].telegram_configs: telegram is not spoken here; use apprise_configs, which reaches it and a "
      "hundred others"]),
    ("route: {receiver: x}\nreceivers:\n  - name: x\n    slack_configs: {channel: y}",
     ["4: receivers[0].slack_configs: must be a list, got keys and values"]),
    (S + "y", ['5: receivers[0].slack_configs[0]: must be keys and values, got "y"']),
    (S + "chanel: y", [
        '5: receivers[0].slack_configs[0].chanel: unknown key; did you mean "channel"?']),
    (S + "{api_url: https://y, color: blue}",
     ['5: receivers[0].slack_configs[0].color: can\'t be "blue"; known here: green, red']),
    (S + "{api_url: https://y, api_url_file: z}",
     ["5: receivers[0].slack_configs[0].api_url_file: given beside api_url; keep one of them"]),
    (S + "channel: y", ["5: receivers[0].slack_configs[0]: needs api_url or api_url_file"]),
    (S + "api_url: [secret]",
     ["5: receivers[0].slack_configs[0].api_url: a secret must be a text: ${env:NAME}, file:PATH, or the secret "
      "itself in quotes"]),
    (S + "{api_url: https://y, timeout: 0s}", ['5: receivers[0].slack_configs[0].timeout: must be > 0, got "0s"']),
    (S + "{api_url: https://y, send_resolved: maybe}",
     ['5: receivers[0].slack_configs[0].send_resolved: must be true or false, got "maybe"']),
    (S + "{api_url: https://y, http_config: {bearer_token: a, basic_auth: {username: b}}}",
     ["5: receivers[0].slack_configs[0].http_config: basic_auth and bearer_token: only one of them can say who we "
      "are; keep one"]),
    (S + "{api_url: https://y, http_config: {proxy_url: nowhere}}",
     ["5: receivers[0].slack_configs[0].http_config.proxy_url: not a web address; write for example "
      "https://host.example/path"]),
    ("global:\n  slack_api_url: https://y\n  slack_api_url_file: z\nroute: {receiver: x}\nreceivers: [{name: x}]",
     ["3: global.slack_api_url_file: given beside slack_api_url; keep one of them"]),
    ("global:\n  smtp_from: 3\n  smtp_smarthost: [4]\nroute: {receiver: x}\nreceivers: [{name: x}]",
     ["3: global.smtp_smarthost: must be a text, got a list"]),
    ("route: {receiver: x}\nreceivers:\n  - name: x\n    fallback: z",
     ['4: receivers[0].fallback: no receiver "z"; known here: x']),
    ("route: {receiver: x}\nreceivers:\n  - {name: x, fallback: y}\n  - {name: y, fallback: x}",
     ["3: receivers[0].fallback: leads back to itself: x -> y -> x",
      "4: receivers[1].fallback: leads back to itself: y -> x -> y"]),
    # Times
    (T + "weekdays: [fri]", ['7: time_intervals[0].time_intervals[0].weekdays[0]: no weekday "fri"; did you mean '
                             '"friday"?']),
    (T + "weekdays: ['friday:monday']",
     ['7: time_intervals[0].time_intervals[0].weekdays[0]: "friday:monday" ends before it begins; write two spans, '
      "one on each side of the turn"]),
    (T + "days_of_month: [0]",
     ['7: time_intervals[0].time_intervals[0].days_of_month[0]: not a day of the month, 1..31 or -31..-1: "0"']),
    (T + "times: [{start_time: 9:00, end_time: '17:00'}]",
     ['7: time_intervals[0].time_intervals[0].times[0].start_time: not a time of day: "9:00"; write for example '
      "09:00, or 24:00 for the end of the day"]),
    (T + "times: [{start_time: '22:00', end_time: '06:00'}]",
     ["7: time_intervals[0].time_intervals[0].times[0]: ends before it begins; for a night write two parts, one up "
      "to 24:00 and one from 00:00"]),
    (T + "location: Europe/Atlantis",
     ['7: time_intervals[0].time_intervals[0].location: no time zone "Europe/Atlantis"; write its IANA name, for '
      "example Europe/Berlin"]),
    # The desk itself
    (D + "host: 0.0.0.0", ["2: desk.host: 0.0.0.0 can be reached by others, so somebody must be let in: add "
                           "desk.tokens"]),
    (D + "database: mysql://x",
     ["2: desk.database: must be sqlite:///PATH, postgresql://USER@HOST/NAME, or ${env:NAME} with one of them"]),
    (D + "port: '8470'", ['2: desk.port: must be a whole number, got "8470"; leave out the quotes']),
    (D + "tokens:\n    - {name: a, role: root, token_sha256: x}",
     ['3: desk.tokens[0].role: can\'t be "root"; known here: admin, responder, viewer',
      '3: desk.tokens[0].token_sha256: must look like ^[0-9a-fA-F]{64}$, got "x"']),
    (D + "tokens: [{name: a, role: admin}]",
     ["2: desk.tokens[0]: needs one of token_sha256, token, token_file; got none of them"]),
    (D + "tokens: [{name: a, role: admin, token: hunter2hunter2hunter2}]",
     ["2: desk.tokens[0].token: a token in the file itself; write token_sha256, ${env:NAME} or file:PATH"]),
    (D + "tokens: [{name: a, role: admin, token: '${env:SHORT}'}]",
     ["2: desk.tokens[0].token: the token has fewer than 16 characters; make a longer one"]),
    # Maintenance, dependencies, flapping
    ("maintenance:\n  - {name: m, matchers: [a=b], starts_at: tonight, duration: 1h}",
     ['2: maintenance[0].starts_at: not a date and time: "tonight"; write for example 2026-12-01T22:00']),
    ("maintenance:\n  - {name: m, matchers: [a=b], starts_at: '2026-12-01T22:00Z', duration: 1h}",
     ["2: maintenance[0].starts_at: a wall clock has no offset; leave it out, time_zone says which clock it is"]),
    ("maintenance:\n  - {name: m, matchers: [], starts_at: 2026-12-01T22:00, duration: 1h}",
     ["2: maintenance[0].matchers: must not be empty"]),
    ("maintenance:\n  - {name: m, matchers: [a=b], starts_at: 2026-12-01T22:00, duration: 1h, rrule: FREQ=MINUTELY}",
     ["2: maintenance[0].rrule: FREQ=MINUTELY is no maintenance; HOURLY is the most often that works"]),
    ("dependencies:\n  a: [b]\n  b: [c]\n  c: [a]\n  d: [a]",
     ["2: dependencies.a: depends on itself: a -> b -> c -> a"]),
    ("dependencies: [{service: a}]",
     ["1: dependencies: must be {service: ..., depends_on: [...]} or service: [...], got keys and values"]),
    ("flapping: {start_percent: 20, stop_percent: 30}",
     ["1: flapping.stop_percent: must be below start_percent (20), got 30"]),
    ("storm: {window: 5}", ["1: storm.window: a duration needs a unit, got 5; write for example 5s"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_mistake_is_named_with_line_path_and_what_would_do(text: str, expected: list[str]) -> None:
    assert desk_errors(text, a_machine({}, {"SHORT": "abc"})) == expected


def test_all_mistakes_come_at_once() -> None:
    text = """
rules: [{name: a, match: up}]
route:
  receiver: y
  routes: [{matchers: [a], group_wait: 3}]
receivers:
  - name: x
    slack_configs: [{api_url: u, colour: red}]
time_intervals: [{name: t, time_intervals: [{months: [13]}]}]
maintenance: [{name: m}]
desk: {host: 0.0.0.0}
"""
    assert [line.split(" ")[0] for line in desk_errors(text)] == [
        "2:", "4:", "5:", "5:", "8:", "9:", "10:", "10:", "10:", "11:",
    ]  # fmt: skip


def test_a_message_never_shows_a_secret() -> None:
    text = S + "{api_url: https://hooks.example/topsecret, api_url_file: x, color: 3}"
    assert "topsecret" not in " ".join(desk_errors(text))
    assert "topsecret" not in " ".join(warnings(S + "{api_url: https://hooks.example/topsecret}"))


WARNINGS: list[tuple[str, list[str]]] = [
    (R, []),
    (S + "api_url: https://hooks.example/T/B/x",
     ["5: receivers[0].slack_configs[0].api_url: a secret in the file itself; write ${env:NAME}, file:PATH, or the "
      "key that ends in _file"]),
    (S + "api_url: ${env:SLACK}", []),
    (S + "api_url_file: run/slack", []),
    ("global: {slack_api_url: https://x/services/hunter2}\n" + S + "channel: y\n      - channel: z",
     ["1: global.slack_api_url: a secret in the file itself; write ${env:NAME}, file:PATH, or the key that ends in "
      "_file"]),
    (R + "  routes:\n    - matchers: [a=b]\n    - matchers: [a=b, c=d]",
     ['6: route.routes[1]: is never reached: the route on line 5 takes all of {a="b"}, and has no continue']),
    (R + "  routes:\n    - {}\n    - matchers: [c=d]",
     ["6: route.routes[1]: is never reached: the route on line 5 takes every alert, and has no continue"]),
    (R + "  routes:\n    - {continue: true}\n    - matchers: [c=d]", []),
    ("receivers:\n  - name: x\n  - name: y\n  - {name: z, fallback: y}\nroute: {receiver: x}",
     ["4: receivers[2].name: no route leads here"]),
    (R + "  repeat_interval: 1m",
     ["4: route.repeat_interval: repeat_interval (1 min) is shorter than group_interval (5 min), which decides"]),
    (R + "inhibit_rules:\n  - {source_matchers: [a=b], target_matchers: [a=c]}",
     ["5: inhibit_rules[0]: has no equal, so one alert that matches hides those of every cluster and service"]),
    (R + "inhibit_rules:\n  - {source_matchers: [a=b], equal: [c]}",
     ["5: inhibit_rules[0]: has no target_matchers, so every alert matches"]),
    (R + "  routes:\n    - match: {a: b}", ["5: route.routes[0].match: older spelling; write matchers"]),
    (R + "  routes: [{mute_time_intervals: [t]}]\nmute_time_intervals: [{name: t}]",
     ["5: mute_time_intervals: older name; write time_intervals"]),
    (R + "time_intervals:\n  - name: t", ["5: time_intervals[0].name: no route uses it"]),
    (R + "tracing: {endpoint: x}", ["4: tracing: is not used here"]),
    (R + "global:\n  victorops_api_key: x", ["5: global.victorops_api_key: is not used here: no kind of receiver "
                                             "takes it"]),
    (R + "templates: ['*.tmpl']", ["4: templates[0]: no file is named so: *.tmpl"]),
    ("route: {receiver: x}\nreceivers:\n  - name: x\n    msteams_configs: [{api_url: '${env:X}'}]",
     ["4: receivers[0].msteams_configs: read as msteamsv2_configs: Microsoft ended most connectors of the old kind"]),
    (D + "database: postgresql://ann:pw@db/desk", ["2: desk.database: a password in the file itself; write "
                                                   "${env:NAME}"]),
    (D + "database: ${env:UNSET}", ["2: desk.database: ${env:UNSET} isn't set here, so a desk can't start here"]),
    (D + "tokens: [{name: ann, role: admin, token: '${env:UNSET}'}]",
     ["2: desk.tokens[0].token: environment variable UNSET isn't set here, so ann is not let in"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WARNINGS)
def test_what_is_seldom_meant_is_said(text: str, expected: list[str]) -> None:
    assert warnings(text, a_machine({})) == expected
