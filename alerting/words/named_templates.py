"""Alertmanager's own named templates, as every alertmanager.yml may call them, with our words behind them.

Written as a user would: a file of `templates` that defines one of these names takes its place.
"""

_SUBJECTS = (
    "slack.default.title", "pagerduty.default.description", "opsgenie.default.message", "victorops.default."
    "entity_display_name", "pushover.default.title", "sns.default.subject", "discord.default.title",
    "msteams.default.summary", "msteams.default.title", "msteamsv2.default.title", "jira.default.summary",
    "rocketchat.default.title", "email.default.subject",
)  # fmt: skip
_NAMES = (
    "slack.default.username", "pagerduty.default.client", "victorops.default.monitoring_tool",
    "rocketchat.default.alias",
)  # fmt: skip
_ADDRESSES = (
    "slack.default.titlelink", "pagerduty.default.clientURL", "opsgenie.default.source", "pushover.default.url",
    "rocketchat.default.titlelink",
)  # fmt: skip
_TEXTS = (
    "slack.default.text", "opsgenie.default.description", "wechat.default.message", "victorops.default.state_message",
    "pushover.default.message", "sns.default.message", "telegram.default.message", "discord.default.message",
    "webex.default.message", "msteams.default.text", "msteamsv2.default.text", "jira.default.description",
    "rocketchat.default.text", "email.default.text",
)  # fmt: skip
_EMPTY = (
    "__description", "slack.default.callbackid", "slack.default.pretext", "slack.default.iconemoji",
    "slack.default.iconurl", "slack.default.footer", "wechat.default.to_user", "wechat.default.to_party",
    "wechat.default.to_tag", "wechat.default.agent_id", "discord.default.content", "rocketchat.default.emoji",
    "rocketchat.default.iconurl",
)  # fmt: skip

_LIST = """
{{ define "__text_alert_list" }}{{ range . }}{{ .Head }}
{{ range .Facts }}  {{ . }}
{{ end }}{{ range .Links }}  {{ .Words }}: {{ .Address }}
{{ end }}{{ end }}{{ end }}
{{ define "__text_alert_list_markdown" }}{{ range . }}
- **{{ .Head }}**
{{ range .Facts }}  - {{ . }}
{{ end }}{{ end }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}
{{ define "slack.default.fallback" }}{{ template "__subject" . }} | {{ template "__alertmanagerURL" . }}{{ end }}
{{ define "jira.default.priority" -}}
{{ if eq .Level "critical" }}High{{ else if eq .Level "warning" }}Medium{{ else if .Level }}Low{{ end }}
{{- end }}
"""

# Tables and inline styles only, which is what mail programs agree on.
_MAIL = """
{{ define "email.default.html" }}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ .Title }}</title></head>
<body style="margin:0;padding:0;background:#f4f5f7;font:14px/1.5 Helvetica,Arial,sans-serif;color:#1d2939">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:16px">
<table role="presentation" width="640" cellpadding="0" cellspacing="0" style="max-width:640px;background:#ffffff">
<tr><td style="padding:16px 20px;background:{{ .Colour }};color:#ffffff;font-size:18px;font-weight:bold">
{{ .Title }}</td></tr>
<tr><td style="padding:12px 20px;color:#475467">{{ .News }}</td></tr>
{{ range .Shown }}<tr><td style="padding:12px 20px;border-left:4px solid {{ .Colour }}">
<strong>{{ .Head }}</strong>
{{ range .Facts }}<br>{{ . }}{{ end }}
{{ if .Picture -}}
<br><img src="{{ .Picture }}" width="600" height="240" alt="{{ .Spark }}" style="max-width:100%">
{{- end }}
{{ if .Links }}<br>{{ range .Links }}<a href="{{ .Address }}" style="color:#175cd3">{{ .Words }}</a> {{ end }}{{ end }}
</td></tr>
{{ end }}{{ if .More }}<tr><td style="padding:12px 20px">and {{ .More }} more</td></tr>{{ end }}
{{ if .Muted }}<tr><td style="padding:12px 20px">{{ .Muted }} held back</td></tr>{{ end }}
<tr><td style="padding:12px 20px;color:#98a2b3;font-size:12px">
<a href="{{ .Url }}" style="color:#98a2b3">{{ template "__alertmanager" . }}</a></td></tr>
</table></td></tr></table></body></html>
{{ end }}
"""


def _same(names: tuple[str, ...], body: str) -> str:
    return "".join(f'{{{{ define "{name}" }}}}{body}{{{{ end }}}}\n' for name in names)


NAMED_TEMPLATES = (
    _same(("__alertmanager",), "Tidegauge")
    + _same(("__alertmanagerURL",), "{{ .Url }}")
    + _same(("__subject",), "{{ .Title }}")
    + _same(_SUBJECTS, '{{ template "__subject" . }}')
    + _same(_NAMES, '{{ template "__alertmanager" . }}')
    + _same(_ADDRESSES, '{{ template "__alertmanagerURL" . }}')
    + _same(_TEXTS, "{{ .Text }}")
    + _same(_EMPTY, "")
    + _LIST
    + _MAIL
)
