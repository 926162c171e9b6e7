"""A config held against a sample of its inputs: which rules watch nothing there, and why. No I/O, no clock."""

from collections.abc import Callable, Iterator, Sequence

from schemas.config import Rule
from schemas.config.errors import shown, suggestion
from schemas.metric import Series
from schemas.selector import METRIC_LABEL

Found = Iterator[tuple[int, str]]  # number of the rule, what is wrong with it there


def without_series(rules: Sequence[Rule], series: Sequence[Series]) -> Found:
    """Rules that match nothing; the nearest name is said where the metric isn't there at all."""
    metrics = sorted({one.metric for one in series})
    for number, rule in enumerate(rules):
        if any(rule.selector.matches(one) for one in series):
            continue
        named = next((m.value for m in rule.selector.matchers if m.name == METRIC_LABEL and m.op == "="), None)
        message = f"matches none of the {len(series):,} series of the sample"
        if named is None:
            yield number, f"{message}; compare its conditions with their names and labels"
        elif named in metrics:
            yield number, f"{message}, though its metric is there: compare the labels"
        else:
            yield number, f"{message}, which has no metric {shown(named)}; {suggestion(named, metrics[:_NAMES_MAX])}"


def without_groups(rules: Sequence[Rule], series: Sequence[Series]) -> Found:
    """Rules of groups whose series all lack a label of `group_by`: none of them is in a group."""
    for number, rule in enumerate(rules):
        for label in rule.group_by or ():
            found = [one for one in series if rule.selector.matches(one)]
            if found and not any(label in dict(one.labels) for one in found):
                known = sorted({name for one in found for name, _ in one.labels})
                yield (
                    number,
                    f"no series of the sample that it matches has the label {shown(label)} of group_by; "
                    + (suggestion(label, known) if known else "they have no labels"),
                )


_NAMES_MAX = 1_000
SAMPLE_LINTS: tuple[Callable[[Sequence[Rule], Sequence[Series]], Found], ...] = (without_series, without_groups)
