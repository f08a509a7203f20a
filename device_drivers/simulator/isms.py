"""The service `isms` of a simulated phone: reads parcels as its generated stub does, and hands messages to a radio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from device_drivers.simulator import airtime, parcels
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.parcels import Reader, RemoteError
from device_drivers.simulator.profile import Profile
from device_drivers.simulator.radio import Outgoing, Radio

_SHELL_PACKAGE = "com.android.shell"


class Isms:
    """One phone's SMS service."""

    def __init__(self, profile: Profile, radios: Mapping[int, Radio], faults: Faults) -> None:
        """`radios` by subscription id, the default one first."""
        self._profile = profile
        self._radios = radios
        self._faults = faults
        self._calls = 0
        self.ignored = False
        """Set while the SEND_SMS app-op is ignored: calls return normally and do nothing."""
        self._methods: dict[str, Callable[[Reader], bytes]] = {
            "sendText": self._send_text,
            "sendMultipartText": self._send_multipart,
            "getImsSmsFormat": self._ims_format,
            "isImsSmsSupported": self._flag,
            "isSmsSimPickActivityNeeded": self._flag,
            "getPreferredSmsSubscription": self._preferred,
        }

    def transact(self, code: int, parcel: bytes) -> bytes | None:
        """Run one transaction; give the reply parcel, or None for a code that the interface does not have."""
        if not 1 <= code <= len(self._profile.isms_methods):
            return None
        method = self._methods.get(self._profile.isms_methods[code - 1], self._forbidden)
        try:
            return parcels.int32(0) + method(Reader(parcel))
        except RemoteError as error:
            return parcels.exception(error)

    def _send_text(self, reader: Reader) -> bytes:
        head = self._read_head(reader)
        text = reader.string16()
        reader.pending_intent()
        reader.pending_intent()
        self._submit(reader, head, None if text is None else [text], single=True)
        return b""

    def _send_multipart(self, reader: Reader) -> bytes:
        head = self._read_head(reader)
        texts = reader.string_list()
        reader.pending_intents()
        reader.pending_intents()
        self._submit(reader, head, texts, single=False)
        return b""

    def _read_head(self, reader: Reader) -> tuple[int, str | None, str | None]:
        subscription_id = reader.int32()
        package = reader.string16()
        if self._profile.has_attribution_tag:
            reader.string16()
        destination = reader.string16()
        reader.string16()  # service centre
        return subscription_id, package, destination

    def _submit(
        self,
        reader: Reader,
        head: tuple[int, str | None, str | None],
        texts: Sequence[str | None] | None,
        *,
        single: bool,
    ) -> None:
        subscription_id, package, destination = head
        persist = reader.int32() != 0
        message_id = reader.int64() if self._profile.has_attribution_tag else 0
        self._check_all_read(reader)
        if package != _SHELL_PACKAGE and not (package is None and self._profile.has_attribution_tag):
            raise RemoteError(parcels.SECURITY, f"Package {package} does not belong to 2000")
        if self._faults.take("reject"):
            raise RemoteError(parcels.SECURITY, "Sending SMS message: uid 2000 does not have SEND_SMS.")
        self._calls += 1
        if self.ignored or self._faults.take("silent"):
            return
        pieces = [text for text in texts or [] if text is not None]
        fits = airtime.fits_alone(pieces[0]) if single and pieces else airtime.fits_as_parts(pieces)
        if not destination or not pieces or len(pieces) != len(texts or []) or not fits:
            return  # no PDU: only a sentIntent would be told, and there is none
        # An id that is not active falls back to the default phone, without a word.
        radio = self._radios.get(subscription_id) or next(iter(self._radios.values()))
        name = f"{self._calls}" if message_id == 0 else f"{self._calls}/{message_id}"
        message = Outgoing(name, destination, pieces, persist, _SHELL_PACKAGE)
        radio.send(message, whole=self._profile.guard_counts_whole_messages)

    def _check_all_read(self, reader: Reader) -> None:
        if self._profile.refuses_surplus_arguments and reader.left():
            raise RemoteError(parcels.BAD_PARCELABLE, f"Parcel data not fully consumed, unread size: {reader.left()}")

    def _ims_format(self, reader: Reader) -> bytes:
        reader.int32()
        self._check_all_read(reader)
        return parcels.string16("3gpp")

    def _flag(self, reader: Reader) -> bytes:
        reader.int32()
        self._check_all_read(reader)
        return parcels.int32(0)

    def _preferred(self, reader: Reader) -> bytes:
        self._check_all_read(reader)
        return parcels.int32(next(iter(self._radios)))

    def _forbidden(self, _reader: Reader) -> bytes:
        raise RemoteError(parcels.SECURITY, "Requires a permission that uid 2000 does not have.")
