"""How one Android version differs from another, as far as a rack can see. Pure data, written from AOSP's sources."""

from __future__ import annotations

from dataclasses import dataclass

# Methods of ISms.aidl in order; a method's transaction code is its place, from 1.
_ISMS_10 = """
getAllMessagesFromIccEf updateMessageOnIccEf copyMessageToIccEf sendData sendDataWithSelfPermissions sendText
sendTextWithSelfPermissions sendTextWithOptions injectSmsPdu sendMultipartText sendMultipartTextWithOptions
enableCellBroadcast disableCellBroadcast enableCellBroadcastRange disableCellBroadcastRange getPremiumSmsPermission
getPremiumSmsPermissionForSubscriber setPremiumSmsPermission setPremiumSmsPermissionForSubscriber isImsSmsSupported
isSmsSimPickActivityNeeded getPreferredSmsSubscription getImsSmsFormat isSMSPromptEnabled sendStoredText
sendStoredMultipartText createAppSpecificSmsToken createAppSpecificSmsTokenWithPackageInfo
getSmsMessagesForFinancialApp checkSmsShortCodeDestination
""".split()
_ISMS_14 = """
getAllMessagesFromIccEf updateMessageOnIccEf copyMessageToIccEf sendData sendText sendTextWithOptions injectSmsPdu
sendMultipartText sendMultipartTextWithOptions enableCellBroadcast disableCellBroadcast enableCellBroadcastRange
disableCellBroadcastRange getPremiumSmsPermission getPremiumSmsPermissionForSubscriber setPremiumSmsPermission
setPremiumSmsPermissionForSubscriber isImsSmsSupported isSmsSimPickActivityNeeded getPreferredSmsSubscription
getImsSmsFormat isSMSPromptEnabled sendStoredText sendStoredMultipartText getCarrierConfigValues
createAppSpecificSmsToken createAppSpecificSmsTokenWithPackageInfo setStorageMonitorMemoryStatusOverride
clearStorageMonitorMemoryStatusOverride checkSmsShortCodeDestination getSmscAddressFromIccEf setSmscAddressOnIccEf
getSmsCapacityOnIcc resetAllCellBroadcastRanges
""".split()


@dataclass(frozen=True)
class Profile:
    """One Android version."""

    api_level: int
    release: str
    model: str
    isms_methods: tuple[str, ...]
    has_attribution_tag: bool
    """Sending methods take it after the package, and a message id at the end (Android 11 on)."""
    refuses_surplus_arguments: bool
    """Generated stubs check that the whole parcel was read (Android 13 on)."""
    parcel_has_tab: bool
    """`service` prints a tab after `Parcel(` and does not indent (Android 14 on)."""
    guard_counts_whole_messages: bool
    """SmsUsageMonitor is asked once for all parts (Android 11 on), before that once for each."""
    provider_refuses_select: bool
    """SmsProvider rejects the word SELECT from restricted callers (Android 11 on)."""
    isub_is_service: bool
    """`dumpsys isub` is SubscriptionManagerService's (Android 14 on)."""


PROFILES = {
    29: Profile(29, "10", "Sim Ten", tuple(_ISMS_10), False, False, False, False, False, False),
    34: Profile(34, "14", "Sim Fourteen", tuple(_ISMS_14), True, True, True, True, True, True),
}
