"""Whole alertmanager.yml files in the shapes that Alertmanager's documentation shows, and broken ones."""

SIMPLE = """
route:
  receiver: everybody
receivers:
  - name: everybody
    webhook_configs:
      - url: http://127.0.0.1:5001/
"""

TEAMS = """
global:
  smtp_smarthost: 'localhost:25'
  smtp_from: 'alerts@example.org'
  smtp_auth_username: 'alerts'
  smtp_auth_password: 'password'
templates:
  - '/nowhere/*.tmpl'
route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  receiver: team-X-mails
  routes:
    - match_re:
        service: ^(foo1|foo2|baz)$
      receiver: team-X-mails
      routes:
        - match:
            severity: critical
          receiver: team-X-pager
    - match:
        service: files
      receiver: team-Y-mails
      routes:
        - match:
            severity: critical
          receiver: team-Y-pager
    - match:
        service: database
      receiver: team-DB-pager
      group_by: [alertname, cluster, database]
      routes:
        - matchers: [owner="team-X"]
          receiver: team-X-pager
          continue: true
        - matchers:
            - owner="team-Y"
          receiver: team-Y-pager
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [alertname, cluster, service]
receivers:
  - name: 'team-X-mails'
    email_configs:
      - to: 'team-X+alerts@example.org, team-Y+alerts@example.org'
  - name: 'team-X-pager'
    email_configs:
      - to: 'team-X+alerts-critical@example.org'
    pagerduty_configs:
      - routing_key: team-X-key
  - name: 'team-Y-mails'
    email_configs:
      - to: 'team-Y+alerts@example.org'
  - name: 'team-Y-pager'
    pagerduty_configs:
      - routing_key: team-Y-key
  - name: 'team-DB-pager'
    pagerduty_configs:
      - routing_key: team-DB-key
"""

INHIBITION = """
route: {receiver: r, group_by: ['...']}
receivers: [{name: r}]
inhibit_rules:
  - source_match: {alertname: ClusterDown}
    target_match_re: {alertname: .+}
    equal: [cluster]
  - source_matchers: ['alertname = NodeDown', 'env =~ "prod|staging"']
    target_matchers: ['severity != critical']
    equal: ['node', 'cluster']
"""

TIMES = """
route:
  receiver: r
  routes:
    - receiver: r
      matchers: [severity=~"info|warning"]
      mute_time_intervals: [offhours, holidays]
    - receiver: r
      matchers: ['{severity="critical"}']
      active_time_intervals: [offhours]
      continue: yes
receivers: [{name: r}]
mute_time_intervals:
  - name: holidays
    time_intervals:
      - months: ['december']
        days_of_month: ['24:26', -1]
      - months: ['1']
        days_of_month: [1]
        years: ['2026:2030', 2031]
time_intervals:
  - name: offhours
    time_intervals:
      - times:
          - start_time: '18:00'
            end_time: '24:00'
          - start_time: 00:00
            end_time: '08:30'
        weekdays: ['monday:friday']
        location: 'Europe/Berlin'
      - weekdays: ['Saturday', 'sunday']
        location: Local
"""

ALL_KINDS = """
global:
  resolve_timeout: 10m
  http_config:
    tls_config: {insecure_skip_verify: true}
  smtp_smarthost: mail.example:587
  smtp_from: desk@example.org
  smtp_hello: ''
  smtp_require_tls: yes
  slack_api_url: https://hooks.slack.com/services/T/B/x
  pagerduty_url: https://events.eu.pagerduty.com/v2/enqueue
  opsgenie_api_url: https://api.eu.opsgenie.com/
  opsgenie_api_key: key
  victorops_api_key: unused
route:
  receiver: all
  group_by: [alertname]
  routes:
receivers:
  - name: all
    slack_configs:
      - channel: '#alerts'
        send_resolved: true
        title: '{{ .GroupLabels.alertname }}'
        text: "{{ range .Alerts }}{{ .Annotations.summary }}\\n{{ end }}"
      - api_url: https://hooks.slack.com/services/T/B/y
        channel: 1234
        http_config:
          proxy_url: http://proxy.example:3128
    pagerduty_configs:
      - routing_key: key
        severity: '{{ if .CommonLabels.severity }}{{ .CommonLabels.severity }}{{ else }}critical{{ end }}'
        details:
          firing: '{{ .Alerts.Firing | len }}'
          number: 5
      - service_key: key
        url: https://events.pagerduty.com/generic/2010-04-15/create_event.json
    opsgenie_configs:
      - message: '{{ .CommonLabels.alertname }}'
        responders:
          - {name: ops, type: team}
        priority: P2
        update_alerts: true
      - api_key: other
        api_url: https://api.opsgenie.com/
    webhook_configs:
      - url: https://hooks.example/x
        max_alerts: 20
        send_resolved: false
        http_config:
          authorization: {type: Bearer, credentials: secret}
      - url: https://hooks.example/y
        http_config:
          basic_auth: {username: ann, password: secret}
    email_configs:
      - to: ann@example.org
        headers: {Subject: 'Alert: {{ .CommonLabels.alertname }}'}
        html: '{{ template "email.default.html" . }}'
        require_tls: false
        send_resolved: true
"""

EMPTY_PARTS = """
global:
route: {receiver: r, routes: , group_by: [], match: }
receivers: [{name: r, webhook_configs: }]
inhibit_rules:
templates: []
time_intervals: []
"""

GOOD = {
    "simple": SIMPLE,
    "teams": TEAMS,
    "inhibition": INHIBITION,
    "times": TIMES,
    "all kinds": ALL_KINDS,
    "empty parts": EMPTY_PARTS,
    "names that are numbers": "route: {receiver: 1, routes: [{receiver: 2, match: {code: 500, up: true}}]}\n"
    "receivers: [{name: 1}, {name: '2'}]",
    "a label that must be missing": "route: {receiver: r, routes: [{match: {team: }, receiver: r}]}\n"
    "receivers: [{name: r}]",
}

_R = "\nreceivers: [{name: r}]"
BAD = {
    "no receiver": "route: {group_by: [a]}" + _R,
    "no route": "receivers: [{name: r}]",
    "unknown receiver": "route: {receiver: x}" + _R,
    "unknown receiver deep down": "route: {receiver: r, routes: [{routes: [{receiver: x}]}]}" + _R,
    "conditions on the first route": "route: {receiver: r, matchers: [a=b]}" + _R,
    "older conditions on the first route": "route: {receiver: r, match: {a: b}}" + _R,
    "times on the first route": "route: {receiver: r, mute_time_intervals: [t]}\ntime_intervals: [{name: t}]" + _R,
    "continue on the first route": "route: {receiver: r, continue: true}" + _R,
    "unknown time": "route: {receiver: r, routes: [{mute_time_intervals: [t]}]}" + _R,
    "unknown key": "route: {receiver: r, group_bi: [a]}" + _R,
    "unknown key at the top": "rout: {receiver: r}" + _R,
    "unknown kind": "route: {receiver: r}\nreceivers: [{name: r, slak_configs: []}]",
    "two of a name": "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]",
    "two times of a name": "route: {receiver: r}\ntime_intervals: [{name: t}, {name: t}]" + _R,
    "the same time in both": "route: {receiver: r}\ntime_intervals: [{name: t}]\nmute_time_intervals: [{name: t}]" + _R,
    "no name": "route: {receiver: r}\nreceivers: [{name: r}, {webhook_configs: []}]",
    "all and one": "route: {receiver: r, group_by: ['...', a]}" + _R,
    "a label twice": "route: {receiver: r, group_by: [a, a]}" + _R,
    "no interval": "route: {receiver: r, group_interval: 0s}" + _R,
    "no repeat": "route: {receiver: r, repeat_interval: 0s}" + _R,
    "a number for a time": "route: {receiver: r, group_wait: 30}" + _R,
    "a time in words": "route: {receiver: r, group_wait: 5 minutes}" + _R,
    "not a condition": "route: {receiver: r, routes: [{matchers: ['a']}]}" + _R,
    "an open quote": "route: {receiver: r, routes: [{matchers: ['a=\"b']}]}" + _R,
    "not a regular expression": "route: {receiver: r, routes: [{matchers: ['a=~\"(\"']}]}" + _R,
    "older: not a regular expression": "route: {receiver: r, routes: [{match_re: {a: '('}}]}" + _R,
    "older: no regular expression": "route: {receiver: r, routes: [{match_re: {a: }}]}" + _R,
    "older: not a label": "route: {receiver: r, routes: [{match: {a-b: c}}]}" + _R,
    "half a rule": "route: {receiver: r}\ninhibit_rules: [{source_matchers: ['x']}]" + _R,
    "backwards week": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{weekdays: ['friday:monday']}]}]" + _R,
    "no such day": "route: {receiver: r}\ntime_intervals: [{name: t, time_intervals: [{weekdays: [fri]}]}]" + _R,
    "the 32nd": "route: {receiver: r}\ntime_intervals: [{name: t, time_intervals: [{days_of_month: [32]}]}]" + _R,
    "from the end to the start": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{days_of_month: ['-3:3']}]}]" + _R,
    "over midnight": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{times: [{start_time: '22:00', end_time: '06:00'}]}]}]" + _R,
    "half a time": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{times: [{start_time: '22:00'}]}]}]" + _R,
    "no such hour": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{times: [{start_time: '8:00', end_time: '25:00'}]}]}]" + _R,
    "no such zone": "route: {receiver: r}\n"
    "time_intervals: [{name: t, time_intervals: [{location: Europe/Atlantis}]}]" + _R,
    "both of a pair": "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{api_url: 'http://x.example/', "
    "api_url_file: y}]}]",
    "both of a global pair": "global: {slack_api_url: 'http://x.example/', slack_api_url_file: y}\n"
    "route: {receiver: r}" + _R,
    "no slack address": "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{channel: x}]}]",
    "no opsgenie key": "route: {receiver: r}\nreceivers: [{name: r, opsgenie_configs: [{message: x}]}]",
    "no pagerduty key": "route: {receiver: r}\nreceivers: [{name: r, pagerduty_configs: [{severity: x}]}]",
    "no webhook address": "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{max_alerts: 3}]}]",
    "not a list": "route: {receiver: r}\nreceivers: {name: r}",
}
