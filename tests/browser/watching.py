"""Watches a page for what must never happen, whatever a test does with it."""

from playwright.sync_api import ConsoleMessage, Dialog, Error, Page, Request


def watch(page: Page, url: str) -> list[str]:
    """Return a list that fills with a page's faults: errors, breaches of policy, dialogs, requests to elsewhere."""
    faults: list[str] = []

    def see_message(message: ConsoleMessage) -> None:
        # A page with a mistake comes with status 422, and the browser notes that as an error of loading.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            faults.append(f"{message.type}: {message.text}")

    def see_dialog(dialog: Dialog) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def see_error(error: Error) -> None:
        faults.append(f"script: {error.message}")

    def see_request(request: Request) -> None:
        if not request.url.startswith((f"{url}/", "data:")):
            faults.append(f"request to elsewhere: {request.url}")

    page.on("console", see_message)
    page.on("dialog", see_dialog)
    page.on("pageerror", see_error)
    page.on("request", see_request)
    return faults
