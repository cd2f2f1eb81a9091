"""Adapts the events that pymesos' scheduler driver dispatches itself to `SchedulerCallbacks`."""
# ruff: noqa: N802  (methods that pymesos calls have its names, and it says what they are)

from __future__ import annotations

import base64
import logging
from typing import Any

from mrmesos.mesos.callbacks import Json, SchedulerCallbacks

__all__ = ["SchedulerAdapter"]

logger = logging.getLogger(__name__)


class SchedulerAdapter:
    """Has pymesos' callback names and calls ours, for the events that pymesos dispatches."""

    def __init__(self, callbacks: SchedulerCallbacks) -> None:
        self._callbacks = callbacks

    def resourceOffers(self, _driver: Any, offers: list[Json]) -> None:
        self._callbacks.offers(offers)

    def offerRescinded(self, _driver: Any, offer_id: Json) -> None:
        self._callbacks.rescinded(offer_id["value"])

    def statusUpdate(self, _driver: Any, status: Json) -> None:
        self._callbacks.status_update(status)

    def frameworkMessage(self, _driver: Any, executor: Json, agent: Json, data: str) -> None:
        self._callbacks.framework_message(executor["value"], agent["value"], base64.b64decode(data))

    def processHeartBeat(self, _driver: Any) -> None:
        self._callbacks.heartbeat()

    def inverseOffers(self, _driver: Any, offers: list[Json]) -> None:
        self._callbacks.inverse_offers(offers)

    def inverseOfferRescinded(self, _driver: Any, offer_id: Json) -> None:
        self._callbacks.inverse_offer_rescinded(offer_id["value"])

    def operationStatusUpdate(self, _driver: Any, status: Json) -> None:
        logger.info("operation status: %s", status)
