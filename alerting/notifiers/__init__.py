"""Who can be told, and how: one file and one line here a kind. `<kind>_configs` is a receiver's key in the config."""

from alerting.notifiers.alertmanager import Alertmanager
from alerting.notifiers.apprise import Apprise
from alerting.notifiers.base import Notifier
from alerting.notifiers.email import Email
from alerting.notifiers.jsm import Jsm
from alerting.notifiers.kafka_topic import KafkaTopic
from alerting.notifiers.msteams import MsTeams
from alerting.notifiers.opsgenie import Opsgenie
from alerting.notifiers.pagerduty import PagerDuty
from alerting.notifiers.slack import Slack
from alerting.notifiers.webhook import Webhook

KINDS: dict[str, type[Notifier]] = {
    "alertmanager": Alertmanager,
    "apprise": Apprise,
    "email": Email,
    "jsm": Jsm,
    "kafka": KafkaTopic,
    "msteamsv2": MsTeams,
    "opsgenie": Opsgenie,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "webhook": Webhook,
}
