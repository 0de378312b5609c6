"""Being told to end: what happens when, and that all of it happens before the pod is killed."""

import pytest

from .promises import LAST_WORDS

DRAINS = [
    ({}, 25),
    ({"server": {"drain": "1m30s"}}, 90),
    ({"server": {"drain": "500ms"}}, 1),
    ({"server": {"drain": "1500ms"}}, 2),
    ({"server": {"drain": "1s"}}, 1),
    ({"server": {"drain": "1h"}, "ingress": {"server": {"drain": "10s"}}}, 3600),
    ({"ingress": {"server": {"drain": "40s"}}}, 40),
    ({"egress": {"server": {"drain": "50s"}}, "server": None}, 50),
    ({"egress": {"server": {"drain": "5s"}}, "ingress": {"server": {"drain": "6s"}}, "server": {"drain": "1m"}}, 6),
    ({"server": {"drain": "1h1m1s1ms"}}, 3662),
]

# What `shutdown` adds before the drain, and behind it.
AROUND = [
    ({"delay": "5s"}, 5, 0),
    ({"linger": "20s"}, 0, 20),
    ({"delay": "1m30s", "linger": "1500ms"}, 90, 2),
    ({"delay": "500ms", "order": "together"}, 1, 0),
    (None, 0, 0),
]


def waits(argv: list[str]) -> int:
    return int(argv[argv.index("--wait") + 1].removesuffix("s"))


@pytest.mark.parametrize("drains, longest", DRAINS)
def test_a_pod_has_longer_than_the_drain(chart, drains, longest):
    release = chart.render("service", {"config": drains})
    grace, hook = release.pod["terminationGracePeriodSeconds"], release.palisade["lifecycle"]["preStop"]["exec"]["command"]
    assert grace == longest + 15 and waits(hook) == longest + 1
    assert waits(hook) + LAST_WORDS < grace, "the application has time left when the last request is over"
    assert 0 < release.application["lifecycle"]["preStop"]["sleep"]["seconds"] < grace
    short = {"config": drains, "terminationGracePeriodSeconds": longest + LAST_WORDS, "application": {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}}
    assert "terminationGracePeriodSeconds" in chart.refused("service", short)
    short["terminationGracePeriodSeconds"] += 1
    assert chart.render("service", short).pod["terminationGracePeriodSeconds"] == longest + LAST_WORDS + 1


@pytest.mark.parametrize("before", [1, 10, 60])
@pytest.mark.parametrize("drain, longest", [("500ms", 1), ("25s", 25), ("2m", 120)])
def test_a_gateway_has_longer_than_its_pause_and_the_drain(chart, before, drain, longest):
    """The pause is the kubelet's, the drain comes with SIGTERM behind it: they add up."""
    stop = {"gateway": {"preStopSeconds": before}, "config": {"server": {"drain": drain}}}
    release = chart.render("gateway", stop)
    pause, grace = release.palisade["lifecycle"]["preStop"]["sleep"]["seconds"], release.pod["terminationGracePeriodSeconds"]
    assert pause == before and pause + longest + LAST_WORDS < grace
    least = before + longest + LAST_WORDS
    message = chart.refused("gateway", stop, {"terminationGracePeriodSeconds": least - 1})
    assert f"{least - 1} seconds are too few for the drain of {longest} seconds" in message and f"give at least {least}" in message
    assert chart.render("gateway", stop, {"terminationGracePeriodSeconds": least}).pod["terminationGracePeriodSeconds"] == least


@pytest.mark.parametrize("shutdown, delay, linger", AROUND)
def test_what_goes_before_the_drain_and_behind_it_has_its_time_too(chart, shutdown, delay, linger):
    """Beside an application the hook waits for the delay and the drain; in a gateway both come with SIGTERM. The egress lingers after it in either."""
    config = {"config": {"server": {"drain": "30s"}, "shutdown": shutdown}}
    stops = {"service": (config, 1), "gateway": (config | {"gateway": {"preStopSeconds": 7}}, 7)}
    for name, (stop, before) in stops.items():
        release = chart.render(name, stop)
        usual = delay + 30 + linger + 15 + (before if name == "gateway" else 0)
        assert release.pod["terminationGracePeriodSeconds"] == usual, name
        if name == "service":
            assert waits(release.palisade["lifecycle"]["preStop"]["exec"]["command"]) == delay + 30 + 1
        least = before + delay + 30 + linger + LAST_WORDS
        assert f"give at least {least}" in chart.refused(name, stop, {"terminationGracePeriodSeconds": least - 1}), name
        assert chart.render(name, stop, {"terminationGracePeriodSeconds": least}).pod["terminationGracePeriodSeconds"] == least


def test_an_application_may_not_sleep_until_it_is_killed(chart):
    assert "application.lifecycle.preStop: after a sleep of 36 seconds" in chart.refused("service", {"application": {"lifecycle": {"preStop": {"sleep": {"seconds": 36}}}}})
    assert chart.render("service", {"application": {"lifecycle": {"preStop": {"sleep": {"seconds": 35}}}}})
    longer = {"application": {"lifecycle": {"preStop": {"sleep": {"seconds": 50}}}}, "terminationGracePeriodSeconds": 60}
    assert chart.render("service", longer).pod["terminationGracePeriodSeconds"] == 60
