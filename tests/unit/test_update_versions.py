"""Versions in order, held against what Python's own packaging says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from edge.errors import UpdateError
from edge.updating.versions import is_newer, version_key

NUMBER = st.integers(0, 12)
VERSIONS = st.builds(
    lambda release, pre, post, dev: ".".join(map(str, release)) + pre + post + dev,
    st.lists(NUMBER, min_size=1, max_size=4),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["a", "b", "rc"]), NUMBER)),
    st.one_of(st.just(""), st.builds(".post{}".format, NUMBER)),
    st.one_of(st.just(""), st.builds(".dev{}".format, NUMBER)),
)


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_pep_440(one, another):
    assert is_newer(one, another) == (Version(one) > Version(another))
    assert (version_key(one) == version_key(another)) == (Version(one) == Version(another))


@pytest.mark.parametrize("text", ["", "1.", "v1", "1.0-1", "1!1.0", "1.0+local", "1.0\n", "１.0"])
def test_what_is_no_version_of_a_release_is_refused(text):
    with pytest.raises(UpdateError) as caught:
        version_key(text)
    assert caught.value.code == "format"
