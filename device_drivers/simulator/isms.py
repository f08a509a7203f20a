"""The service `isms` of a simulated phone: reads parcels as its generated stub does, and hands messages to a radio."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from device_drivers.simulator import airtime, parcels
from device_drivers.simulator.faults import Faults
from device_drivers.simulator.parcels import Reader, RemoteError
from device_drivers.simulator.profile import Profile
from device_drivers.simulator.radio import Outgoing, Radio

SHELL_PACKAGE = "com.android.shell"


class Isms:
    """One phone's SMS service."""

    def __init__(self, profile: Profile, radios: Mapping[int, Radio], faults: Faults) -> None:
        """`radios` by subscription id, the default one first; the mapping may change as SIMs do."""
        self._profile = profile
        self._radios = radios
        self._faults = faults
        self._sends = 0
        self.calls: list[str] = []
        """Names of the methods that were called, in order."""
        self._methods: dict[str, Callable[[Reader], bytes]] = {
            "sendText": lambda reader: self._send(reader, named=False, multipart=False),
            "sendTextForSubscriber": lambda reader: self._send(reader, named=True, multipart=False),
            "sendMultipartText": lambda reader: self._send(reader, named=False, multipart=True),
            "sendMultipartTextForSubscriber": lambda reader: self._send(reader, named=True, multipart=True),
            "getImsSmsFormat": self._ims_format,
            "getImsSmsFormatForSubscriber": self._ims_format,
            "isImsSmsSupported": self._flag,
            "isImsSmsSupportedForSubscriber": self._flag,
            "isSmsSimPickActivityNeeded": self._flag,
            "isSMSPromptEnabled": self._flag,
            "getVendorSmsStateForSubscriber": self._flag,
            "getPreferredSmsSubscription": self._preferred,
        }

    def transact(self, code: int, parcel: bytes) -> bytes | None:
        """Run one transaction; give the reply parcel, or None for a code that the interface does not have."""
        if not 1 <= code <= len(self._profile.isms_methods):
            return None
        name = self._profile.isms_methods[code - 1]
        self.calls.append(name)
        try:
            return parcels.int32(0) + self._methods.get(name, self._forbidden)(Reader(parcel))
        except RemoteError as error:
            return parcels.exception(error, trace_header=self._profile.exception_has_trace_header)

    def send_from_app(self, package: str, to: str, text: str) -> None:
        """Send as the messaging app does, from the default SIM; the app keeps its own rows."""
        radio = next(iter(self._radios.values()))
        radio.send_app_message(Outgoing(f"app{self._sends}", to, airtime.cut(text), True, package))
        self._sends += 1

    def _send(self, reader: Reader, *, named: bool, multipart: bool) -> bytes:
        profile = self._profile
        subscription_id = self._subscription(reader) if named else -1
        package = reader.string16()
        if profile.has_attribution_tag:
            reader.string16()
        destination = reader.string16()
        reader.string16()  # service centre
        texts = reader.string_list() if multipart else [reader.string16()]
        for _ in range(2):
            reader.pending_intents() if multipart else reader.pending_intent()
        persist = reader.int32() != 0 if profile.has_persist_flag else True
        message_id = reader.int64() if profile.has_attribution_tag else 0
        self._check_all_read(reader)
        if package != SHELL_PACKAGE and not (package is None and profile.has_attribution_tag):
            raise RemoteError(parcels.SECURITY, f"Package {package} does not belong to 2000")
        if self._faults.take("reject", destination or ""):
            raise RemoteError(parcels.SECURITY, "Sending SMS message: uid 2000 does not have SEND_SMS.")
        self._sends += 1
        if self._faults.is_on("op_ignored") or self._faults.take("silent", destination or ""):
            return b""
        name = f"{self._sends}" if message_id == 0 else f"{self._sends}/{message_id}"
        message = Outgoing(
            name, destination or "", [text or "" for text in texts or []], persist, SHELL_PACKAGE, message_id
        )
        if texts and None not in texts:
            self._hand_over(message, subscription_id, multipart=multipart)
        return b""

    def _hand_over(self, message: Outgoing, subscription_id: int, *, multipart: bool) -> None:
        fits = airtime.fits_as_parts(message.texts) if multipart else airtime.fits_alone(message.texts[0])
        if not fits:
            return  # no PDU: only a sentIntent would be told, and there is none
        # An id that is not active falls back to the default phone, without a word.
        radio = self._radios.get(subscription_id) or next(iter(self._radios.values()))
        radio.send(message, whole=self._profile.guard_counts_whole_messages)

    def _subscription(self, reader: Reader) -> int:
        return reader.int64() if self._profile.subscription_is_long else reader.int32()

    def _check_all_read(self, reader: Reader) -> None:
        if self._profile.refuses_surplus_arguments and reader.left():
            raise RemoteError(parcels.BAD_PARCELABLE, f"Parcel data not fully consumed, unread size: {reader.left()}")

    def _ims_format(self, reader: Reader) -> bytes:
        self._subscription(reader)
        self._check_all_read(reader)
        return parcels.string16("3gpp")

    def _flag(self, reader: Reader) -> bytes:
        self._subscription(reader)
        self._check_all_read(reader)
        return parcels.int32(0)

    def _preferred(self, reader: Reader) -> bytes:
        self._check_all_read(reader)
        default = next(iter(self._radios))
        return parcels.int64(default) if self._profile.subscription_is_long else parcels.int32(default)

    def _forbidden(self, _reader: Reader) -> bytes:
        raise RemoteError(parcels.SECURITY, "Requires a permission that uid 2000 does not have.")
