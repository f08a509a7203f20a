"""The calls of Android's `isms` service (com.android.internal.telephony.ISms) and how to make sure of them. Pure.

Codes and parameters moved with Android's versions; here stand Android 10 to 15. AOSP's order is confirmed on each
phone by a harmless probe before the first send, since vendors have inserted methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from device_drivers.adb.command import DeviceCommand, call
from device_drivers.android import parcel

# The framework checks that this package belongs to the caller: the shell user.
CALLING_PACKAGE = "com.android.shell"
IMS_SMS_FORMATS = frozenset({"unknown", "3gpp", "3gpp2"})


@dataclass(frozen=True)
class IsmsSignatures:
    """Where the two sending methods are at one API level, and what they take."""

    text_code: int
    multipart_code: int
    has_attribution_tag: bool
    has_message_id: bool
    format_probe_code: int
    """getImsSmsFormatForSubscriber: a String reply here..."""
    boolean_probe_code: int
    """...and a boolean reply here (isSmsSimPickActivityNeeded) show that the order is AOSP's."""


_ANDROID_10 = IsmsSignatures(
    text_code=6,
    multipart_code=10,
    has_attribution_tag=False,
    has_message_id=False,
    format_probe_code=23,
    boolean_probe_code=21,
)
_ANDROID_11_TO_15 = IsmsSignatures(
    text_code=5,
    multipart_code=8,
    has_attribution_tag=True,
    has_message_id=True,
    format_probe_code=21,
    boolean_probe_code=19,
)
SIGNATURES = {29: _ANDROID_10, **dict.fromkeys(range(30, 36), _ANDROID_11_TO_15)}


def send_command(
    signatures: IsmsSignatures, attempt_id: int, subscription_id: int, msisdn: str, parts: Sequence[str]
) -> DeviceCommand:
    """Hand one message to the framework: one part as text, several as multipart.

    A single part goes as text only (multipart would add a concatenation header), and a text that needs several parts
    never does: the framework drops it without a word.
    """
    code = signatures.text_code if len(parts) == 1 else signatures.multipart_code
    arguments = parcel.i32(subscription_id) + parcel.s16(CALLING_PACKAGE)
    if signatures.has_attribution_tag:
        arguments += parcel.NULL_STRING
    arguments += parcel.s16(msisdn) + parcel.NULL_STRING  # no service centre of our own
    if len(parts) == 1:
        arguments += parcel.s16(parts[0]) + parcel.NULL_PENDING_INTENT + parcel.NULL_PENDING_INTENT
    else:
        arguments += parcel.string_list(parts) + parcel.NULL_LIST + parcel.NULL_LIST
    arguments += parcel.i32(1)  # persist: without it no row is written, and the row is our only proof
    if signatures.has_message_id:
        arguments += parcel.i64(attempt_id)
    return call("service", "call", "isms", str(code), *arguments)


def probe_commands(signatures: IsmsSignatures, subscription_id: int) -> tuple[DeviceCommand, DeviceCommand]:
    """Two questions that need no permission and send nothing: the String probe, the boolean probe."""

    def ask(code: int) -> DeviceCommand:
        return call("service", "call", "isms", str(code), *parcel.i32(subscription_id))

    return ask(signatures.format_probe_code), ask(signatures.boolean_probe_code)


def fits(format_answer: str, boolean_answer: str) -> bool:
    """Tell from the two probe outputs whether the phone has AOSP's order."""
    try:
        sms_format = parcel.parse_reply(format_answer).string16()
        flag = parcel.parse_reply(boolean_answer).boolean()
    except parcel.ParcelGrammarError:
        return False
    return sms_format in IMS_SMS_FORMATS and flag is not None
