"""A daemon of a large rack: more files are open than select() can look at."""

from __future__ import annotations

import os
import resource
import urllib.request
from contextlib import ExitStack

import pytest

MANY = 1100


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY:
        pytest.skip(f"this user may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    with ExitStack() as stack:
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(MANY)]
        for fd in opened:
            stack.callback(os.close, fd)
        yield opened
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_page_and_command_line_are_served_whatever_number_a_connection_has(make_daemon, many_files):
    daemon = make_daemon(None, per_minute=60)
    daemon.start(pass_fds=many_files)
    daemon.wait_up()
    assert daemon.cli_json("status")["running"]
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/", timeout=10) as answer:
        assert answer.status == 200
    assert daemon.stop() == 0
