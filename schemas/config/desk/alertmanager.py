"""Alertmanager's own keys, as they stand in an alertmanager.yml. Receivers' entries are checked by their kind."""

from pydantic import ConfigDict, Field

from schemas.config.desk.words import (
    Condition,
    DaySpan,
    LabelName,
    MinuteOfDay,
    MonthSpan,
    Pairs,
    Regexes,
    TimeZone,
    WeekdaySpan,
    YearSpan,
)
from schemas.config.http_config import HttpConfig, TlsConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretAddress, SecretText, WebAddress


class Global(Section):
    """What receivers fall back to, and when alerts of others end by themselves."""

    resolve_timeout_s: Duration = Field(
        default=300.0,
        gt=0,
        validation_alias="resolve_timeout",
        description="An alert that came without an end, by the API, ends so long after it was last seen.",
    )
    http_config: HttpConfig | None = Field(default=None, description="How receivers' services are spoken to.")
    smtp_from: str | None = Field(default=None, description="Sender of mails.")
    smtp_hello: str | None = Field(default=None, description="Name given to the mail server.")
    smtp_smarthost: str | None = Field(default=None, description="Mail server, `host:port`.")
    smtp_auth_username: str | None = Field(default=None, description="User name at the mail server.")
    smtp_auth_password: SecretText | None = Field(default=None, description="Password at the mail server.")
    smtp_auth_password_file: str | None = Field(default=None, description="File with that password.")
    smtp_auth_secret: SecretText | None = Field(default=None, description="Secret for CRAM-MD5.")
    smtp_auth_secret_file: str | None = Field(default=None, description="File with that secret.")
    smtp_auth_identity: str | None = Field(default=None, description="Identity for PLAIN.")
    smtp_require_tls: bool | None = Field(default=None, description="Whether mails go by TLS only; they do by default.")
    smtp_force_implicit_tls: bool | None = Field(
        default=None, description="TLS from the first byte; on port 465 by default."
    )
    smtp_tls_config: TlsConfig | None = Field(default=None, description="Certificates for the mail server.")
    slack_api_url: SecretAddress | None = Field(default=None, description="Slack's incoming webhook.")
    slack_api_url_file: str | None = Field(default=None, description="File with that address.")
    slack_app_token: SecretText | None = Field(default=None, description="Slack's bot token.")
    slack_app_token_file: str | None = Field(default=None, description="File with that token.")
    slack_app_url: WebAddress | None = Field(default=None, description="Slack's API for the bot token.")
    pagerduty_url: WebAddress | None = Field(default=None, description="PagerDuty's Events API.")
    opsgenie_api_url: WebAddress | None = Field(default=None, description="OpsGenie's API.")
    opsgenie_api_key: SecretText | None = Field(default=None, description="OpsGenie's key.")
    opsgenie_api_key_file: str | None = Field(default=None, description="File with that key.")
    jsm_api_url: WebAddress | None = Field(default=None, description="API of JSM Operations.")
    jsm_api_key: SecretText | None = Field(default=None, description="Key of JSM Operations.")
    jsm_api_key_file: str | None = Field(default=None, description="File with that key.")


# Alertmanager's `global` keys for kinds of receivers that we don't have: taken, and said to be without use.
UNUSED_GLOBALS = (
    "jira_api_url", "wechat_api_url", "wechat_api_secret", "wechat_api_secret_file", "wechat_api_corp_id",
    "victorops_api_url", "victorops_api_key", "victorops_api_key_file", "telegram_api_url", "telegram_bot_token",
    "telegram_bot_token_file", "webex_api_url", "rocketchat_api_url", "rocketchat_token", "rocketchat_token_file",
    "rocketchat_token_id", "rocketchat_token_id_file", "mattermost_webhook_url", "mattermost_webhook_url_file",
    "hipchat_api_url", "hipchat_auth_token",
)  # fmt: skip


class FileRoute(Section):
    """Which alerts go to whom: the first child that matches has it. What a child leaves out is its parent's."""

    receiver: str | None = Field(default=None, description="Whom to tell; needed at the top.")
    group_by: tuple[LabelName, ...] | None = Field(
        default=None, description="Alerts that agree in these labels are told together; `['...']` tells each alone."
    )
    matchers: tuple[Condition, ...] = Field(
        default=(), description='Conditions that must all hold, such as `team="db"` or `env=~"prod.*"`; labels, '
        "`level` and `severity` can be asked."
    )  # fmt: skip
    match: Pairs = Field(default_factory=dict, description="Older: labels and the values they must have.")
    match_re: Regexes = Field(
        default_factory=dict, description="Older: labels and the regular expressions they must match."
    )
    continues: bool = Field(
        default=False, validation_alias="continue", description="Whether later siblings are asked too."
    )
    group_wait_s: Duration | None = Field(
        default=None, validation_alias="group_wait", description="How long a new group waits for more; `30s` at first."
    )
    group_interval_s: Duration | None = Field(
        default=None,
        gt=0,
        validation_alias="group_interval",
        description="How long a group waits before it tells what is new; `5m` at first.",
    )
    repeat_interval_s: Duration | None = Field(
        default=None,
        gt=0,
        validation_alias="repeat_interval",
        description="How long until the same is told again; `4h` at first.",
    )
    mute_time_intervals: tuple[str, ...] = Field(
        default=(), description="Names of time intervals in which nothing is told; not inherited."
    )
    active_time_intervals: tuple[str, ...] = Field(
        default=(), description="Names of time intervals outside of which nothing is told; not inherited."
    )
    digest_s: Duration | None = Field(
        default=None,
        validation_alias="digest",
        description="Collects, and speaks only at full multiples of so long (`24h`: at midnight UTC); `0s`: doesn't.",
    )
    routes: tuple["FileRoute", ...] = Field(default=(), description="Children, asked in their order.")


class FileReceiver(Section):
    """Someone to tell, by one or more ways: `<kind>_configs`."""

    # The kinds are told to the loader, which checks their entries.
    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1, max_length=200, description="As routes call it; once in the file.")
    fallback: str | None = Field(
        default=None, description="Receiver that is told instead when one of this one's ways stays down."
    )
    messages_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="At most so many to each of its ways; what waits is replaced by its group's later state.",
    )


class FileInhibitRule(Section):
    """Alerts that hide others: while one matches `source_matchers`, what matches `target_matchers` is held back."""

    name: str = Field(default="", description="As it is called in the reason.")
    source_matchers: tuple[Condition, ...] = Field(default=(), description="Conditions on the alert that hides.")
    target_matchers: tuple[Condition, ...] = Field(default=(), description="Conditions on the alert that is hidden.")
    equal: tuple[LabelName, ...] = Field(
        default=(), description="Labels in which both must agree; missing is the same as empty."
    )
    source_match: Pairs = Field(default_factory=dict, description="Older: labels and values of the alert that hides.")
    source_match_re: Regexes = Field(
        default_factory=dict, description="Older: labels and regular expressions of the alert that hides."
    )
    target_match: Pairs = Field(
        default_factory=dict, description="Older: labels and values of the alert that is hidden."
    )
    target_match_re: Regexes = Field(
        default_factory=dict, description="Older: labels and regular expressions of the alert that is hidden."
    )


class FileTimes(Section):
    """A part of the day."""

    start_time: MinuteOfDay = Field(description="First minute, such as `09:00`.")
    end_time: MinuteOfDay = Field(description="First minute after it, up to `24:00`.")


class FileInterval(Section):
    """A moment is in it where everything that is given holds."""

    times: tuple[FileTimes, ...] = Field(default=(), description="Parts of the day.")
    weekdays: tuple[WeekdaySpan, ...] = Field(default=(), description="`monday:friday`, `sunday`.")
    days_of_month: tuple[DaySpan, ...] = Field(default=(), description="`1:7`, `-1` for the last.")
    months: tuple[MonthSpan, ...] = Field(default=(), description="`january:march`, `12`.")
    years: tuple[YearSpan, ...] = Field(default=(), description="`2026`, `2026:2027`.")
    location: TimeZone = Field(
        default="UTC", description="Time zone of all that, such as `Europe/Berlin`; `Local` is this machine's."
    )


class FileTimeInterval(Section):
    """A name for times, as routes use it."""

    name: str = Field(min_length=1, max_length=200, description="As routes call it; once in the file.")
    time_intervals: tuple[FileInterval, ...] = Field(default=(), description="A moment may be in any of them.")


class AlertmanagerPart(Section):
    """What stands in an alertmanager.yml."""

    global_: Global = Field(
        default_factory=Global, validation_alias="global", description="What receivers fall back to."
    )
    route: FileRoute | None = Field(default=None, description="Which alert goes to which receiver.")
    receivers: tuple[FileReceiver, ...] = Field(default=(), max_length=10_000, description="Whom to tell, and how.")
    inhibit_rules: tuple[FileInhibitRule, ...] = Field(
        default=(), max_length=10_000, description="Alerts that hide others."
    )
    time_intervals: tuple[FileTimeInterval, ...] = Field(
        default=(), max_length=10_000, description="Named times for routes."
    )
    mute_time_intervals: tuple[FileTimeInterval, ...] = Field(
        default=(), max_length=10_000, description="Older name of `time_intervals`."
    )
    templates: tuple[str, ...] = Field(
        default=(), max_length=1_000, description="Files with texts of notifications; `*` stands for any name."
    )
    tracing: dict[str, object] | None = Field(default=None, description="Taken from an alertmanager.yml, without use.")
