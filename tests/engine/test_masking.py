"""What a sandbox's calls give away is known when its answers are compared, and bounded."""

from crossfade.operation import Operation
from crossfade.twin import TwinRow
from router.engine import masking
from router.twins.state import Twin


def _twin() -> Twin:
    return Twin(row=TwinRow(id="s", routing_key="k"))


def _run(command: str, **env: str) -> Operation:
    return Operation(name="process.exec", sandbox="s", arguments={"command": command, "env": env})


def test_environments_and_keys_in_commands_are_known() -> None:
    twin = _twin()
    masking.learn_environment(twin, {"VNC_PASSWORD": "plain-word"})
    masking.learn(twin, [_run("export API_KEY=from-a-command; true", REGION="from-a-body")])
    assert set(masking.secrets(twin)) == {"plain-word", "from-a-command", "from-a-body"}


def test_the_oldest_secrets_of_calls_are_forgotten_first_and_never_the_environment() -> None:
    twin = _twin()
    masking.learn_environment(twin, {"VNC_PASSWORD": "plain-word"})
    for number in range(300):
        masking.learn(twin, [_run("true", VALUE=f"value-{number}")])
    known = masking.secrets(twin)
    assert len(known) == 257
    assert "plain-word" in known and "value-299" in known and "value-0" not in known


def test_a_sandbox_without_twin_has_none() -> None:
    assert masking.secrets(None) == ()
