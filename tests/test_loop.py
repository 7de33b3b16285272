"""A browser keeps an asyncio loop running in its thread; the tests of tests/browser, which come before this one, must have ended it."""

import asyncio


def test_no_loop_of_another_test_is_left():
    assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"
