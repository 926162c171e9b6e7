"""What a desk died with can be sent at once where it is known that it died, and by nobody else before its time."""

from functools import partial

from pipeline.desk import intake, outbox, rounds
from pipeline.desk.database import Database
from tests.desk.scene import START_S, desk, event

LEASE_S = 60.0


def test_leases_of_one_owner_end_and_those_of_others_stay(db: Database) -> None:
    on, now_s = desk(integrations=2), START_S + 100.0
    mine, others = "ops/webhook[0]", "ops/webhook[1]"
    db.write(partial(intake.take, events=[event()], offsets={}, desk=on, now_s=START_S))
    rounds.flush_due(db, on, now_s)

    def claimed(integration: str, owner: str) -> int:
        claim = partial(outbox.claim, integration=integration, owner=owner, now_s=now_s, lease_s=LEASE_S, limit=10)
        return len(db.write(claim))

    assert (claimed(mine, "dead"), claimed(others, "alive")) == (1, 1)
    assert (claimed(mine, "next"), claimed(others, "next")) == (0, 0)
    assert db.write(partial(outbox.release, owner="dead")) == 1
    assert (claimed(mine, "next"), claimed(others, "next")) == (1, 0)
