"""How Chromium is started: as Playwright does it, and with as little of its own as can be."""

from tests.support.programs import is_here, program

# The same engine without windows: a page costs it two thirds of the work.
_SHELL = "chromium-headless-shell"

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


def executable() -> str:
    """Return the program's path, that of the one without windows if it is here. Without any the test is skipped."""
    return program(_SHELL if is_here(_SHELL) else "chromium")


def is_chromium_here() -> bool:
    """Whether there is any."""
    return is_here(_SHELL) or is_here("chromium")
