"""The code that the console offers is the README's, which is run against what the daemon signs."""

from api.console.verification import verification_code
from tests.docs.readme import section


def test_the_code_that_can_be_copied_is_the_readmes() -> None:
    verifying = section("Verifying signatures")
    assert [snippet.language for snippet in verification_code()] == ["Python", "JavaScript", "PHP", "Ruby", "Go"]
    for snippet in verification_code():
        assert f"\n{snippet.code}\n```" in verifying, snippet.language
