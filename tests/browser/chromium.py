"""How Chromium is started: as Playwright does it, and with as little of its own as can be."""

# What costs much and shows no page: windows build the suggestions of their address bar out of 400 scripts, each time,
# and a process is kept for a site that may be visited next.
_COSTLY = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess")
# Only the last --disable-features counts, and Playwright has given one: here is what that names.
_PLAYWRIGHTS = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints"),
    *("NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
)

# No sandbox, since tests run as root; and nothing that the browser does by itself.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--in-process-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    f"--disable-features={','.join((*_PLAYWRIGHTS, *_COSTLY))}",
)
