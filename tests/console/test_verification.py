"""The code that the console offers is that of docs/receivers.md, which is run against what the daemon signs."""

from api.console.rendering.verification import verification_code
from tests.docs.pages import section


def test_the_code_that_can_be_copied_is_that_of_the_page_for_receivers() -> None:
    verifying = section("docs/receivers.md", "Verifying signatures")
    [_, *without_package] = verification_code()
    assert [snippet.language for snippet in without_package] == ["Python", "JavaScript", "PHP", "Ruby", "Go"]
    for snippet in without_package:
        assert f"\n{snippet.code}\n```" in verifying, snippet.language


def test_the_code_for_public_keys_is_that_of_the_page_for_receivers() -> None:
    verifying = section("docs/receivers.md", "Verifying with a public key")
    snippets = verification_code(with_public_key=True)
    assert [snippet.language for snippet in snippets] == ["Python", "JavaScript", "PHP", "Ruby", "Go"]
    for snippet in snippets:
        assert f"\n{snippet.code}\n```" in verifying, snippet.language


def test_the_published_libraries_come_first_as_that_page_names_them() -> None:
    verifying, first = section("docs/receivers.md", "Verifying signatures"), verification_code()[0]
    assert first.language == "Standard Webhooks"
    for line in first.code.splitlines():
        _, _, package = line.removesuffix(":").partition(", package ")
        assert not line or f"`{package or line}`" in verifying
