"""Losses of readiness within an hour are counted for the service with the most losses."""

from hosts.denodo.readiness.readiness_losses import WINDOW_S, ReadinessLosses


def test_a_loss_is_a_change_to_unready_and_expires() -> None:
    now = 0.0
    losses = ReadinessLosses(lambda: now)
    losses.observe("jdbc", ready=False)
    assert losses.count == 0, "a server that starts was not ready before"
    for _ in range(2):
        losses.observe("jdbc", ready=True)
        losses.observe("jdbc", ready=False)
        losses.observe("jdbc", ready=False)
        now += 60
    losses.observe("web", ready=True)
    losses.observe("web", ready=False)
    assert losses.count == 2
    now = WINDOW_S + 59
    assert losses.count == 1
    now = WINDOW_S + 120
    assert losses.count == 0
