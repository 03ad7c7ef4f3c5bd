"""Messages on the page that a form redirects to, each shown once.

The browser carries the message there in a cookie, so that any node can show it: signed for one session and one page,
for a minute, and deleted by the page that shows it. Neither a reload nor a copied address shows it again. The cookie
has only a word and a number: nobody can inject other text.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from quart import Response

from api.console.session.cookies import Cookies
from daemon.domain.clock import NowMs

COOKIE = "console_message"
KEPT_S = 60
_COUNT = re.compile("[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Messages:
    """Each message is for one session and one page."""

    secret: bytes
    now_ms: NowMs

    def keep(self, cookies: Cookies, response: Response, *, word: str, count: int, session_id: str, page: str) -> None:
        """Give the browser a message for the page with this path."""
        signed = self._serializer().dumps([word, str(count), session_id, page, self.now_ms() + KEPT_S * 1000])
        value = signed if isinstance(signed, str) else signed.decode()
        cookies.set(response, COOKIE, value, max_age_s=KEPT_S, same_site="Strict")

    def find(self, cookies: Cookies, *, session_id: str, page: str) -> str:
        """Return the sentence to show on this page, "" if there is none, or it is of another session or too old."""
        try:
            value: Any = self._serializer().loads(cookies.find(COOKIE) or "")
        except BadData:
            return ""
        word, count, *bound_to, until = value
        if bound_to != [session_id, page] or until <= self.now_ms():
            return ""
        return SENTENCES.get(word, "").format(count=f"{int(count):,}" if _COUNT.fullmatch(count) else "?")

    def forget(self, cookies: Cookies, response: Response) -> None:
        """Have the browser delete the message, since this response shows it."""
        cookies.delete(response, COOKIE, "Strict")

    def _serializer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self.secret, salt=COOKIE, signer_kwargs={"digest_method": hashlib.sha256})


SENTENCES: Mapping[str, str] = {
    "event-type-added": "The event type is added: it can be submitted now.",
    "event-type-saved": "The event type is saved.",
    "event-type-removed": "The event type is removed.",
    "webhook-created": "The webhook is created. Send a test to see whether its receiver answers.",
    "event-erased": "The event is erased. What its receivers answered goes within moments.",
    "webhook-saved": "The changes are saved.",
    "webhook-enabled": "The webhook is enabled, and its failure counter is 0.",
    "webhook-disabled": "The webhook is disabled: it gets no deliveries.",
    "webhook-paused": "The webhook is paused: its deliveries wait, in order, and none is cancelled.",
    "webhook-resumed": "The webhook goes on: what has waited is delivered now, in order.",
    "webhook-deleted": "The webhook is deleted.",
    "secret-rotated": "The webhook has a new secret.",
    "key-rotated": "The webhook has a new key pair: give its public key to the receiver.",
    "secret-switched": "X-Kakiyo-Signature is made with the new secret from now on.",
    "secret-removed": "The secret is removed: deliveries go unsigned.",
    "test-sent": "The test is on its way: watch it arrive in the list of deliveries.",
    "test-without-receiver": "No active webhook subscribes to this event, so nothing was sent.",
    "bulk-job-created": "The job has begun: this page shows how far it is.",
    "bulk-job-cancelled": "The job is stopped. What it had done stays.",
    "recovered": "What was missed is queued again, in order: {count}.",
    "nothing-missed": "Nothing was missed since then.",
    "resent": "The event is queued again: this is the new delivery.",
    "team-created": "The team is created. Make an API key for it, and grant it credits.",
    "team-saved": "The changes are saved.",
    "key-created": "The key is created.",
    "key-revoked": "The key is revoked and no longer works.",
    "address-asked": "The address is asked by a mail. Nothing else is sent there until it has confirmed.",
    "address-removed": "Nothing more is sent to that address.",
    "link-made": "The link is made.",
    "link-revoked": "The link is revoked, and its sessions have ended.",
    "preferences-saved": "This browser shows the console so from now on.",
    "credits-granted": "The credits are granted.",
}
