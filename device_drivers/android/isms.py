"""The calls of Android's `isms` service (com.android.internal.telephony.ISms) and how to make sure of them. Pure.

Codes and parameters moved with Android's versions, and vendors have inserted methods. So the table below only proposes;
a harmless probe on the phone decides, and where the phone's own framework can be read, that wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from device_drivers.adb.command import DeviceCommand, call
from device_drivers.android import parcel

# The framework checks that this package belongs to the caller: the shell user.
CALLING_PACKAGE = "com.android.shell"
IMS_SMS_FORMATS = frozenset({"unknown", "3gpp", "3gpp2"})
TEXT_METHOD, MULTIPART_METHOD = "sendTextForSubscriber", "sendMultipartTextForSubscriber"
_FORMAT_METHOD, _FLAG_METHOD = "getImsSmsFormatForSubscriber", "isSmsSimPickActivityNeeded"


class Answer(Enum):
    """What a probed method gives back, as far as the bytes of a reply show it."""

    FORMAT = "an SMS format"
    FLAG = "a boolean"
    NUMBER = "a number of 32 bits"
    LONG = "a number of 64 bits"


@dataclass(frozen=True)
class Probe:
    """A question that needs no permission and sends nothing, and what its answer must look like."""

    code: int
    answer: Answer


@dataclass(frozen=True)
class Layout:
    """Which parameters the two sending methods take."""

    has_long_subscription: bool = False
    has_attribution_tag: bool = False
    has_persist_flag: bool = False
    has_message_id: bool = False


@dataclass(frozen=True)
class IsmsSignatures:
    """Where the two sending methods are, what they take, and which probes must fit before either is called."""

    source: str
    text_code: int
    multipart_code: int
    layout: Layout
    probes: tuple[Probe, ...]


def _signatures(source: str, codes: tuple[int, int], layout: Layout, *probes: tuple[int, Answer]) -> IsmsSignatures:
    return IsmsSignatures(source, *codes, layout, tuple(Probe(*probe) for probe in probes))


_FORMAT, _FLAG = Answer.FORMAT, Answer.FLAG
_WITH_PERSIST = Layout(has_persist_flag=True)
_FROM_11 = Layout(has_attribution_tag=True, has_persist_flag=True, has_message_id=True)
# Android 5: the tail of the interface moves with every inserted method, so the first String must be at 30 exactly.
_ANDROID_5_0 = _signatures(
    "Android 5.0", (10, 14), Layout(has_long_subscription=True), (28, _FLAG), (29, Answer.LONG), (30, _FORMAT)
)
_ANDROID_5_1 = _signatures("Android 5.1", (10, 13), Layout(), (28, _FLAG), (29, Answer.NUMBER), (30, _FORMAT))
# Code 23 is asked only after 21 gave a boolean: in AOSP's order of 6 to 8 it is sendStoredText.
_ANDROID_6_TO_8 = _signatures("Android 6 to 8", (6, 9), _WITH_PERSIST, (21, _FORMAT), (19, _FLAG))
_QUALCOMM_6_TO_8 = _signatures("Qualcomm's Android 6 to 8", (6, 10), _WITH_PERSIST, (21, _FLAG), (23, _FORMAT))
_ANDROID_9_AND_10 = _signatures("Android 9 and 10", (6, 10), _WITH_PERSIST, (21, _FLAG), (23, _FORMAT))
_ANDROID_11_TO_16 = _signatures("Android 11 to 16", (5, 8), _FROM_11, (21, _FORMAT), (19, _FLAG))
# API level -> what may be there, in the order to try.
CANDIDATES: Mapping[int, tuple[IsmsSignatures, ...]] = {
    21: (_ANDROID_5_0,),
    22: (_ANDROID_5_1,),
    **dict.fromkeys(range(23, 28), (_ANDROID_6_TO_8, _QUALCOMM_6_TO_8)),
    **dict.fromkeys((28, 29), (_ANDROID_9_AND_10,)),
    **dict.fromkeys(range(30, 37), (_ANDROID_11_TO_16,)),
}


def choose(candidates: Sequence[IsmsSignatures], ask: Callable[[int], str]) -> IsmsSignatures | None:
    """Give the first candidate whose probes all fit; `ask` calls a code on the phone and gives the output.

    A probe is asked only when those before it have fitted, and no code twice.
    """
    answers: dict[int, str] = {}

    def fits(probe: Probe) -> bool:
        if probe.code not in answers:
            answers[probe.code] = ask(probe.code)
        return _is(answers[probe.code], probe.answer)

    return next((c for c in candidates if all(map(fits, c.probes))), None)


def probe_command(layout: Layout, code: int, subscription_id: int) -> DeviceCommand:
    """Ask one probe's code, with a subscription id for the methods that take one."""
    return _call(code, _subscription(layout, subscription_id))


def send_command(
    signatures: IsmsSignatures, attempt_id: int, subscription_id: int, msisdn: str, parts: Sequence[str]
) -> DeviceCommand:
    """Hand one message to the framework: one part as text, several as multipart.

    A single part goes as text only (multipart would add a concatenation header), and a text that needs several parts
    never does: the framework drops it without a word.
    """
    layout = signatures.layout
    arguments = _subscription(layout, subscription_id) + parcel.s16(CALLING_PACKAGE)
    if layout.has_attribution_tag:
        arguments += parcel.NULL_STRING
    arguments += parcel.s16(msisdn) + parcel.NULL_STRING  # no service centre of our own
    if len(parts) == 1:
        arguments += parcel.s16(parts[0]) + parcel.NULL_PENDING_INTENT + parcel.NULL_PENDING_INTENT
    else:
        arguments += parcel.string_list(parts) + parcel.NULL_LIST + parcel.NULL_LIST
    if layout.has_persist_flag:
        arguments += parcel.i32(1)  # without it no row is written, and the row is our only proof
    if layout.has_message_id:
        arguments += parcel.i64(attempt_id)
    return _call(signatures.text_code if len(parts) == 1 else signatures.multipart_code, arguments)


def from_framework(codes: Mapping[str, int], parameters: Mapping[str, Sequence[str]]) -> IsmsSignatures | None:
    """Make signatures from the phone's own interface: method -> code, method -> Java parameter types.

    None where a method is missing or takes something that we do not know how to give.
    """
    text, multipart = (_layout(parameters.get(name, ())) for name in (TEXT_METHOD, MULTIPART_METHOD))
    if text is None or text != multipart or {TEXT_METHOD, MULTIPART_METHOD, _FORMAT_METHOD} - codes.keys():
        return None
    probes = [Probe(codes[_FORMAT_METHOD], Answer.FORMAT)]
    if _FLAG_METHOD in codes:
        probes.append(Probe(codes[_FLAG_METHOD], Answer.FLAG))
    return IsmsSignatures("the phone's own framework", codes[TEXT_METHOD], codes[MULTIPART_METHOD], text, tuple(probes))


def _layout(types: Sequence[str]) -> Layout | None:
    """Read a sending method's parameter types: every known shape, and nothing else."""
    string, intent, several = "java.lang.String", "android.app.PendingIntent", "java.util.List"
    for contents in ([string, intent, intent], [several] * 3):
        for layout in {c.layout for candidates in CANDIDATES.values() for c in candidates}:
            wanted = ["long" if layout.has_long_subscription else "int", string]
            wanted += [string] * layout.has_attribution_tag + [string, string, *contents]
            wanted += ["boolean"] * layout.has_persist_flag + ["long"] * layout.has_message_id
            if list(types) == wanted:
                return layout
    return None


def _subscription(layout: Layout, subscription_id: int) -> list[str]:
    """A subscription id; Android 5.0 takes 64 bits, which its `service` says in two words, the low one first."""
    return parcel.i32(subscription_id) + (parcel.i32(0) if layout.has_long_subscription else [])


def _call(code: int, arguments: Sequence[str]) -> DeviceCommand:
    return call("service", "call", "isms", str(code), *arguments)


def _is(output: str, answer: Answer) -> bool:
    try:
        reply = parcel.parse_reply(output)
    except parcel.ParcelGrammarError:
        return False
    if reply.exception is not None:
        return False
    if answer is Answer.FORMAT:
        return reply.string16() in IMS_SMS_FORMATS
    if answer is Answer.FLAG:
        return reply.boolean() is not None
    return len(reply.payload) == (8 if answer is Answer.LONG else 4)
