"""Rules are data: what may be written, what is refused, and how an operator adds to them."""

import pytest

from policies.commands.classes import Class
from policies.commands.commands import Commands
from policies.commands.rules import RulesError, built_in, extended, parse


def classed(command: str, more: str) -> Class:
    return Commands(extended(built_in(), more, "mine.toml")).classed(command).by


def test_an_operator_adds_programs_variables_and_places() -> None:
    more = """
    directories = ["/opt/mine/bin"]
    variables = ["MINE_[A-Z]+"]
    [programs.mytool]
    options = ["-q", "--out:"]
    raises = { "--out" = "local" }
    subcommands = { show = { options = "any" }, send = { class = "external", options = "any" } }
    """

    assert classed("MINE_X=1 /opt/mine/bin/mytool -q show --all a", more) is Class.READ
    assert classed("mytool --out f show", more) is Class.LOCAL
    assert classed("mytool send", more) is Class.EXTERNAL
    assert classed("mytool frob", more) is Class.UNKNOWN
    assert classed("ls", more) is Class.READ, "what was there stays"


def test_an_operator_may_say_otherwise_of_a_program_that_is_known() -> None:
    assert classed("ls", '[programs.ls]\nclass = "external"\noptions = "any"') is Class.EXTERNAL


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[programs.x", "not TOML"),
        ("program = 1", "program is not a part of rules"),
        ('[programs.x]\nclass = "safe"', "class 'safe' is none of read, local, external, unknown"),
        ('[programs.x]\noption = "any"', "option = 'any' is not understood"),
        ('[programs.x]\noptions = ["a"]', "option 'a' does not begin with -"),
        ('[programs.x]\noptions = "some"', "options must be a list of texts"),
        ('[programs.x]\nsees = "everything"', "sees = 'everything' is not understood"),
        ('[programs.x]\nscript = "("', "is no pattern"),
        ("[programs.x]\noperands = -1", "operands = -1 is not understood"),
        ("[programs.x]\nprocesses = 1", "processes = 1 is not understood"),
        ("[programs]\nx = 3", "programs.x must be a table"),
        ('[programs.x.subcommands.y]\nclass = "?"', "programs.x.y: class '?'"),
        ('[[many]]\nnames = "ls"', "names must be a list of texts"),
        ('variables = ["("]', "is no pattern"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_by_file_rule_and_key(text: str, problem: str) -> None:
    with pytest.raises(RulesError) as refused:
        parse(text, "mine.toml")

    assert str(refused.value).startswith("mine.toml: ")
    assert problem in str(refused.value)


def test_every_option_that_raises_a_class_is_an_option() -> None:
    unlisted = [
        (rule.name, option)
        for rule in built_in().programs.values()
        for option in rule.raises
        if rule.options is not None and option not in rule.options
    ]

    assert unlisted == []
