"""Order of the methods of `ISms.aidl` in each Android version. A method's transaction code is its place, from 1.

Pure data, written from AOSP's and vendors' sources, and apart from the table that the drivers send by.
"""

from __future__ import annotations

_ICC = "getAllMessagesFromIccEf updateMessageOnIccEf copyMessageToIccEf"
_BROADCAST = "enableCellBroadcast disableCellBroadcast enableCellBroadcastRange disableCellBroadcastRange"
_PREMIUM = (
    "getPremiumSmsPermission getPremiumSmsPermissionForSubscriber"
    " setPremiumSmsPermission setPremiumSmsPermissionForSubscriber"
)
_STORED = "isSMSPromptEnabled sendStoredText sendStoredMultipartText"


def _both(names: str) -> list[str]:
    """Android 5 has every method twice: for the default SIM, and for a named one."""
    return [name + suffix for name in names.split() for suffix in ("", "ForSubscriber")]


def _named(names: str) -> list[str]:
    return [name + "ForSubscriber" for name in names.split()]


_FROM_6 = [*_named("isImsSmsSupported"), "isSmsSimPickActivityNeeded", "getPreferredSmsSubscription"]
_TAIL_6 = [*_FROM_6, *_named("getImsSmsFormat"), *_STORED.split()]
_TOKENS = ["createAppSpecificSmsToken", "createAppSpecificSmsTokenWithPackageInfo"]
_SELF = "WithSelfPermissions"
_SENDS_6 = [*_named("sendData"), "sendDataForSubscriber" + _SELF, *_named("sendText"), "sendTextForSubscriber" + _SELF]

ANDROID_5_0 = (
    *_both(f"{_ICC} sendData sendText"),
    "injectSmsPdu",
    "updateSmsSendStatus",
    *_both(f"sendMultipartText {_BROADCAST}"),
    *_PREMIUM.split(),
    *_both("isImsSmsSupported"),
    "getPreferredSmsSubscription",
    *_both("getImsSmsFormat"),
    *_STORED.split(),
)
ANDROID_5_1 = (
    *_both(f"{_ICC} sendData sendText"),
    "injectSmsPdu",
    *_both(f"sendMultipartText {_BROADCAST}"),
    *_PREMIUM.split(),
    *_both("isImsSmsSupported"),
    "isSmsSimPickActivityNeeded",
    "getPreferredSmsSubscription",
    *_both("getImsSmsFormat"),
    *_STORED.split(),
)
# Vendors' trees of Android 5 have two methods more before the sending ones.
ANDROID_5_1_SHIFTED = (*ANDROID_5_1[:6], *_both("getSmsCapacityOnIcc"), *ANDROID_5_1[6:])
ANDROID_6 = (
    *_named(_ICC),
    *_SENDS_6,
    *_named(f"injectSmsPdu sendMultipartText {_BROADCAST}"),
    *_PREMIUM.split(),
    *_TAIL_6,
)
ANDROID_8 = (*ANDROID_6, _TOKENS[0])
# What Qualcomm's trees had from 6 on and AOSP from 9.
CAF_6 = (
    *_named(_ICC),
    *_SENDS_6,
    "sendTextForSubscriberWithOptions",
    *_named("injectSmsPdu sendMultipartText"),
    "sendMultipartTextForSubscriberWithOptions",
    *_named(_BROADCAST),
    *_PREMIUM.split(),
    *_TAIL_6,
)
CAF_8 = (*CAF_6, _TOKENS[0])
ANDROID_9 = CAF_8
ANDROID_10 = (*CAF_6, *_TOKENS, "getSmsMessagesForFinancialApp", "checkSmsShortCodeDestination")
_HEAD_11 = (
    *_named(f"{_ICC} sendData sendText"),
    "sendTextForSubscriberWithOptions",
    *_named("injectSmsPdu sendMultipartText"),
    "sendMultipartTextForSubscriberWithOptions",
    *_named(_BROADCAST),
    *_PREMIUM.split(),
    *_TAIL_6,
    "getCarrierConfigValuesForSubscriber",
    *_TOKENS,
)
_ICC_11 = (*_named("getSmscAddressFromIccEf setSmscAddressOnIccEf getSmsCapacityOnIcc"), "resetAllCellBroadcastRanges")
_STORAGE = ("setStorageMonitorMemoryStatusOverride", "clearStorageMonitorMemoryStatusOverride")
ANDROID_11 = (*_HEAD_11, "checkSmsShortCodeDestination", *_ICC_11)
ANDROID_14 = (*_HEAD_11, *_STORAGE, "checkSmsShortCodeDestination", *_ICC_11)
ANDROID_15 = (*ANDROID_14, "getWapMessageSize")
# A vendor who put a method of his own in front of the sending ones.
ANDROID_14_SHIFTED = (*ANDROID_14[:3], "getVendorSmsStateForSubscriber", *ANDROID_14[3:])
