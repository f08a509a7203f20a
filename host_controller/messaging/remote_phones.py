"""The remote phones of the rack, by their ids. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from host_controller.errors import UnknownPhoneError
from host_controller.fleet.phone import PhoneView
from host_controller.fleet.remote import list_remotes
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.remote_phone import RemotePhone
from host_controller.settings import Settings
from host_controller.store.store import Store


class RemotePhones:
    """What is in memory of them; `refresh` after anybody has changed their records."""

    def __init__(self, store: Store, dispatcher: Dispatcher, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._settings = settings
        self._clock = clock
        self._phones: dict[int, RemotePhone] = {}
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take phones, SIMs and limits from the record again."""
        now = self._clock()
        with self._lock:
            before = self._phones
            for phone in before.values():
                phone.lock.acquire()
            try:  # while none of them is handed anything, so that no use is missed
                with self._store.reading() as session:
                    records = list_remotes(session)
                self._phones = {
                    record.id: RemotePhone(self._store, self._dispatcher, self._settings, record, now)
                    for record in records
                }
            finally:
                for phone in before.values():
                    phone.lock.release()
            for phone_id in before.keys() - self._phones.keys():
                before[phone_id].leave(now)

    def get(self, phone_id: int) -> RemotePhone:
        """Give one. Raises UnknownPhoneError."""
        phone = self._phones.get(phone_id)
        if phone is None:
            raise UnknownPhoneError("there is no such remote phone; `smsrack remote list` shows them")
        return phone

    @contextmanager
    def held(self, phone_id: int) -> Iterator[RemotePhone]:
        """Hold one as it is on record now: what it is handed within counts where others look. As `get` else."""
        while True:
            phone = self.get(phone_id)
            with phone.lock:
                if self._phones.get(phone_id) is phone:  # else it was read anew while this waited for it
                    yield phone
                    return

    def all(self) -> list[RemotePhone]:
        """Give all of them."""
        return list(self._phones.values())

    def views(self) -> list[PhoneView]:
        """Give all of them as phones of the rack."""
        now = self._clock()
        return [phone.view(now) for phone in self.all()]

    def watch(self) -> None:
        """Those that have fallen silent take nothing for now."""
        now = self._clock()
        for phone in self.all():
            if not phone.is_online(now):
                phone.leave(now)
